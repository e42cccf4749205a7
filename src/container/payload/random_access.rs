//! Pieces of a payload: only the chunks that hold them are decrypted. What comes
//! out is authentic; that the payload is whole, only its last chunk tells.

use crate::container::archive::{ArchiveFault, PlainAt};
use crate::container::error::{ContainerError, Fault};
use crate::container::stream::{Named, ReadAt};
use crate::crypto::cobblestone::{CHUNK, Cipher, SEALED_CHUNK, TAG};
use crate::secret::SecretBytes;

/// A payload, chunk by chunk.
pub(in crate::container) struct Chunks<'a, S> {
    source: &'a Named<S>,
    cipher: Cipher,
    /// Where the first chunk stands.
    offset: u64,
    /// Bytes of plaintext.
    length: u64,
    /// The chunk that was decrypted last.
    last: Option<(u64, SecretBytes)>,
}

impl<'a, S: ReadAt> Chunks<'a, S> {
    /// A payload of `length` bytes of plaintext, whose first chunk stands at `offset`.
    pub(in crate::container) fn new(source: &'a Named<S>, offset: u64, length: u64, cipher: Cipher) -> Self {
        Self { source, cipher, offset, length, last: None }
    }

    fn chunk(&mut self, index: u64) -> Result<&[u8], ContainerError> {
        if self.last.as_ref().is_none_or(|(at, _)| *at != index) {
            let plain = self.length.saturating_sub(index * CHUNK as u64).min(CHUNK as u64);
            let mut sealed: SecretBytes = vec![0; usize::try_from(plain).unwrap_or(0) + TAG].into();
            let buffer = sealed.expose_mut();
            self.source
                .stream
                .read_exact_at(buffer, self.offset + index * SEALED_CHUNK as u64)
                .map_err(|error| self.source.read_error(error))?;
            let opened = self.cipher.open_chunk(index, buffer).map(|plain| plain.len());
            let length = opened.map_err(|_| Fault::of(&self.source.name)(Fault::Chunk(index)))?;
            buffer.truncate(length);
            self.last = Some((index, sealed));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, plain)| plain.expose()))
    }
}

impl<S: ReadAt> PlainAt for Chunks<'_, S> {
    type Error = Listing;

    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Listing> {
        let end = offset.saturating_add(length as u64).min(self.length);
        let (mut at, mut out) = (offset, Vec::new());
        while at < end {
            let chunk = self.chunk(at / CHUNK as u64)?;
            let start = usize::try_from(at % CHUNK as u64).unwrap_or(0);
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = chunk.get(start..).unwrap_or_default();
            let piece = &piece[..piece.len().min(wanted)];
            if piece.is_empty() {
                break;
            }
            out.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        Ok(out)
    }
}

/// Why an archive cannot be listed.
pub(in crate::container) enum Listing {
    Archive(ArchiveFault),
    Container(ContainerError),
}

impl From<ArchiveFault> for Listing {
    fn from(fault: ArchiveFault) -> Self {
        Self::Archive(fault)
    }
}

impl From<ContainerError> for Listing {
    fn from(error: ContainerError) -> Self {
        Self::Container(error)
    }
}
