//! Checking all of a file: what it holds, and who made it.

use std::io::{self, Write};

use super::archive::{Manifest, Nowhere, TAR};
use super::error::{ContainerError, Fault};
use super::ids::SignerId;
use super::signature::{self, SignaturePolicy, Statement, TrustedSigner};
use super::stream::{Input, Named};
use super::unlocked::Unlocked;
use crate::crypto::digest::Sha256;
use crate::progress::Progress;

/// What was found in a file that is as it should be.
#[derive(Debug)]
pub struct Verified {
    /// The plaintext's length.
    pub plaintext_bytes: u64,
    /// What is in it, where it is an archive.
    pub archive: Option<Manifest>,
    /// Who of the trusted signers signed it.
    pub signed_by: Vec<SignerId>,
}

impl<S: Input> Unlocked<S> {
    /// Decrypts everything to nowhere and checks all that can be checked, also
    /// what opening forgives: a damaged slot. Returns the plaintext's length.
    pub fn verify(self, progress: &dyn Progress) -> Result<u64, ContainerError> {
        Ok(self.verify_contents(progress)?.plaintext_bytes)
    }

    /// Like [`verify`](Self::verify), and says what was found.
    pub fn verify_contents(mut self, progress: &dyn Progress) -> Result<Verified, ContainerError> {
        let (plaintext_bytes, archive) = self.check_all(None, progress)?;
        Ok(Verified { plaintext_bytes, archive, signed_by: Vec::new() })
    }

    /// Like [`verify_contents`](Self::verify_contents), and checks that one of
    /// `trusted` signed the file, and that no signature of any of them is wrong.
    pub fn verify_signed(
        mut self,
        trusted: &[TrustedSigner],
        progress: &dyn Progress,
    ) -> Result<Verified, ContainerError> {
        let name = self.input().name.clone();
        signature::candidates(self.header().signatures(), trusted).map_err(Fault::of(&name))?;
        let mut hash = Sha256::new();
        let (plaintext_bytes, archive) = self.check_all(Some(&mut hash), progress)?;
        let statement = self.statement(hash.finish());
        let signers = signature::check(self.header().signatures(), trusted, &statement);
        Ok(Verified { plaintext_bytes, archive, signed_by: signers.map_err(Fault::of(&name))? })
    }

    /// Reads and authenticates everything; what a signature of it says, and the
    /// plaintext's length.
    pub(super) fn state(&mut self, progress: &dyn Progress) -> Result<(Statement, u64), ContainerError> {
        let mut hash = Sha256::new();
        let (length, _) = self.check_content(Some(&mut hash), progress)?;
        Ok((self.statement(hash.finish()), length))
    }

    fn check_all(
        &mut self,
        hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<(u64, Option<Manifest>), ContainerError> {
        let found = self.check_content(hash, progress)?;
        match self.header().damaged_slot() {
            None => Ok(found),
            Some(slot) => Err(Fault::of(&self.input().name)(Fault::SlotDamaged(slot))),
        }
    }

    /// Decrypts everything to nowhere, and compares it with what the metadata, and the
    /// manifest of an archive, promise.
    fn check_content(
        &mut self,
        hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<(u64, Option<Manifest>), ContainerError> {
        let mut content = self.metadata().sha256.map(|expected| (Hash(Sha256::new()), expected));
        let hashed = content.as_mut().map(|(hash, _)| hash);
        let found = if self.metadata().media_type == TAR {
            let (length, manifest, _) = self.extract_to(Nowhere, hashed, hash, progress)?;
            (length, Some(manifest))
        } else {
            let length = match hashed {
                None => self.stream(Named::new("nowhere", io::sink()), hash, progress)?,
                Some(hashed) => self.stream(Named::new("nowhere", hashed), hash, progress)?,
            };
            (length, None)
        };
        if content.is_some_and(|(hash, expected)| hash.0.finish() != expected) {
            return Err(Fault::of(&self.input().name)(Fault::Digest));
        }
        Ok(found)
    }
}

impl<S> Unlocked<S> {
    /// A hash that shall hear of the payload, where `policy` demands a signature;
    /// fails where there is none that could count.
    pub(super) fn demanded(&self, policy: &SignaturePolicy) -> Result<Option<Sha256>, ContainerError> {
        if !policy.demands(self.kind()) {
            return Ok(None);
        }
        signature::candidates(self.header().signatures(), &policy.trusted)
            .map_err(Fault::of(&self.input().name))?;
        Ok(Some(Sha256::new()))
    }

    /// Fails unless whoever must have signed the file by `policy` has; `hash` has
    /// heard of all of the payload. Returns who vouches for it, where that was asked.
    pub(super) fn require_signature(
        &self,
        policy: &SignaturePolicy,
        hash: Option<Sha256>,
    ) -> Result<Vec<SignerId>, ContainerError> {
        let Some(hash) = hash else { return Ok(Vec::new()) };
        let statement = self.statement(hash.finish());
        let signers = signature::check(self.header().signatures(), &policy.trusted, &statement);
        signers.map_err(Fault::of(&self.input().name))
    }
}

/// Hashes what is written to it.
pub(super) struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
