//! Who can open a file: its data key, wrapped once for each recipient.

use std::fmt;

use super::error::Fault;
use super::id::KeyId;
use super::kek::Kek;
use super::preamble::Preamble;
use crate::crypto::cobblestone;
use crate::secret::Secret;

/// Bytes of a data key wrapped by a key-encryption key: one Cobblestone message.
pub(super) const KEY_BLOB: usize = cobblestone::PREFIX + 32 + cobblestone::TAG;

/// How a recipient unwraps the data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// With a 256-bit key-encryption key.
    Key,
    /// With a passphrase; it is then the file's only recipient.
    Passphrase,
    /// With an age identity.
    Age,
    /// With a command, which asks a KMS, a TPM, a token.
    External,
}

impl RecipientKind {
    pub(super) fn parse(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Key),
            2 => Some(Self::Passphrase),
            3 => Some(Self::Age),
            4 => Some(Self::External),
            _ => None,
        }
    }

    pub(super) fn number(self) -> u16 {
        match self {
            Self::Key => 1,
            Self::Passphrase => 2,
            Self::Age => 3,
            Self::External => 4,
        }
    }

    /// The word for it in messages and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Passphrase => "passphrase",
            Self::Age => "age",
            Self::External => "external",
        }
    }
}

/// One recipient, as it stands in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// How it unwraps the data key.
    pub kind: RecipientKind,
    /// Which key it does that with.
    pub key_id: KeyId,
    /// The wrapped data key.
    pub(super) blob: Vec<u8>,
}

impl Recipient {
    /// Wraps `data_key` for the holder of `kek`.
    pub(super) fn wrap(kek: &Kek, preamble: &Preamble, data_key: &Secret<32>) -> Self {
        let (kind, key_id) = (RecipientKind::Key, kek.id());
        let context = wrap_context(preamble, kind, &key_id);
        let blob = cobblestone::seal(kek.secret(), &context, data_key.expose());
        Self { kind, key_id, blob }
    }

    /// Unwraps the data key with the key that this recipient names.
    pub(super) fn unwrap(&self, kek: &Kek, preamble: &Preamble) -> Result<Secret<32>, Fault> {
        let context = wrap_context(preamble, self.kind, &self.key_id);
        cobblestone::open(kek.secret(), &context, &self.blob)
            .ok()
            .and_then(|opened| Secret::from_slice(opened.expose()))
            .ok_or(Fault::Wrapping(self.key_id))
    }
}

/// As messages list it.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.key_id)
    }
}

fn wrap_context(preamble: &Preamble, kind: RecipientKind, key_id: &KeyId) -> Vec<u8> {
    let mut context = preamble.context("wrap");
    context.extend_from_slice(&kind.number().to_be_bytes());
    context.extend_from_slice(&key_id.0);
    context
}
