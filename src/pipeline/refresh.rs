//! When the keyring is read again: four times a second, and at once when a request
//! brings a key that is not known. Whoever was given a token of a new key does not
//! know when this server looked last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Between two looks at a file that nobody asks for.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// Between two looks, whoever asks: strangers can, with any token.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks for the keyring to be looked at. However many ask, there is one look at a time.
pub struct Refresh {
    wanted: SyncSender<()>,
    begun: AtomicU64,
    done: watch::Sender<u64>,
}

impl Refresh {
    /// The asking side, and what [`turn`](Self::turn) waits on.
    pub fn new() -> (Self, Receiver<()>) {
        let (wanted, asked) = sync_channel(1);
        (Self { wanted, begun: AtomicU64::new(0), done: watch::Sender::new(0) }, asked)
    }

    /// Waits until a look is over that began after this call.
    pub async fn fresh(&self) {
        let (before, mut done) = (self.begun.load(Ordering::SeqCst), self.done.subscribe());
        // Full: one is asked for already, and has not begun.
        let _ = self.wanted.try_send(());
        // A reader that hangs is noticed elsewhere; it must not hang requests too.
        let _ = timeout(INTERVAL, done.wait_for(|done| *done > before)).await;
    }

    /// Waits until it is time to look, then looks.
    pub fn turn(&self, asked: &Receiver<()>, look: impl FnOnce()) {
        std::thread::sleep(PAUSE);
        match asked.recv_timeout(INTERVAL) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            // Out of reach: the sender lives as long as `self`.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(INTERVAL),
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        look();
        self.done.send_replace(number);
    }
}
