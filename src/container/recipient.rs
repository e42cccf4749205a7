//! Who can open a file: its data key, wrapped once for each recipient.

use std::fmt;

use super::age_key::AgeRecipient;
use super::error::{ContainerError, Fault};
use super::external::External;
use super::id::KeyId;
use super::kek::Kek;
use super::passphrase::Passphrase;
use super::preamble::Preamble;
use crate::crypto::cobblestone;
use crate::crypto::digest::sha256;
use crate::secret::{self, Secret, SecretBytes};

/// Bytes of a data key wrapped by a key-encryption key: one Cobblestone message.
pub(super) const KEY_BLOB: usize = cobblestone::PREFIX + 32 + cobblestone::TAG;

/// Bytes of a data key with the hash of the preamble behind it, as it is given to what
/// has no context to bind it to: age, and commands.
pub(super) const BOUND_KEY: usize = 64;

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

/// Whom a data key is wrapped for.
#[derive(Debug, Clone)]
pub enum Wrapper {
    /// The holder of a key-encryption key.
    Key(Kek),
    /// Whoever knows a passphrase; it must be alone.
    Passphrase(Passphrase),
    /// The holder of an age identity.
    Age(AgeRecipient),
    /// Whoever may run a command.
    External(External),
}

impl Wrapper {
    /// The kind of recipient that it makes.
    pub fn kind(&self) -> RecipientKind {
        match self {
            Self::Key(_) => RecipientKind::Key,
            Self::Passphrase(_) => RecipientKind::Passphrase,
            Self::Age(_) => RecipientKind::Age,
            Self::External(_) => RecipientKind::External,
        }
    }

    /// The key id of that, where it is known before: a passphrase's is new each time.
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Key(kek) => Some(kek.id()),
            Self::Passphrase(_) => None,
            Self::Age(recipient) => Some(recipient.key_id()),
            Self::External(command) => Some(command.key_id()),
        }
    }

    /// Whether `recipient` is what this makes. That a passphrase is the same takes trying it.
    pub(super) fn is_for(&self, file: &str, recipient: &Recipient, preamble: &Preamble) -> bool {
        match self {
            Self::Passphrase(own) => {
                recipient.kind == RecipientKind::Passphrase && own.unwrap(file, recipient, preamble).is_ok()
            }
            other => other.key_id() == Some(recipient.key_id),
        }
    }

    /// Wraps `data_key`.
    pub(super) fn wrap(
        &self,
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> Result<Recipient, ContainerError> {
        match self {
            Self::Key(kek) => Ok(Recipient::wrap(kek, preamble, data_key)),
            Self::Passphrase(passphrase) => passphrase.wrap(preamble, data_key),
            Self::Age(recipient) => recipient.wrap(preamble, data_key),
            Self::External(command) => command.wrap(preamble, data_key),
        }
    }
}

impl From<Kek> for Wrapper {
    fn from(kek: Kek) -> Self {
        Self::Key(kek)
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
