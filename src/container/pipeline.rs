//! Streams through all cores in constant memory. Workers pass a turnstile: one
//! at a time fills its buffer from the input and draws a number; works on it
//! beside the others; then waits until its number is called and writes. Who
//! fails also waits for its turn, so the error that is reported is that of the
//! earliest batch, and everything before it has been written.

use std::io::{self, IoSliceMut, Read, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::batch::{self, Batch};
use super::error::ContainerError;
use super::stream::Named;
use super::workers;
use crate::crypto::cobblestone::SEALED_CHUNK;
use crate::progress::Progress;

/// Beyond these, the copying into and out of the kernel is what takes the time.
const MAX_WORKERS: usize = 8;

/// Bytes that went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Reads chunks of `piece` bytes from `input`, lets `work` transform them batch
/// by batch, and writes what it returns to `output`, in order. `progress` hears
/// of plaintext bytes.
pub(super) fn run<R, W, F>(
    input: Named<R>,
    output: Named<W>,
    piece: usize,
    work: F,
    progress: &dyn Progress,
) -> Result<Totals, ContainerError>
where
    R: Read + Send,
    W: Write + Send,
    F: Fn(Batch<'_>) -> Result<&[u8], ContainerError> + Sync,
{
    let turnstile = Turnstile {
        entry: Mutex::new(Entry { input, drawn: 0, ended: false }),
        exit: Mutex::new(Exit { output, called: 0, closed: false, outcome: Ok(Totals::default()) }),
        called: Condvar::new(),
        piece,
    };
    workers::run(MAX_WORKERS, || turnstile.pass(&work, progress));

    let Exit { mut output, outcome, .. } =
        turnstile.exit.into_inner().unwrap_or_else(PoisonError::into_inner);
    let totals = outcome?;
    output.stream.flush().map_err(|e| output.write_error(e))?;
    Ok(totals)
}

struct Turnstile<R, W> {
    entry: Mutex<Entry<R>>,
    exit: Mutex<Exit<W>>,
    /// Signalled when a number is called, or the exit closes.
    called: Condvar,
    piece: usize,
}

struct Entry<R> {
    input: Named<R>,
    /// The next number to draw.
    drawn: u64,
    ended: bool,
}

struct Exit<W> {
    output: Named<W>,
    /// The number whose turn it is.
    called: u64,
    /// Nobody may write any more.
    closed: bool,
    outcome: Result<Totals, ContainerError>,
}

impl<R: Read, W: Write> Turnstile<R, W> {
    /// What each worker does until the input ends or something fails.
    fn pass<F>(&self, work: &F, progress: &dyn Progress)
    where
        F: Fn(Batch<'_>) -> Result<&[u8], ContainerError>,
    {
        // A worker that panics never takes its turn; the others must not wait for it.
        let _guard = OnPanic(|| self.close(&mut lock(&self.exit)));
        let mut secret = batch::buffer();
        let buffer = secret.expose_mut();
        while let Some((number, read)) = self.enter(buffer) {
            let worked = read.and_then(|filled| {
                let last = !self.is_full(filled);
                Ok((filled, work(Batch { number, buffer, filled, last })?))
            });
            let Some(bytes) = self.leave(number, worked) else { return };
            progress.advance(bytes);
        }
    }

    /// Fills `buffer` and draws a number, unless the input has ended. Returns the
    /// number and the bytes read.
    fn enter(&self, buffer: &mut [u8]) -> Option<(u64, Result<usize, ContainerError>)> {
        let mut entry = lock(&self.entry);
        if entry.ended {
            return None;
        }
        // Should the reading fail, or panic, nobody reads on.
        entry.ended = true;
        let number = entry.drawn;
        entry.drawn += 1;
        let read = fill(&mut entry.input.stream, buffer, self.piece);
        entry.ended = !matches!(read, Ok(filled) if self.is_full(filled));
        Some((number, read.map_err(|error| entry.input.read_error(error))))
    }

    /// Whether `filled` bytes of input make a full batch, so that more may follow.
    fn is_full(&self, filled: usize) -> bool {
        filled == batch::CHUNKS * self.piece
    }

    /// Writes when `number` is called. Returns the bytes of plaintext that went
    /// through, or `None` once something has failed.
    fn leave(&self, number: u64, worked: Result<(usize, &[u8]), ContainerError>) -> Option<u64> {
        let mut exit = lock(&self.exit);
        while exit.called != number && !exit.closed {
            exit = self.called.wait(exit).unwrap_or_else(PoisonError::into_inner);
        }
        if exit.closed {
            return None;
        }
        let written = worked.and_then(|(filled, bytes)| match exit.output.stream.write_all(bytes) {
            Ok(()) => Ok((filled as u64, bytes.len() as u64)),
            Err(error) => Err(exit.output.write_error(error)),
        });
        match (written, &mut exit.outcome) {
            (Ok((read, written)), Ok(totals)) => {
                totals.read += read;
                totals.written += written;
                exit.called += 1;
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

/// Reads chunks of `piece` bytes to places [`SEALED_CHUNK`] apart, until the
/// buffer is full or the input ends; returns the bytes read.
fn fill(input: &mut impl Read, buffer: &mut [u8], piece: usize) -> io::Result<usize> {
    let mut places: Vec<_> =
        buffer.chunks_mut(SEALED_CHUNK).map(|place| IoSliceMut::new(&mut place[..piece])).collect();
    let mut empty = places.as_mut_slice();
    let mut filled = 0;
    while !empty.is_empty() {
        match input.read_vectored(empty) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                IoSliceMut::advance_slices(&mut empty, read);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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
