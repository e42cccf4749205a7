//! Which key-encryption keys a verb uses.

use std::path::Path;

use clap::Args;

use super::io::is_dash;
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::container::Kek;
use crate::error::Kind;
use crate::keyring::{Key, KeyUse, Keyring, KeyringError};
use crate::output::Failure;
use crate::secret::Secret;

/// Which key-encryption keys; with neither option, those of the home.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// Key file: 32 bytes, or their hex or base64; may be repeated
    #[arg(long = "key-file", value_name = secret::FORMS)]
    files: Vec<Source>,
    /// Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]
    #[arg(long = "key", value_name = "ID")]
    ids: Vec<String>,
}

impl Keys {
    /// The keys to encrypt for.
    pub(super) fn to_encrypt(&self, context: &Context) -> Outcome<Vec<Kek>> {
        self.resolve(context, |keyring| Ok(vec![kek(keyring.active(KeyUse::Model)?)?]))
    }

    /// The keys that may decrypt.
    pub(super) fn to_decrypt(&self, context: &Context) -> Outcome<Vec<Kek>> {
        self.resolve(context, |keyring| {
            let now = context.now();
            keyring.of(KeyUse::Model).filter(|key| key.state_at(now).is_accepted()).map(kek).collect()
        })
    }

    /// The keys that the options name, or else those that `default` finds in the keyring.
    fn resolve(
        &self,
        context: &Context,
        default: impl FnOnce(&Keyring) -> Outcome<Vec<Kek>>,
    ) -> Outcome<Vec<Kek>> {
        let mut keks: Vec<Kek> = self.files.iter().map(read).collect::<Outcome<_>>()?;
        if self.ids.is_empty() {
            return if keks.is_empty() { default(&context.store()?.read()?) } else { Ok(keks) };
        }
        let keyring = context.store()?.read()?;
        for id in &self.ids {
            keks.push(usable(&keyring, id, context)?);
        }
        Ok(keks)
    }

    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        !self.files.is_empty() || !self.ids.is_empty()
    }

    /// Whether they come from the keyring, or some of them.
    pub(super) fn need_keyring(&self) -> bool {
        self.files.is_empty() || !self.ids.is_empty()
    }

    /// One reader of stdin at most.
    pub(super) fn check_stdin(&self, context: &Context, input: &Path) -> Outcome {
        self.check_stdin_with(context, usize::from(is_dash(input)))
    }

    /// One reader of stdin at most, of which there are `others`.
    pub(super) fn check_stdin_with(&self, context: &Context, others: usize) -> Outcome {
        let readers = self.files.iter().filter(|source| **source == Source::Stdin).count();
        context.check_stdin(readers + others)
    }
}

/// Reads a key file.
pub(super) fn read(source: &Source) -> Outcome<Kek> {
    Ok(Kek::parse(&source.name(), source.read(256)?.expose())?)
}

pub(super) fn usable(keyring: &Keyring, id: &str, context: &Context) -> Outcome<Kek> {
    let key = keyring.get(id)?;
    if key.usage != KeyUse::Model {
        let (found, wanted) = (key.usage, KeyUse::Model);
        return Err(KeyringError::WrongUse { id: id.to_owned(), found, wanted }.into());
    }
    match key.state_at(context.now()) {
        state if state.is_accepted() => kek(key),
        state => Err(KeyringError::NotUsable { id: id.to_owned(), state }.into()),
    }
}

pub(super) fn kek(key: &Key) -> Outcome<Kek> {
    let secret = Secret::from_slice(key.secret.expose());
    secret.map(Kek::new).ok_or_else(|| {
        Failure::new(Kind::Failed, format!("model key '{}' of the keyring is not 32 bytes", key.id)).into()
    })
}
