//! A recipient of any kind: who a data key is wrapped for.

use super::age::{self, AgeRecipient};
use super::external::{self, External};
use super::key::Kek;
use super::passphrase::Passphrase;
use super::stanza::Stanza;
use crate::container::error::ContainerError;
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::secret::{self, Secret};

/// Who a data key is wrapped for.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// The holder of a key-encryption key.
    Key(Kek),
    /// Whoever knows a passphrase; it must be alone.
    Passphrase(Passphrase),
    /// The holder of an age identity.
    Age(AgeRecipient),
    /// Whoever may run a command.
    External(External),
}

impl Recipient {
    /// Its kind.
    pub fn kind(&self) -> RecipientKind {
        match self {
            Self::Key(_) => RecipientKind::Key,
            Self::Passphrase(_) => RecipientKind::Passphrase,
            Self::Age(_) => RecipientKind::Age,
            Self::External(_) => RecipientKind::External,
        }
    }

    /// Its key id, where that is known before wrapping: a passphrase's is new each time.
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Key(kek) => Some(kek.id()),
            Self::Passphrase(_) => None,
            Self::Age(recipient) => Some(recipient.key_id()),
            Self::External(command) => Some(command.key_id()),
        }
    }

    /// Whether what this recipient has unwraps `data_key` from `stanza`. The label of a stanza
    /// proves nothing: whoever wrote the header chose it. For age and for commands only the
    /// label could be compared here, so the answer is no.
    pub(in crate::container) fn opens(
        &self,
        file: &str,
        stanza: &Stanza,
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> bool {
        let unwrapped = match (self, stanza.kind) {
            (Self::Key(kek), RecipientKind::Key) if kek.id() == stanza.key_id => {
                kek.unwrap(stanza, preamble).ok()
            }
            (Self::Passphrase(own), RecipientKind::Passphrase) => own.unwrap(file, stanza, preamble).ok(),
            _ => None,
        };
        unwrapped.is_some_and(|found| secret::equal(found.expose(), data_key.expose()))
    }

    /// Whether `stanza` is labelled as this recipient's and can have been made for it. That is
    /// asked of a file that nothing opens. A key and a passphrase can be tried, so for them no
    /// label counts.
    pub(in crate::container) fn is_named_by(&self, stanza: &Stanza) -> bool {
        let possible = match self {
            Self::Key(_) | Self::Passphrase(_) => false,
            Self::Age(_) => age::is_bounded(&stanza.blob),
            Self::External(_) => external::is_possible(&stanza.blob),
        };
        possible && self.kind() == stanza.kind && self.key_id() == Some(stanza.key_id)
    }

    /// Wraps `data_key`.
    pub(in crate::container) fn wrap(
        &self,
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> Result<Stanza, ContainerError> {
        match self {
            Self::Key(kek) => Ok(kek.wrap(preamble, data_key)),
            Self::Passphrase(passphrase) => passphrase.wrap(preamble, data_key),
            Self::Age(recipient) => recipient.wrap(preamble, data_key),
            Self::External(command) => command.wrap(preamble, data_key),
        }
    }
}

impl From<Kek> for Recipient {
    fn from(kek: Kek) -> Self {
        Self::Key(kek)
    }
}
