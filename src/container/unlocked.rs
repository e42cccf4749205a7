//! Decrypting a file whose header a key has opened.

use std::io::{Read, Write};
use std::ops::Range;

use super::error::{ContainerError, Fault};
use super::header::Metadata;
use super::header::{Header, Opening};
use super::ids::{KeyId, RecipientKind, SignerId};
use super::open::Sealed;
use super::payload::random_access::Chunks;
use super::payload::{batch, memory, pipeline, range};
use super::recipients::KeySource;
use super::signature::{SignaturePolicy, Statement};
use super::stream::{Hashed, Input, Named, ReadAt, read_up_to};
use crate::crypto::cobblestone::{self, Cipher, PREFIX, SEALED_CHUNK};
use crate::crypto::digest::{Digest, Sha256};
use crate::progress::Progress;
use crate::secret::{Secret, SecretPages};

impl<S: Read> Sealed<S> {
    /// Unlocks it with the first of its recipients whose key `keys` has.
    pub fn unlock(self, keys: &(impl KeySource + ?Sized)) -> Result<Unlocked<S>, ContainerError> {
        let opening = self.header.unlock(&self.name, keys)?;
        Ok(Unlocked { sealed: self, opening })
    }

    /// The same, for a rewrite: one that was interrupted can be ended by who began it.
    pub(super) fn unlock_to_rewrite(
        self,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Unlocked<S>, ContainerError> {
        let opening = self.header.unlock_to_rewrite(&self.name, keys)?;
        Ok(Unlocked { sealed: self, opening })
    }
}

/// A sealed file whose header and metadata are authentic, and whose payload can
/// be decrypted.
#[derive(Debug)]
pub struct Unlocked<S> {
    sealed: Sealed<S>,
    opening: Opening,
}

impl<S> Unlocked<S> {
    /// The header, authentic now.
    pub fn header(&self) -> &Header {
        &self.sealed.header
    }

    /// What the file says about the model.
    pub fn metadata(&self) -> &Metadata {
        &self.opening.metadata
    }

    /// How it was opened.
    pub fn kind(&self) -> RecipientKind {
        self.opening.kind
    }

    /// Which key opened it.
    pub fn key_id(&self) -> KeyId {
        self.opening.key_id
    }

    /// What was opened, for a rewrite.
    pub(super) fn input(&self) -> &Named<S> {
        &self.sealed.input
    }

    pub(super) fn input_mut(&mut self) -> &mut Named<S> {
        &mut self.sealed.input
    }

    pub(super) fn into_input(self) -> Named<S> {
        self.sealed.input
    }

    pub(super) fn data_key(&self) -> &Secret<32> {
        &self.opening.data_key
    }

    /// What messages call the file that holds the payload.
    pub(super) fn payload_name(&self) -> &str {
        &self.sealed.input.name
    }

    /// Whether more than the header is here.
    pub fn has_payload(&self) -> bool {
        self.sealed.attached
    }

    /// Fails where only the header is here.
    pub(super) fn require_payload(&self) -> Result<(), ContainerError> {
        if self.sealed.attached {
            return Ok(());
        }
        Err(ContainerError::PayloadElsewhere { name: self.sealed.input.name.clone() })
    }

    /// What a signature of this file says, given the digest of its payload.
    pub(super) fn statement(&self, payload: Digest) -> Statement {
        Statement::new(self.sealed.header.preamble(), self.opening.metadata_digest, payload)
    }

    /// The payload's cipher, if the payload begins with `prefix`.
    pub(super) fn cipher(&self, prefix: &[u8; PREFIX]) -> Result<Cipher, Fault> {
        cipher(&self.sealed.header, &self.opening, prefix)
    }

    /// Checks the payload's length, where it is known, before any of it is read.
    /// Returns that of the plaintext.
    pub(super) fn plaintext_len(&self) -> Result<Option<u64>, Fault> {
        let Some(payload) = self.sealed.payload else { return Ok(None) };
        batch::check_end(0, payload.checked_sub(PREFIX as u64).ok_or(Fault::PayloadTruncated)?)?;
        let length = cobblestone::opened_len(payload).ok_or(Fault::PayloadTruncated)?;
        // The metadata is authentic, and the length of the file is not: it is the file that
        // was cut, or that something was appended to.
        match self.opening.metadata.size {
            Some(expected) if expected != length => Err(Fault::Length { expected, found: length }),
            _ => Ok(Some(length)),
        }
    }
}

impl<S: Input> Unlocked<S> {
    /// Decrypts the payload to `output`, on all cores, in a few MiB of memory, and
    /// returns its length. What `output` gets is authentic and in order, but only
    /// after this succeeds is it whole.
    pub fn decrypt<W: Write + Send>(
        mut self,
        output: Named<W>,
        progress: &dyn Progress,
    ) -> Result<u64, ContainerError> {
        self.stream(output, None, progress)
    }

    /// Decrypts the payload to `output`, and adds it to `hash` as it is read.
    pub(super) fn stream<W: Write + Send>(
        &mut self,
        output: Named<W>,
        hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<u64, ContainerError> {
        self.require_payload()?;
        let name = self.sealed.input.name.clone();
        if let Some(total) = self.plaintext_len().map_err(Fault::of(&name))? {
            progress.total(total);
        }
        let input = &mut self.sealed.input;
        let mut hashed = Hashed::new(&mut input.stream, hash);
        let mut prefix = [0; PREFIX];
        let read = read_up_to(&mut hashed, &mut prefix)
            .map_err(|source| ContainerError::Read { name: name.clone(), source })?;
        if read < PREFIX {
            return Err(Fault::of(&name)(Fault::PayloadTruncated));
        }
        let cipher = cipher(&self.sealed.header, &self.opening, &prefix).map_err(Fault::of(&name))?;

        let totals = pipeline::run(
            Named::new(name.clone(), hashed),
            output,
            SEALED_CHUNK,
            |batch| batch.open(&cipher).map_err(Fault::of(&name)),
            progress,
        )?;
        check_size(&self.opening.metadata, totals.written).map_err(Fault::of(&name))?;
        Ok(totals.written)
    }
}

impl<S: ReadAt> Unlocked<S> {
    /// Decrypts the payload into memory that is allocated once and wiped when
    /// dropped. Nothing is handed over unless all of it is authentic.
    pub fn read_to_memory(&self, progress: &dyn Progress) -> Result<SecretPages, ContainerError> {
        self.load(None, progress)
    }

    /// Like [`read_to_memory`](Self::read_to_memory), and only if whoever must have
    /// signed the file by `policy` has: it is the very bytes decrypted that count. Tells
    /// who of the trusted signers has, where that was asked.
    pub fn read_signed_to_memory(
        &self,
        policy: &SignaturePolicy,
        progress: &dyn Progress,
    ) -> Result<(SecretPages, Vec<SignerId>), ContainerError> {
        let mut hash = self.demanded(policy)?;
        let plaintext = self.load(hash.as_mut(), progress)?;
        let signers = self.require_signature(policy, hash)?;
        Ok((plaintext, signers))
    }

    fn load(
        &self,
        mut hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<SecretPages, ContainerError> {
        let length = self.length()?;
        progress.total(length);
        let (prefix, cipher) = self.prefix()?;
        if let Some(hash) = &mut hash {
            hash.update(&prefix);
        }
        memory::load(&self.sealed.input, self.chunks_offset(), length, &cipher, hash, progress)
    }

    /// Length of the plaintext, as far as the file's own length tells it.
    pub fn length(&self) -> Result<u64, ContainerError> {
        self.require_payload()?;
        let name = &self.sealed.input.name;
        let length = self.plaintext_len().map_err(Fault::of(name))?;
        length.ok_or_else(|| ContainerError::NotRegular { name: name.clone() })
    }

    /// Decrypts a part of the payload, up to its end at most, from the chunks that
    /// hold it, and returns its length. What `output` gets is authentic; whether
    /// the rest of the file is intact, or there at all, remains unknown.
    pub fn decrypt_range<W: Write>(
        &self,
        range: Range<u64>,
        mut output: Named<W>,
        progress: &dyn Progress,
    ) -> Result<u64, ContainerError> {
        let length = self.length()?;
        let range = range.start..range.end.min(length);
        if range.start >= length {
            return Err(ContainerError::Range { name: self.sealed.input.name.clone(), length });
        }
        let wanted = range.end.saturating_sub(range.start);
        progress.total(wanted);
        let (_, cipher) = self.prefix()?;
        let input = &self.sealed.input;
        range::copy(input, self.chunks_offset(), length, range, &cipher, &mut output, progress)?;
        Ok(wanted)
    }

    /// The payload, of which pieces can be decrypted.
    pub(super) fn chunks(&self) -> Result<Chunks<'_, S>, ContainerError> {
        let length = self.length()?;
        let (_, cipher) = self.prefix()?;
        Ok(Chunks::new(&self.sealed.input, self.chunks_offset(), length, cipher))
    }

    /// The payload's cipher: proves that it was begun under this data key.
    pub(super) fn payload_cipher(&self) -> Result<Cipher, ContainerError> {
        self.prefix().map(|(_, cipher)| cipher)
    }

    fn prefix(&self) -> Result<([u8; PREFIX], Cipher), ContainerError> {
        let input = &self.sealed.input;
        let mut prefix = [0; PREFIX];
        let offset = self.sealed.header.payload_offset();
        input.stream.read_exact_at(&mut prefix, offset).map_err(|e| input.read_error(e))?;
        let cipher = cipher(&self.sealed.header, &self.opening, &prefix).map_err(Fault::of(&input.name))?;
        Ok((prefix, cipher))
    }

    fn chunks_offset(&self) -> u64 {
        self.sealed.header.payload_offset() + PREFIX as u64
    }
}

/// The payload's cipher, if the payload begins with `prefix`.
fn cipher(header: &Header, opening: &Opening, prefix: &[u8; PREFIX]) -> Result<Cipher, Fault> {
    let context = header.preamble().context("payload");
    Cipher::open(&opening.data_key, &context, prefix).map_err(|_| Fault::Commitment)
}

fn check_size(metadata: &Metadata, found: u64) -> Result<(), Fault> {
    match metadata.size {
        Some(expected) if expected != found => Err(Fault::Size { expected, found }),
        _ => Ok(()),
    }
}
