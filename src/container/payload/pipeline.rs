//! Streams through all cores in constant memory. Workers pass a turnstile: each fills
//! its buffer and has a number by that; works on it beside the others; then waits until
//! its number is called and writes. Who fails also waits for its turn, so the error
//! that is reported is that of the earliest batch, and everything before it has been
//! written.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::batch::{self, Batch};
use super::batch_source::BatchSource;
use super::workers;
use crate::container::error::ContainerError;
use crate::container::stream::{Input, Named};
use crate::fs::FsError;
use crate::progress::Progress;

/// Beyond these, the copying into and out of the kernel is what takes the time.
const MAX_WORKERS: usize = 8;

/// Bytes that went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::container) struct Totals {
    pub(in crate::container) read: u64,
    pub(in crate::container) written: u64,
}

/// Reads chunks of `piece` bytes from `input`, lets `work` transform them batch
/// by batch, and writes what it returns to `output`, in order. `progress` hears
/// of plaintext bytes.
pub(in crate::container) fn run<R, W, F>(
    mut input: Named<R>,
    output: Named<W>,
    piece: usize,
    work: F,
    progress: &dyn Progress,
) -> Result<Totals, ContainerError>
where
    R: Input,
    W: Write + Send,
    F: Fn(Batch<'_>) -> Result<&[u8], ContainerError> + Sync,
{
    let name = input.name.clone();
    let read_error = |source| ContainerError::Read { name: name.clone(), source };
    let turnstile = Turnstile {
        name: &name,
        source: BatchSource::new(&mut input.stream, piece),
        read_error: &read_error,
        exit: Mutex::new(Exit { output, called: 0, closed: false, outcome: Ok(Totals::default()) }),
        called: Condvar::new(),
    };
    workers::run(MAX_WORKERS, || turnstile.pass(&work, progress));

    let Exit { mut output, outcome, .. } =
        turnstile.exit.into_inner().unwrap_or_else(PoisonError::into_inner);
    let totals = outcome?;
    output.stream.flush().map_err(|e| output.write_error(e))?;
    Ok(totals)
}

struct Turnstile<'a, R, W> {
    /// The input's.
    name: &'a str,
    source: BatchSource<'a, R>,
    read_error: &'a (dyn Fn(io::Error) -> ContainerError + Sync),
    exit: Mutex<Exit<W>>,
    /// Signalled when a number is called, or the exit closes.
    called: Condvar,
}

struct Exit<W> {
    output: Named<W>,
    /// The number whose turn it is.
    called: u64,
    /// Nobody may write any more.
    closed: bool,
    outcome: Result<Totals, ContainerError>,
}

impl<R: Input, W: Write> Turnstile<'_, R, W> {
    /// What each worker does until the input ends or something fails.
    fn pass<F>(&self, work: &F, progress: &dyn Progress)
    where
        F: Fn(Batch<'_>) -> Result<&[u8], ContainerError>,
    {
        // A worker that panics never takes its turn; the others must not wait for it.
        let _guard = OnPanic(|| self.close(&mut lock(&self.exit)));
        let mut secret = batch::buffer();
        let buffer = secret.expose_mut();
        while let Some((number, read)) = self.source.next(buffer) {
            let last = !self.source.is_full(&read);
            let worked = read
                .map_err(self.read_error)
                .and_then(|filled| Ok((filled, work(Batch { number, buffer, filled, last })?)));
            let Some(bytes) = self.leave(number, last, worked) else { return };
            progress.advance(bytes);
        }
    }

    /// Writes when `number` is called; nobody does after the `last`. Returns the bytes
    /// of plaintext that went through, or `None` where that is over.
    fn leave(&self, number: u64, last: bool, worked: Result<(usize, &[u8]), ContainerError>) -> Option<u64> {
        let mut exit = lock(&self.exit);
        while exit.called != number && !exit.closed {
            exit = self.called.wait(exit).unwrap_or_else(PoisonError::into_inner);
        }
        if exit.closed {
            return None;
        }
        let Exit { output, outcome, .. } = &mut *exit;
        let before = outcome.as_ref().map_or(0, |totals| totals.read);
        let written = worked.and_then(|(filled, bytes)| {
            let filled = filled as u64;
            // Without the last batch nobody takes what was written for whole.
            if last && !self.source.is_at_end(before + filled).map_err(self.read_error)? {
                return Err(FsError::Changed { path: self.name.into() }.into());
            }
            match output.stream.write_all(bytes) {
                Ok(()) => Ok((filled, bytes.len() as u64)),
                Err(error) => Err(output.write_error(error)),
            }
        });
        match (written, outcome) {
            (Ok((read, written)), Ok(totals)) => {
                totals.read += read;
                totals.written += written;
                exit.called += 1;
                exit.closed = last;
                self.called.notify_all();
                // Tags make the sealed side the longer one.
                Some(read.min(written))
            }
            (Err(error), outcome) => {
                *outcome = Err(error);
                self.close(&mut exit);
                None
            }
            (Ok(_), Err(_)) => None,
        }
    }

    fn close(&self, exit: &mut Exit<W>) {
        exit.closed = true;
        self.called.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0();
        }
    }
}
