//! Messages of a process that must not wait for whoever reads them: a server. A thread of
//! its own writes them to stderr. Where nobody reads, they wait, a bounded number of
//! bytes; then they are lost, and that is said once somebody reads again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Most bytes that wait to be written.
const MOST: usize = 1 << 20;
/// How long the end of the process waits for what was said last.
const PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// From now on nobody waits until messages are written. Where no thread can be had for
/// that, all stays as it is.
pub fn detach() {
    let queue = Arc::new(Queue::default());
    let thread = std::thread::Builder::new().name("messages".into());
    let taken = Arc::clone(&queue);
    let spawned = thread.spawn(move || {
        loop {
            taken.turn(&mut io::stderr());
        }
    });
    if spawned.is_ok() {
        let _ = QUEUE.set(queue);
    }
}

/// Says `text`, which is one line or more. Who closed stderr did not want it.
pub fn say(text: &str) {
    match QUEUE.get() {
        Some(queue) => queue.push(text.as_bytes()),
        None => drop(io::stderr().write_all(text.as_bytes())),
    }
}

/// Waits until all that was said is written, but not for ever.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(PATIENCE);
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// How many messages found no place.
    lost: u64,
    /// Some are being written.
    busy: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: &[u8]) {
        let mut state = self.lock();
        if text.len() > MOST - state.waiting.len() {
            state.lost += 1;
        } else {
            state.waiting.extend_from_slice(text);
        }
        self.changed.notify_all();
    }

    /// Waits for messages, and writes them.
    fn turn(&self, out: &mut dyn Write) {
        let waited = self.changed.wait_while(self.lock(), |state| state.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let (text, lost) = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.lost));
        state.busy = true;
        drop(state);
        let _ = out.write_all(&text);
        if lost > 0 {
            let _ = writeln!(out, "warning: {lost} messages are missing here: nobody read them in time");
        }
        self.lock().busy = false;
        self.changed.notify_all();
    }

    fn flush(&self, patience: Duration) {
        let _ =
            self.changed.wait_timeout_while(self.lock(), patience, |state| state.busy || !state.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn messages_are_written_in_their_order_and_waited_for() {
        let queue = Queue::default();
        let mut out = Vec::new();
        std::thread::scope(|scope| {
            queue.push(b"one\n");
            queue.push(b"two\n");
            scope.spawn(|| queue.turn(&mut out));
            queue.flush(Duration::MAX);
        });
        assert_eq!(out, b"one\ntwo\n");
        // Nothing is waited for that is not there.
        queue.flush(Duration::MAX);
    }

    #[test]
    fn messages_that_nobody_reads_are_lost_whole_and_counted() {
        let queue = Queue::default();
        let line = [vec![b'.'; 99], b"\n".to_vec()].concat();
        for _ in 0..MOST / line.len() + 7 {
            queue.push(&line);
        }
        assert!(queue.lock().waiting.len() <= MOST);
        // Neither the process nor its end waits for ever.
        queue.flush(Duration::from_millis(1));
        let mut out = Vec::new();
        queue.turn(&mut out);
        let (lines, said) = out.split_at(MOST / line.len() * line.len());
        assert!(lines.chunks(line.len()).all(|chunk| chunk == line));
        assert_eq!(said, b"warning: 7 messages are missing here: nobody read them in time\n");
        queue.push(b"more\n");
        let mut out = Vec::new();
        queue.turn(&mut out);
        assert_eq!(out, b"more\n");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_reason_to_stop() {
        let queue = Queue::default();
        for _ in 0..3 {
            queue.push(b"line\n");
            queue.turn(&mut Gone);
            queue.flush(Duration::MAX);
        }
        assert!(queue.lock().is_empty());
    }
}
