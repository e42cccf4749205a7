//! Schedules the checks of the keyring file: four times a second, and at once when a request
//! has an unknown key, since a client can use a new key before the server has seen it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The time between two regular checks of a file.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// The least time between two checks: any client can ask for one with an invalid token.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks for a check of the keyring. There is one check at a time, however many ask.
pub struct Refresh {
    wanted: SyncSender<()>,
    begun: AtomicU64,
    done: watch::Sender<u64>,
}

impl Refresh {
    /// A new schedule, and the requests that [`turn`](Self::turn) waits for.
    pub fn new() -> (Self, Receiver<()>) {
        let (wanted, asked) = sync_channel(1);
        (Self { wanted, begun: AtomicU64::new(0), done: watch::Sender::new(0) }, asked)
    }

    /// Waits for the end of a check that began after this call.
    pub async fn fresh(&self) {
        let (before, mut done) = (self.begun.load(Ordering::SeqCst), self.done.subscribe());
        // If the queue is full, a check was asked for that has not begun.
        let _ = self.wanted.try_send(());
        // A check that hangs must not make requests hang; `KeyringHealth` notices it.
        let _ = timeout(INTERVAL, done.wait_for(|done| *done > before)).await;
    }

    /// Waits until a check is due, and runs it.
    pub fn turn(&self, asked: &Receiver<()>, look: impl FnOnce()) {
        std::thread::sleep(PAUSE);
        match asked.recv_timeout(INTERVAL) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            // Cannot happen: the sender lives as long as `self`.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(INTERVAL),
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        look();
        self.done.send_replace(number);
    }
}
