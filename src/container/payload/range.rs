//! A part of a payload: only the chunks that hold it are read, and each proves
//! authentic, at its own place, before any of it is written. That says nothing of
//! the others.

use std::io::Write;
use std::ops::Range;

use super::batch;
use crate::container::error::{ContainerError, Fault};
use crate::container::stream::{Named, ReadAt};
use crate::crypto::cobblestone::{CHUNK, Cipher, SEALED_CHUNK, TAG};
use crate::progress::Progress;

/// Decrypts `range` of a plaintext of `length` bytes, whose first chunk stands at
/// `offset`. The range lies within the plaintext.
pub(in crate::container) fn copy<W: Write>(
    source: &Named<impl ReadAt>,
    offset: u64,
    length: u64,
    range: Range<u64>,
    cipher: &Cipher,
    output: &mut Named<W>,
    progress: &dyn Progress,
) -> Result<(), ContainerError> {
    let mut secret = batch::buffer();
    let buffer = secret.expose_mut();
    let (chunk, sealed_chunk) = (CHUNK as u64, SEALED_CHUNK as u64);
    let mut at = range.start;
    while at < range.end {
        let first = at / chunk;
        let chunks = ((range.end - 1) / chunk - first + 1).min(batch::CHUNKS as u64);
        let plain = (length - first * chunk).min(chunks * chunk);
        let filled = usize::try_from(plain).unwrap_or(batch::PLAIN)
            + usize::try_from(chunks).unwrap_or(batch::CHUNKS) * TAG;
        source
            .stream
            .read_exact_at(&mut buffer[..filled], offset + first * sealed_chunk)
            .map_err(|error| source.read_error(error))?;
        for (index, sealed) in (first..).zip(buffer[..filled].chunks_mut(SEALED_CHUNK)) {
            let opened = cipher.open_chunk(index, sealed).map_err(|_| Fault::Chunk(index));
            let opened = opened.map_err(Fault::of(&source.name))?;
            let start = index * chunk;
            let within = |place: u64| usize::try_from(place.saturating_sub(start)).unwrap_or(CHUNK);
            let wanted = &opened[within(at)..within(range.end).min(opened.len())];
            output.stream.write_all(wanted).map_err(|error| output.write_error(error))?;
            at += wanted.len() as u64;
            progress.advance(wanted.len() as u64);
        }
    }
    output.stream.flush().map_err(|error| output.write_error(error))
}
