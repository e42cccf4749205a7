//! A stanza: the data key, wrapped for one recipient, as the header holds it.

use std::fmt;

use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::crypto::cobblestone;
use crate::crypto::digest::sha256;
use crate::secret::{self, Secret, SecretBytes};

/// Bytes of a data key wrapped by a key-encryption key: one Cobblestone message.
pub(in crate::container) const KEY_BLOB: usize = cobblestone::PREFIX + 32 + cobblestone::TAG;

/// Bytes of a data key with the hash of the preamble behind it, as it is given to what
/// has no context to bind it to: age, and commands.
pub(super) const BOUND_KEY: usize = 64;

/// The entry of one recipient in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// How its recipient unwraps the data key.
    pub kind: RecipientKind,
    /// Which key the recipient does that with.
    pub key_id: KeyId,
    /// The wrapped data key.
    pub(in crate::container) blob: Vec<u8>,
}

/// As messages list it.
impl fmt::Display for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.key_id)
    }
}

/// `data_key`, bound to the file of `preamble`.
pub(super) fn bind(preamble: &Preamble, data_key: &Secret<32>) -> SecretBytes {
    let mut bound = SecretBytes::with_capacity(BOUND_KEY);
    bound.expose_mut().extend_from_slice(data_key.expose());
    bound.expose_mut().extend_from_slice(&sha256(&[&preamble.bound()]));
    bound
}

/// The data key that was bound to the file of `preamble`, and to no other.
pub(super) fn unbind(preamble: &Preamble, bound: &[u8]) -> Option<Secret<32>> {
    let (data_key, hash) = bound.split_at_checked(32)?;
    secret::equal(hash, &sha256(&[&preamble.bound()])).then(|| Secret::from_slice(data_key))?
}

pub(super) fn wrap_context(preamble: &Preamble, kind: RecipientKind, key_id: &KeyId) -> Vec<u8> {
    let mut context = preamble.context("wrap");
    context.extend_from_slice(&kind.number().to_be_bytes());
    context.extend_from_slice(&key_id.0);
    context
}
