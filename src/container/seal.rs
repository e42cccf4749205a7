//! Sealing a model.

use std::io::{Read, Write};

use super::body::Body;
use super::error::ContainerError;
use super::id::{ArtifactId, KeyId};
use super::kek::Kek;
use super::metadata::{self, Metadata};
use super::pipeline;
use super::preamble::{MIN_SLOT, Preamble};
use super::recipient::Recipient;
use super::slot;
use super::stream::Named;
use crate::crypto::cobblestone::{CHUNK, Cipher};
use crate::crypto::random;
use crate::progress::Progress;
use crate::secret::Secret;

/// What to seal a model with.
#[derive(Debug, Clone, Copy)]
pub struct SealSpec<'a> {
    /// The keys that each can open it; at least one, none twice.
    pub keys: &'a [Kek],
    /// What the file says about the model. A `size` is checked against the bytes
    /// that come; a `sha256` is believed.
    pub metadata: &'a Metadata,
}

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The new file's id.
    pub artifact_id: ArtifactId,
    /// The keys that open it.
    pub recipients: Vec<KeyId>,
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
    check_keys(&input.name, spec.keys)?;
    let expected = spec.metadata.size;
    if let Some(bytes) = expected {
        progress.total(bytes);
    }

    let data_key = random::secret();
    let (preamble, mut head) = header(spec.keys, &spec.metadata.encode()?, &data_key)?;
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
        recipients: spec.keys.iter().map(Kek::id).collect(),
        plaintext_bytes: totals.read,
        sealed_bytes: head.len() as u64 + totals.written,
    })
}

pub(super) fn check_keys(name: &str, keys: &[Kek]) -> Result<(), ContainerError> {
    if keys.is_empty() {
        return Err(ContainerError::NoRecipient { name: name.to_owned() });
    }
    let mut ids: Vec<_> = keys.iter().map(Kek::id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ContainerError::DuplicateRecipient { key: pair[0] }),
        None => Ok(()),
    }
}

/// Makes the preamble and all that stands before the payload.
pub(super) fn header(
    keys: &[Kek],
    json: &[u8],
    data_key: &Secret<32>,
) -> Result<(Preamble, Vec<u8>), ContainerError> {
    let body = |preamble: &Preamble| {
        Body {
            generation: 1,
            recipients: keys.iter().map(|kek| Recipient::wrap(kek, preamble, data_key)).collect(),
            metadata: metadata::seal(json, preamble, data_key),
            signatures: Vec::new(),
        }
        .encode()
    };
    // What is wrapped is bound to the slot's length, which follows from its own.
    let mut preamble = Preamble { artifact_id: ArtifactId(random::bytes()), slot_len: MIN_SLOT };
    let mut encoded = body(&preamble)?;
    preamble.slot_len = slot::length_for(encoded.len());
    if preamble.slot_len != MIN_SLOT {
        encoded = body(&preamble)?;
    }
    let slot = slot::write(&preamble, &encoded, data_key)?;
    Ok((preamble, [&preamble.region()[..], &slot, &slot].concat()))
}
