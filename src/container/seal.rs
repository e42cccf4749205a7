//! Sealing a model.

use std::io::{Read, Write};

use super::body::Body;
use super::error::ContainerError;
use super::id::ArtifactId;
use super::metadata::{self, Metadata};
use super::pipeline;
use super::preamble::{MIN_SLOT, Preamble};
use super::recipient::{Recipient, RecipientKind, Wrapper};
use super::slot;
use super::stream::Named;
use crate::crypto::cobblestone::{CHUNK, Cipher};
use crate::crypto::random;
use crate::progress::Progress;
use crate::secret::Secret;

/// What to seal a model with.
#[derive(Debug, Clone, Copy)]
pub struct SealSpec<'a> {
    /// Those who each can open it; at least one, none twice, a passphrase alone.
    pub recipients: &'a [Wrapper],
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
    pub recipients: Vec<Recipient>,
    /// Bytes that were read.
    pub plaintext_bytes: u64,
    /// Bytes that were written.
    pub sealed_bytes: u64,
}

/// Encrypts all of `input` to `output`, on all cores, in a few MiB of memory.
/// `output` gets large writes, so it needs no buffer of its own; after an error
/// it holds a part of a file, which the caller discards.
pub fn seal<R: Read + Send, W: Write + Send>(
    input: Named<R>,
    mut output: Named<W>,
    spec: &SealSpec<'_>,
    progress: &dyn Progress,
) -> Result<Summary, ContainerError> {
    check_recipients(&input.name, spec.recipients)?;
    let expected = spec.metadata.size;
    if let Some(bytes) = expected {
        progress.total(bytes);
    }

    let data_key = random::secret();
    let json = spec.metadata.encode()?;
    let (preamble, recipients, mut head) = header(spec.recipients, &json, &data_key)?;
    let (cipher, prefix) = Cipher::new(&data_key, &preamble.context("payload"));
    head.extend_from_slice(&prefix);
    output.stream.write_all(&head).map_err(|e| output.write_error(e))?;

    let name = input.name.clone();
    let totals = pipeline::run(input, output, CHUNK, |batch| Ok(batch.seal(&cipher)), progress)?;
    if let Some(expected) = expected.filter(|expected| *expected != totals.read) {
        return Err(ContainerError::Changed { name, expected, found: totals.read });
    }
    Ok(Summary {
        artifact_id: preamble.artifact_id,
        recipients,
        plaintext_bytes: totals.read,
        sealed_bytes: head.len() as u64 + totals.written,
    })
}

pub(super) fn check_recipients(name: &str, recipients: &[Wrapper]) -> Result<(), ContainerError> {
    if recipients.is_empty() {
        return Err(ContainerError::NoRecipient { name: name.to_owned() });
    }
    if recipients.len() > 1 && recipients.iter().any(|one| one.kind() == RecipientKind::Passphrase) {
        return Err(ContainerError::PassphraseNotAlone);
    }
    let mut ids: Vec<_> = recipients.iter().filter_map(Wrapper::key_id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ContainerError::DuplicateRecipient { key: pair[0] }),
        None => Ok(()),
    }
}

/// Makes the preamble and all that stands before the payload.
pub(super) fn header(
    recipients: &[Wrapper],
    json: &[u8],
    data_key: &Secret<32>,
) -> Result<(Preamble, Vec<Recipient>, Vec<u8>), ContainerError> {
    let mut preamble = Preamble { artifact_id: ArtifactId(random::bytes()), slot_len: MIN_SLOT };
    loop {
        let wrap = |wrapper: &Wrapper| wrapper.wrap(&preamble, data_key);
        let body = Body {
            generation: 1,
            recipients: recipients.iter().map(wrap).collect::<Result<_, _>>()?,
            metadata: metadata::seal(json, &preamble, data_key),
            signatures: Vec::new(),
        };
        let encoded = body.encode()?;
        // What is wrapped is bound to the slot's length, which follows from its own.
        let wanted = slot::length_for(encoded.len());
        if wanted <= preamble.slot_len {
            let slot = slot::write(&preamble, &encoded, data_key)?;
            return Ok((preamble, body.recipients, [&preamble.region()[..], &slot, &slot].concat()));
        }
        preamble.slot_len = wanted;
    }
}
