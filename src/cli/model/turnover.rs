//! The keys of a rotation: those that files are sealed for, and the one that they
//! are to be sealed for.

use clap::Args;

use super::keys::{kek, read, usable};
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::container::{Kek, KeyId};
use crate::error::Kind;
use crate::keyring::{KeyUse, Keyring, KeyringError};
use crate::output::Failure;

/// The keys that files are sealed for. Nothing in the clear leaves a rotation, so
/// a retired or revoked key may open a file for it.
#[derive(Debug, Args)]
pub(super) struct OldKeys {
    /// Key file that opens the files: 32 bytes, or their hex or base64; may be repeated
    #[arg(long = "key-file", value_name = secret::FORMS)]
    key_files: Vec<Source>,
    /// Model key of the keyring that opens them, in any state; may be repeated [default: all]
    #[arg(long = "key", value_name = "ID")]
    key_ids: Vec<String>,
}

/// The key that files shall be sealed for.
#[derive(Debug, Args)]
pub(super) struct NewKey {
    /// Key file of the new recipient
    #[arg(long, value_name = secret::FORMS)]
    new_key_file: Option<Source>,
    /// Model key of the keyring that is the new recipient [default: the active one]
    #[arg(long, value_name = "ID", conflicts_with = "new_key_file")]
    new_key: Option<String>,
}

/// What opens files, and what is known of it.
pub(super) struct Old {
    pub(super) keys: Vec<Kek>,
    /// Those of all the keyring's model keys that leaked.
    pub(super) leaked: Vec<KeyId>,
}

impl OldKeys {
    /// Readers of standard input.
    pub(super) fn stdin_readers(&self) -> usize {
        self.key_files.iter().filter(|source| **source == Source::Stdin).count()
    }

    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        !self.key_files.is_empty() || !self.key_ids.is_empty()
    }

    /// Reads them. The home is needed only where an option or its absence asks for it.
    pub(super) fn read(&self, context: &Context) -> Outcome<Old> {
        let mut keys: Vec<Kek> = self.key_files.iter().map(read).collect::<Outcome<_>>()?;
        if self.key_ids.is_empty() && !keys.is_empty() {
            return Ok(Old { keys, leaked: Vec::new() });
        }
        let keyring = context.store()?.read()?;
        if self.key_ids.is_empty() {
            keys = keyring.of(KeyUse::Model).map(kek).collect::<Outcome<_>>()?;
        }
        for id in &self.key_ids {
            keys.push(in_any_state(&keyring, id)?);
        }
        let leaked = keyring.of(KeyUse::Model).filter(|key| key.compromised);
        let leaked = leaked.map(|key| Ok(kek(key)?.id())).collect::<Outcome<_>>()?;
        Ok(Old { keys, leaked })
    }
}

impl NewKey {
    /// Readers of standard input.
    pub(super) fn stdin_readers(&self) -> usize {
        usize::from(self.new_key_file == Some(Source::Stdin))
    }

    /// Reads it.
    pub(super) fn read(&self, context: &Context) -> Outcome<Kek> {
        match (&self.new_key_file, &self.new_key) {
            (Some(source), _) => read(source),
            (None, Some(id)) => usable(&context.store()?.read()?, id, context),
            (None, None) => kek(context.store()?.read()?.active(KeyUse::Model)?),
        }
    }
}

/// The model key that is called `id`, whatever became of it.
fn in_any_state(keyring: &Keyring, id: &str) -> Outcome<Kek> {
    let key = keyring.get(id)?;
    if key.usage == KeyUse::Model {
        return kek(key);
    }
    Err(KeyringError::WrongUse { id: id.to_owned(), found: key.usage, wanted: KeyUse::Model }.into())
}

/// What `name` calls: a key id as files hold it, or a model key of the keyring.
pub(super) fn key_id(context: &Context, name: &str) -> Outcome<KeyId> {
    match name.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(in_any_state(&context.store()?.read()?, name)?.id()),
    }
}

/// The refusal to take a key that leaked for one that only retires.
pub(super) fn leaked(key: &KeyId) -> Failure {
    Failure::new(
        Kind::Credential,
        format!("key {key} leaked, and rewrapping keeps the data key of each file"),
    )
    .hint(
        "`sealserve model reencrypt FILE…` gives files a new data key; --rewrap-only --insecure forgoes that",
    )
}
