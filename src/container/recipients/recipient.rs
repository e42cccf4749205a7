//! Whom a data key can be wrapped for.

use super::age::{self, AgeRecipient};
use super::external::{self, External};
use super::key::Kek;
use super::passphrase::Passphrase;
use super::stanza::Stanza;
use crate::container::error::ContainerError;
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::secret::{self, Secret};

/// Whom a data key is wrapped for.
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

    /// Whether `stanza` gives its holder `data_key`. Its label proves nothing: whoever
    /// wrote the header chose it. For age and for commands that is all that could be
    /// asked here, so it is no.
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

    /// Whether `stanza` says that it is what this makes, and may be, of a file that
    /// nothing opens. A key and a passphrase are at hand to try, so no label stands for them.
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
