//! Sealing a model.

use std::io::Write;

use super::error::ContainerError;
use super::header::body::{Body, SIGNATURE};
use super::header::metadata::{self, Metadata};
use super::header::slot;
use super::ids::{ArtifactId, RecipientKind};
use super::payload::pipeline;
use super::preamble::{MIN_SLOT, Preamble};
use super::recipients::Recipient;
use super::recipients::Stanza;
use super::signature::{Signer, Statement};
use super::stream::{Hashed, Input, Named};
use crate::crypto::cobblestone::{CHUNK, Cipher};
use crate::crypto::digest::{Digest, Sha256, sha256};
use crate::crypto::random;
use crate::progress::Progress;
use crate::secret::Secret;

/// What to seal a model with.
#[derive(Debug, Clone, Copy)]
pub struct SealSpec<'a> {
    /// Those who each can open it; at least one, none twice, a passphrase alone.
    pub recipients: &'a [Recipient],
    /// What the file says about the model. A `size` is checked against the bytes
    /// that come; a `sha256` is believed.
    pub metadata: &'a Metadata,
}

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The new file's id.
    pub artifact_id: ArtifactId,
    /// Who can open it.
    pub recipients: Vec<Stanza>,
    /// Bytes that were read.
    pub plaintext_bytes: u64,
    /// Bytes that were written.
    pub sealed_bytes: u64,
}

/// Encrypts all of `input` to `output`, on all cores, in a few MiB of memory.
/// `output` gets large writes, so it needs no buffer of its own; after an error
/// it holds a part of a file, which the caller discards.
pub fn seal<R: Input, W: Write + Send>(
    input: Named<R>,
    mut output: Named<W>,
    spec: &SealSpec<'_>,
    progress: &dyn Progress,
) -> Result<Summary, ContainerError> {
    let head = Head::new(&input.name, spec.recipients, &spec.metadata.encode()?, false, 0)?;
    head.seal(input, &mut output, spec, None, progress)
}

/// Like [`seal`], signed by `signers`. A signature stands before what it covers:
/// `output` has none, and the bytes that are returned are to replace those at its
/// beginning.
pub fn seal_signed<R: Input, W: Write + Send>(
    input: Named<R>,
    mut output: Named<W>,
    spec: &SealSpec<'_>,
    signers: &[Signer],
    progress: &dyn Progress,
) -> Result<(Summary, Vec<u8>), ContainerError> {
    let json = spec.metadata.encode()?;
    let mut head = Head::new(&input.name, spec.recipients, &json, false, signers.len())?;
    let mut hash = Sha256::new();
    let summary = head.seal(input, &mut output, spec, Some(&mut hash), progress)?;
    head.sign(signers, hash.finish());
    Ok((summary, head.encode()?))
}

/// All that stands before a payload, and the key to it.
pub(super) struct Head {
    pub(super) preamble: Preamble,
    pub(super) body: Body,
    pub(super) data_key: Secret<32>,
    metadata: Digest,
}

impl Head {
    /// Makes the header of a file for the model `name`, which `json` describes, and its
    /// key. It has room for the signatures of so many `signers`.
    pub(super) fn new(
        name: &str,
        recipients: &[Recipient],
        json: &[u8],
        detached: bool,
        signers: usize,
    ) -> Result<Self, ContainerError> {
        check_recipients(name, recipients)?;
        let data_key = random::secret();
        let mut preamble =
            Preamble { artifact_id: ArtifactId(random::bytes()), slot_len: MIN_SLOT, detached };
        loop {
            let wrap = |recipient: &Recipient| recipient.wrap(&preamble, &data_key);
            let body = Body {
                generation: 1,
                recipients: recipients.iter().map(wrap).collect::<Result<_, _>>()?,
                metadata: metadata::seal(json, &preamble, &data_key),
                signatures: Vec::new(),
            };
            // What is wrapped is bound to the slot's length, which follows from its own.
            let wanted = slot::length_for(body.encode()?.len() + signers * SIGNATURE);
            if wanted <= preamble.slot_len {
                return Ok(Self { preamble, body, data_key, metadata: sha256(&[json]) });
            }
            preamble.slot_len = wanted;
        }
    }

    /// The bytes before the payload.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ContainerError> {
        let slot = slot::write(&self.preamble, &self.body.encode()?, &self.data_key)?;
        Ok([&self.preamble.region()[..], &slot, &slot].concat())
    }

    /// Has `signers` sign the file whose payload has this digest.
    pub(super) fn sign(&mut self, signers: &[Signer], payload: Digest) {
        let statement = Statement::new(&self.preamble, self.metadata, payload);
        self.body.signatures.extend(signers.iter().map(|signer| signer.sign(&statement)));
    }

    fn seal<R: Input, W: Write + Send>(
        &self,
        input: Named<R>,
        output: &mut Named<W>,
        spec: &SealSpec<'_>,
        hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let bytes = self.encode()?;
        output.stream.write_all(&bytes).map_err(|e| output.write_error(e))?;
        let mut summary = self.payload(input, output, spec, hash, progress)?;
        summary.sealed_bytes += bytes.len() as u64;
        Ok(summary)
    }

    /// Encrypts all of `input` to `output`, as the payload that belongs to this
    /// header. The summary counts the payload's bytes alone; `hash` hears of them.
    pub(super) fn payload<R: Input, W: Write + Send>(
        &self,
        input: Named<R>,
        output: &mut Named<W>,
        spec: &SealSpec<'_>,
        hash: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let expected = spec.metadata.size;
        if let Some(bytes) = expected {
            progress.total(bytes);
        }
        let (cipher, prefix) = Cipher::new(&self.data_key, &self.preamble.context("payload"));
        let mut output = Named::new(output.name.clone(), Hashed::new(&mut output.stream, hash));
        output.stream.write_all(&prefix).map_err(|e| output.write_error(e))?;
        let name = input.name.clone();
        let totals = pipeline::run(input, output, CHUNK, |batch| Ok(batch.seal(&cipher)), progress)?;
        if let Some(expected) = expected.filter(|expected| *expected != totals.read) {
            return Err(ContainerError::Changed { name, expected, found: totals.read });
        }
        Ok(Summary {
            artifact_id: self.preamble.artifact_id,
            recipients: self.body.recipients.clone(),
            plaintext_bytes: totals.read,
            sealed_bytes: prefix.len() as u64 + totals.written,
        })
    }
}

fn check_recipients(name: &str, recipients: &[Recipient]) -> Result<(), ContainerError> {
    if recipients.is_empty() {
        return Err(ContainerError::NoRecipient { name: name.to_owned() });
    }
    if recipients.len() > 1 && recipients.iter().any(|one| one.kind() == RecipientKind::Passphrase) {
        return Err(ContainerError::PassphraseNotAlone);
    }
    let mut ids: Vec<_> = recipients.iter().filter_map(Recipient::key_id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ContainerError::DuplicateRecipient { key: pair[0] }),
        None => Ok(()),
    }
}
