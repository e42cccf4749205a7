//! Where batches come from. Of a stream, workers read one batch at a time, in turn; of a
//! file, all at once, each from its own offset, so that no core waits for another's copying.

use std::fs::File;
use std::io::{self, IoSliceMut, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::batch;
use crate::container::stream::Input;
use crate::crypto::cobblestone::SEALED_CHUNK;
use crate::fs;

/// The rest of an input, in batches of chunks of `piece` bytes, each with its number.
pub(super) struct BatchSource<'a, I> {
    piece: usize,
    input: Mutex<&'a mut I>,
    /// Where batches are read by place.
    places: Option<Places>,
    /// The next batch's number.
    next: AtomicU64,
    /// The end was seen, or an error: nobody reads on.
    ended: AtomicBool,
}

/// A file that is read by place.
struct Places {
    file: File,
    /// Where the first batch is.
    start: u64,
    /// Where the file ended when it began to be read: one that grows for as long as it is
    /// read would have no end.
    end: u64,
}

impl Places {
    fn of(mut file: &File) -> Option<Self> {
        // A file without places is a stream.
        let start = file.stream_position().ok()?;
        Some(Self { start, end: file.metadata().ok()?.len(), file: file.try_clone().ok()? })
    }

    fn read(&self, places: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let offset = self.start + offset;
        if offset < self.end { fs::read_vectored_at(&self.file, places, offset) } else { Ok(0) }
    }
}

/// What one batch is read from.
enum Source<'a, 'b, I> {
    Stream(MutexGuard<'a, &'b mut I>),
    Place(&'a Places),
}

impl<'a, I: Input> BatchSource<'a, I> {
    pub(super) fn new(input: &'a mut I, piece: usize) -> Self {
        let places = input.regular().and_then(Places::of);
        let (next, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { piece, input: Mutex::new(input), places, next, ended }
    }

    /// Fills `buffer` with the next batch, unless the input has ended. Returns the batch's
    /// number and the bytes read. The first that [is not full](Self::is_full) is the last
    /// one; where others read too, they may return more, which are to be dropped.
    pub(super) fn next(&self, buffer: &mut [u8]) -> Option<(u64, io::Result<usize>)> {
        let mut source = match &self.places {
            Some(places) => Source::Place(places),
            // It is one reader's until all is noted; poisoned, another has panicked.
            None => Source::Stream(self.input.lock().ok()?),
        };
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let before = number * self.full() as u64;
        let read = fill(buffer, self.piece, |places, filled| match &mut source {
            Source::Stream(input) => input.read_vectored(places),
            Source::Place(file) => file.read(places, before + filled as u64),
        });
        if !self.is_full(&read) {
            self.ended.store(true, Ordering::Relaxed);
        }
        Some((number, read))
    }

    /// Whether so many bytes are a full batch, so that more may follow.
    pub(super) fn is_full(&self, read: &io::Result<usize>) -> bool {
        read.as_ref().is_ok_and(|filled| *filled == self.full())
    }

    fn full(&self) -> usize {
        batch::CHUNKS * self.piece
    }

    /// Whether the input has ended where all its batches, of `read` bytes, end; it is left
    /// there, as by who reads it from one end to the other. To be asked when all of them
    /// were read.
    pub(super) fn is_at_end(&self, read: u64) -> io::Result<bool> {
        let Some(Places { file, start, .. }) = &self.places else { return Ok(true) };
        let mut file = file;
        file.seek(SeekFrom::Start(start + read))?;
        Ok(self.input.lock().unwrap_or_else(PoisonError::into_inner).read(&mut [0])? == 0)
    }
}

/// Has `read` fill places of `piece` bytes, [`SEALED_CHUNK`] apart, until the buffer is
/// full or the input ends; returns the bytes read. `read` hears how many came before.
fn fill(
    buffer: &mut [u8],
    piece: usize,
    mut read: impl FnMut(&mut [IoSliceMut<'_>], usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut places: Vec<_> =
        buffer.chunks_mut(SEALED_CHUNK).map(|place| IoSliceMut::new(&mut place[..piece])).collect();
    let mut empty = places.as_mut_slice();
    let mut filled = 0;
    while !empty.is_empty() {
        match read(empty, filled) {
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
