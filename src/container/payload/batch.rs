//! A run of consecutive chunks in one buffer: the unit in which a payload is
//! read, encrypted or decrypted in place, and written.

use crate::container::error::Fault;
use crate::crypto::cobblestone::{CHUNK, Cipher, SEALED_CHUNK, TAG};
use crate::secret::SecretBytes;

/// Chunks in a full batch.
pub(in crate::container) const CHUNKS: usize = 32;
/// Bytes of plaintext in a full batch.
pub(in crate::container) const PLAIN: usize = CHUNKS * CHUNK;

/// A buffer for one batch, wiped when dropped.
pub(super) fn buffer() -> SecretBytes {
    vec![0; CHUNKS * SEALED_CHUNK].into()
}

/// One batch. Only the last one of a payload is less than full.
pub(in crate::container) struct Batch<'a> {
    /// Which batch of the payload.
    pub(super) number: u64,
    pub(super) buffer: &'a mut [u8],
    /// Bytes of input in the buffer.
    pub(super) filled: usize,
    pub(super) last: bool,
}

impl<'a> Batch<'a> {
    fn first_chunk(&self) -> u64 {
        self.number * CHUNKS as u64
    }

    /// Encrypts plaintext whose chunks stand [`SEALED_CHUNK`] apart, each with
    /// room for its tag, and returns the result.
    pub(in crate::container) fn seal(self, cipher: &Cipher) -> &'a [u8] {
        let first = self.first_chunk();
        let chunks = self.filled / CHUNK + usize::from(self.last);
        let spaces = self.buffer.chunks_mut(SEALED_CHUNK).take(chunks);
        let mut left = self.filled;
        for (index, space) in (first..).zip(spaces) {
            let length = left.min(CHUNK);
            let (plain, tag) = space.split_at_mut(length);
            tag[..TAG].copy_from_slice(&cipher.seal_chunk(index, plain));
            left -= length;
        }
        &self.buffer[..self.filled + chunks * TAG]
    }

    /// Decrypts sealed chunks into one run of plaintext, at the beginning of the
    /// buffer, and returns it once every chunk has proved authentic.
    pub(in crate::container) fn open(self, cipher: &Cipher) -> Result<&'a [u8], Fault> {
        let first = self.first_chunk();
        if self.last {
            check_end(first, self.filled as u64)?;
        }
        let chunks = self.filled.div_ceil(SEALED_CHUNK);
        for (index, i) in (first..).zip(0..chunks) {
            let end = self.filled.min((i + 1) * SEALED_CHUNK);
            cipher.open_chunk_from(index, &mut self.buffer[i * CHUNK..end], i * TAG).map_err(|_| {
                if self.last && i + 1 == chunks { Fault::LastChunk(index) } else { Fault::Chunk(index) }
            })?;
        }
        Ok(&self.buffer[..self.filled - chunks * TAG])
    }

    /// Decrypts sealed chunks and encrypts each again, in its place, and returns
    /// them all once every one has proved authentic.
    pub(in crate::container) fn reencrypt(self, old: &Cipher, new: &Cipher) -> Result<&'a [u8], Fault> {
        let first = self.first_chunk();
        if self.last {
            check_end(first, self.filled as u64)?;
        }
        let sealed = &mut self.buffer[..self.filled];
        let count = sealed.len().div_ceil(SEALED_CHUNK);
        for (i, chunk) in sealed.chunks_mut(SEALED_CHUNK).enumerate() {
            let index = first + i as u64;
            old.open_chunk(index, chunk).map_err(|_| {
                if self.last && i + 1 == count { Fault::LastChunk(index) } else { Fault::Chunk(index) }
            })?;
            let (plain, tag) = chunk.split_at_mut(chunk.len() - TAG);
            tag.copy_from_slice(&new.seal_chunk(index, plain));
        }
        Ok(sealed)
    }
}

/// Checks that a payload can end `length` bytes after the beginning of chunk
/// `first`: in a short chunk, which is the last one by that.
pub(in crate::container) fn check_end(first: u64, length: u64) -> Result<(), Fault> {
    let end = first + length / SEALED_CHUNK as u64;
    match (length % SEALED_CHUNK as u64, end.checked_sub(1)) {
        (0, None) => Err(Fault::PayloadTruncated),
        (0, Some(whole)) => Err(Fault::LastChunkMissing(whole)),
        (rest, _) if rest < TAG as u64 => Err(Fault::ChunkTruncated(end)),
        _ => Ok(()),
    }
}
