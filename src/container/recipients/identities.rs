//! Identities: what opens files, for recipients of every kind.

use super::age::AgeIdentities;
use super::external::External;
use super::key::Kek;
use super::passphrase::Passphrase;
use super::stanza::Stanza;
use crate::container::error::ContainerError;
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::secret::Secret;

/// Where the keys are that may open a file: a key file, a keyring.
pub trait KeySource {
    /// The key that `id` names, if it is here and may be used.
    fn find(&self, id: &KeyId) -> Option<Kek>;

    /// A name for each key that is here, for the message when none fits.
    fn describe(&self) -> Vec<String>;

    /// What opens recipients of other kinds.
    fn others(&self) -> Option<&Others> {
        None
    }
}

impl KeySource for [Kek] {
    fn find(&self, id: &KeyId) -> Option<Kek> {
        self.iter().find(|kek| kek.id() == *id).cloned()
    }

    fn describe(&self) -> Vec<String> {
        self.iter().map(|kek| kek.id().to_string()).collect()
    }
}

impl KeySource for Kek {
    fn find(&self, id: &KeyId) -> Option<Kek> {
        std::slice::from_ref(self).find(id)
    }

    fn describe(&self) -> Vec<String> {
        std::slice::from_ref(self).describe()
    }
}

/// What opens recipients that are no key-encryption keys.
#[derive(Debug, Default)]
pub struct Others {
    /// For a file whose recipient is a passphrase.
    pub passphrases: Vec<Passphrase>,
    /// For recipients of age.
    pub age: AgeIdentities,
    /// For external recipients: each for those that name its key.
    pub commands: Vec<External>,
}

impl Others {
    /// Unwraps the data key of `stanza`, if it is for one of these.
    pub(in crate::container) fn unwrap(
        &self,
        file: &str,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<Option<Secret<32>>, ContainerError> {
        match stanza.kind {
            RecipientKind::Key => Ok(None),
            RecipientKind::Passphrase => {
                // Each try takes argon2id's time and memory; there is seldom a second.
                let mut refused = None;
                for own in &self.passphrases {
                    match own.unwrap(file, stanza, preamble) {
                        Err(error @ ContainerError::WrongPassphrase { .. }) => refused = Some(error),
                        other => return other.map(Some),
                    }
                }
                refused.map_or(Ok(None), Err)
            }
            RecipientKind::Age if self.age.is_empty() => Ok(None),
            RecipientKind::Age => self.age.unwrap(file, stanza, preamble),
            RecipientKind::External => {
                let command = self.commands.iter().find(|command| command.key_id() == stanza.key_id);
                command.map(|command| command.unwrap(file, stanza, preamble)).transpose()
            }
        }
    }

    /// Whether one of these is what `stanza` is for. No command is run for that.
    pub(in crate::container) fn open(
        &self,
        file: &str,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<bool, ContainerError> {
        match stanza.kind {
            RecipientKind::External => {
                Ok(self.commands.iter().any(|command| command.key_id() == stanza.key_id))
            }
            _ => Ok(self.unwrap(file, stanza, preamble)?.is_some()),
        }
    }

    fn describe(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.passphrases.iter().map(|_| "a passphrase".to_owned()));
        all.extend((!self.age.is_empty()).then(|| match self.age.len() {
            1 => "1 age identity".to_owned(),
            n => format!("{n} age identities"),
        }));
        all.extend(self.commands.iter().map(|command| format!("the command for {}", command.key_id())));
        all
    }
}

/// Everything that one caller can open files with.
#[derive(Debug, Default)]
pub struct Identities {
    /// Key-encryption keys.
    pub keys: Vec<Kek>,
    /// All else.
    pub others: Others,
}

impl KeySource for Identities {
    fn find(&self, id: &KeyId) -> Option<Kek> {
        self.keys.as_slice().find(id)
    }

    fn describe(&self) -> Vec<String> {
        let mut all = self.keys.as_slice().describe();
        all.extend(self.others.describe());
        all
    }

    fn others(&self) -> Option<&Others> {
        Some(&self.others)
    }
}
