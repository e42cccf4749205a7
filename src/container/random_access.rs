//! Pieces of a payload: only the chunks that hold them are decrypted. What comes
//! out is authentic; that the payload is whole, only its last chunk tells.

use super::archive::{ArchiveFault, PlainAt};
use super::error::{ContainerError, Fault};
use super::stream::ReadAt;
use super::unlocked::Unlocked;
use crate::crypto::cobblestone::{CHUNK, Cipher, PREFIX, SEALED_CHUNK, TAG};
use crate::secret::SecretBytes;

/// A payload, chunk by chunk.
pub(super) struct Chunks<'a, S> {
    file: &'a Unlocked<S>,
    cipher: Cipher,
    /// Bytes of plaintext.
    length: u64,
    /// The chunk that was decrypted last.
    last: Option<(u64, SecretBytes)>,
}

impl<'a, S: ReadAt> Chunks<'a, S> {
    pub(super) fn new(file: &'a Unlocked<S>) -> Result<Self, ContainerError> {
        file.require_payload()?;
        let input = file.input();
        let length = file.plaintext_len().map_err(Fault::of(&input.name))?;
        let length = length.ok_or_else(|| ContainerError::NotRegular { name: input.name.clone() })?;
        let mut prefix = [0; PREFIX];
        let offset = file.header().payload_offset();
        input.stream.read_exact_at(&mut prefix, offset).map_err(|e| input.read_error(e))?;
        let cipher = file.cipher(&prefix).map_err(Fault::of(&input.name))?;
        Ok(Self { file, cipher, length, last: None })
    }

    fn chunk(&mut self, index: u64) -> Result<&[u8], ContainerError> {
        if self.last.as_ref().is_none_or(|(at, _)| *at != index) {
            let input = self.file.input();
            let plain = self.length.saturating_sub(index * CHUNK as u64).min(CHUNK as u64);
            let mut sealed: SecretBytes = vec![0; usize::try_from(plain).unwrap_or(0) + TAG].into();
            let first = self.file.header().payload_offset() + PREFIX as u64;
            let buffer = sealed.expose_mut();
            input
                .stream
                .read_exact_at(buffer, first + index * SEALED_CHUNK as u64)
                .map_err(|error| input.read_error(error))?;
            let opened = self.cipher.open_chunk(index, buffer).map(|plain| plain.len());
            let length = opened.map_err(|_| Fault::of(&input.name)(Fault::Chunk(index)))?;
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
pub(super) enum Listing {
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
