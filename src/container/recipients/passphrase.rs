//! Recipients of type 2: a passphrase. It is stretched by argon2id into a key that
//! wraps the data key; the salt is the recipient's key id.

use super::stanza::{KEY_BLOB, Stanza, wrap_context};
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::crypto::argon2id::{self, Cost};
use crate::crypto::{cobblestone, random};
use crate::secret::{Secret, SecretBytes};

/// Bytes of the blob: memory in KiB, passes, lanes, and the wrapped data key.
pub(in crate::container) const BLOB: usize = 12 + KEY_BLOB;

/// A new passphrase is at least this long, in bytes.
const LEAST: usize = 12;
const LEAST_DISTINCT: usize = 6;
const MOST: usize = 1024;

/// A passphrase, as someone typed it or wrote it down.
#[derive(Debug, Clone)]
pub struct Passphrase(SecretBytes);

impl Passphrase {
    /// Reads one from `contents`, which may end in a newline.
    pub fn parse(contents: &SecretBytes) -> Result<Self, ContainerError> {
        let line = contents.expose();
        let ends = [&b"\r\n"[..], b"\n"];
        let line = ends.iter().find_map(|end| line.strip_suffix(*end)).unwrap_or(line);
        let refused = |what| Err(ContainerError::Passphrase { what });
        if line.is_empty() {
            return refused("is empty");
        }
        if line.len() > MOST {
            return refused("is longer than 1024 bytes");
        }
        if line.iter().any(u8::is_ascii_control) {
            return refused("has more than one line, or control characters");
        }
        Ok(Self(SecretBytes::from(line.to_vec())))
    }

    /// Refuses what is too easily guessed to protect a file that can be copied.
    pub fn require_strong(self) -> Result<Self, ContainerError> {
        let bytes = self.0.expose();
        let refused = |what| Err(ContainerError::Passphrase { what });
        let mut seen = [false; 256];
        for byte in bytes {
            seen[usize::from(*byte)] = true;
        }
        if bytes.len() < LEAST {
            return refused("has less than 12 characters");
        }
        if seen.iter().filter(|seen| **seen).count() < LEAST_DISTINCT {
            return refused("repeats a few characters");
        }
        // Some sources of it keep such spaces and some do not.
        if bytes.first().is_some_and(u8::is_ascii_whitespace)
            || bytes.last().is_some_and(u8::is_ascii_whitespace)
        {
            return refused("begins or ends with a space");
        }
        Ok(self)
    }

    /// Wraps `data_key` for whoever knows it.
    pub(super) fn wrap(&self, preamble: &Preamble, data_key: &Secret<32>) -> Result<Stanza, ContainerError> {
        self.wrap_at(Cost::RECOMMENDED, preamble, data_key)
    }

    pub(in crate::container) fn wrap_at(
        &self,
        cost: Cost,
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> Result<Stanza, ContainerError> {
        let (kind, key_id) = (RecipientKind::Passphrase, KeyId(random::bytes()));
        let key = argon2id::derive(&self.0, &key_id.0, cost)?;
        let mut blob = Vec::with_capacity(BLOB);
        cost.numbers().iter().for_each(|number| blob.extend_from_slice(&number.to_be_bytes()));
        let context = wrap_context(preamble, kind, &key_id);
        blob.extend_from_slice(&cobblestone::seal(&key, &context, data_key.expose()));
        Ok(Stanza { kind, key_id, blob })
    }

    /// Unwraps the data key. That it fails says as little of the file as of the passphrase.
    pub(super) fn unwrap(
        &self,
        name: &str,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<Secret<32>, ContainerError> {
        let (cost, wrapped) = parse_blob(&stanza.blob).map_err(Fault::of(name))?;
        let key = argon2id::derive(&self.0, &stanza.key_id.0, cost)?;
        let context = wrap_context(preamble, stanza.kind, &stanza.key_id);
        cobblestone::open(&key, &context, wrapped)
            .ok()
            .and_then(|opened| Secret::from_slice(opened.expose()))
            .ok_or_else(|| ContainerError::WrongPassphrase { name: name.to_owned() })
    }
}

/// The cost, within its bounds, and the wrapped key.
pub(in crate::container) fn parse_blob(blob: &[u8]) -> Result<(Cost, &[u8]), Fault> {
    let (numbers, wrapped) =
        blob.split_first_chunk::<12>().filter(|_| blob.len() == BLOB).ok_or(Fault::PassphraseLength)?;
    let [memory, passes, lanes] =
        [0, 4, 8].map(|at| u32::from_be_bytes(std::array::from_fn(|i| numbers[at + i])));
    let cost = Cost::new(memory, passes, lanes).ok_or(Fault::PassphraseCost { memory, passes, lanes })?;
    Ok((cost, wrapped))
}
