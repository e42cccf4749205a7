//! The keys of a rotation: those that files are sealed for, and those that they are
//! to be sealed for.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::keys::{CommandKey, OtherKeys, active_key, kek, keyring_if_any, read, usable};
use super::recipients::{Public, new_passphrase};
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::cli::{Outcome, Stop};
use crate::container::{AgeRecipient, External, Header, Identities, Kek, KeyId, Recipient};
use crate::error::Kind;
use crate::keyring::{KeyUse, Keyring, KeyringError};
use crate::output::Failure;

pub(super) const UNKNOWN: &str = "the home's keyring cannot be read, so whether a key leaked is not known";

/// Warns of `files` that anyone could have made and that a server takes now.
pub(super) fn warn_of_origin<'a>(context: &Context, mut files: impl Iterator<Item = &'a Path>) {
    let Some(first) = files.next() else { return };
    let others = match files.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    context.output.warn(&format!(
        "nothing shows who made '{}'{others}: for age, and for a command that wraps with a public key, anyone \
         can make a file, and of what a key or a passphrase opens `serve` demands no signature. `sealserve model \
         verify --trusted-signer FILE` tells who signed one. Who made it knows its data key too, until `sealserve \
         model reencrypt`",
        first.display()
    ));
}

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
    #[command(flatten)]
    others: OtherKeys,
}

/// Who can be a recipient beside others; without any of these, the active key of the home.
#[derive(Debug, Args)]
pub(super) struct MoreKeys {
    /// Key file of a new recipient; may be repeated
    #[arg(long = "new-key-file", value_name = secret::FORMS)]
    files: Vec<Source>,
    /// Model key of the keyring that is a new recipient; may be repeated [default: the active one]
    #[arg(long = "new-key", value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    public: Public,
    /// Name of the key that --wrap-command uses; it gets it as SEALSERVE_KEY_NAME
    #[arg(long, value_name = "NAME", requires = "wrap_command")]
    new_command_key: Option<String>,
}

/// Whom files shall be sealed for; without any of these, the active key of the home.
#[derive(Debug, Args)]
pub(super) struct NewKeys {
    #[command(flatten)]
    more: MoreKeys,
    /// Passphrase; it then is the only recipient of the files
    #[arg(long, value_name = secret::FORMS, conflicts_with = "ask_new_passphrase")]
    new_passphrase: Option<Source>,
    /// Ask for that passphrase at the terminal, twice
    #[arg(long)]
    ask_new_passphrase: bool,
}

/// What opens files, and what is known of it.
pub(super) struct Old {
    pub(super) identities: Identities,
    /// Those of all the keyring's model keys that leaked; none without a keyring, and an
    /// error where there is one that does not open.
    pub(super) leaked: Outcome<Vec<KeyId>>,
}

impl OldKeys {
    /// The sources of secrets among them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.key_files.iter().chain(self.others.sources())
    }

    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        !self.key_files.is_empty() || !self.key_ids.is_empty() || self.others.are_named()
    }

    /// Reads them. The home is needed only where an option or its absence asks for it.
    pub(super) fn read(&self, context: &Context) -> Outcome<Old> {
        let mut keys: Vec<Kek> = self.key_files.iter().map(read).collect::<Outcome<_>>()?;
        // Which of the files need which of them is not known yet.
        let others = self.others.read(context, |_| true)?;
        if self.key_ids.is_empty() && self.are_named() {
            return Ok(Old { identities: Identities { keys, others }, leaked: known_leaks(context) });
        }
        let keyring = context.store()?.read()?;
        if self.key_ids.is_empty() {
            keys = keyring.of(KeyUse::Model).map(kek).collect::<Outcome<_>>()?;
        }
        for id in &self.key_ids {
            keys.push(in_any_state(&keyring, id)?);
        }
        Ok(Old { identities: Identities { keys, others }, leaked: Ok(leaks(&keyring)) })
    }

    /// The command and the time that it has.
    pub(super) fn command(&self) -> &CommandKey {
        self.others.command()
    }
}

impl Old {
    /// Lets what files are to be sealed for open them, too: an attempt that was
    /// interrupted may have done some.
    pub(super) fn or_done(mut self, new: &[Recipient]) -> Identities {
        for recipient in new {
            match recipient {
                Recipient::Key(kek) if self.identities.keys.iter().any(|old| old.id() == kek.id()) => {}
                Recipient::Key(kek) => self.identities.keys.push(kek.clone()),
                Recipient::Passphrase(phrase) => self.identities.others.passphrases.push(phrase.clone()),
                Recipient::Age(_) | Recipient::External(_) => {}
            }
        }
        self.identities
    }
}

impl MoreKeys {
    /// The sources of secrets among them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// Those that options name. `command` has the time that a command may take.
    fn named(&self, context: &Context, command: &CommandKey) -> Outcome<Vec<Recipient>> {
        let mut all: Vec<_> =
            self.files.iter().map(|source| read(source).map(Recipient::Key)).collect::<Outcome<_>>()?;
        for id in &self.ids {
            all.push(Recipient::Key(usable(&context.store()?.read()?, id, context)?));
        }
        let external = |program: &_| {
            let name = self.new_command_key.as_deref();
            command.with_key(program, "--wrap-command", name, "--new-command-key")
        };
        all.extend(self.public.read(context, external)?);
        Ok(all)
    }

    /// Those, or else the active key of the home.
    pub(super) fn read(&self, context: &Context, command: &CommandKey) -> Outcome<Vec<Recipient>> {
        let named = self.named(context, command)?;
        if named.is_empty() {
            Ok(vec![Recipient::Key(active_key(context, "--new-key-file FILE")?)])
        } else {
            Ok(named)
        }
    }
}

impl NewKeys {
    /// The sources of secrets among them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.more.sources().chain(&self.new_passphrase)
    }

    /// Reads them, and says whether they are of the home. `command` has the time that
    /// a command may take.
    pub(super) fn read(&self, context: &Context, command: &CommandKey) -> Outcome<(Vec<Recipient>, bool)> {
        let mut all = self.more.named(context, command)?;
        let (source, asked) = (self.new_passphrase.as_ref(), self.ask_new_passphrase);
        all.extend(new_passphrase(context, source, asked, "--new-passphrase FILE")?);
        let default = all.is_empty();
        if default {
            all.push(Recipient::Key(active_key(context, "--new-key-file FILE")?));
        }
        Ok((all, default || !self.more.ids.is_empty()))
    }
}

/// A recipient that files got, in documents.
#[derive(Serialize)]
pub(super) struct NewRow {
    kind: &'static str,
    /// None for a passphrase: each file has another.
    key_id: Option<KeyId>,
}

impl From<&Recipient> for NewRow {
    fn from(recipient: &Recipient) -> Self {
        Self { kind: recipient.kind().name(), key_id: recipient.key_id() }
    }
}

/// The model keys of `keyring` that leaked.
fn leaks(keyring: &Keyring) -> Vec<KeyId> {
    let leaked = keyring.of(KeyUse::Model).filter(|key| key.compromised);
    leaked.filter_map(|key| key.kid.parse().ok()).collect()
}

/// Those of the home, for who needs no home: where there is none, nothing is known.
fn known_leaks(context: &Context) -> Outcome<Vec<KeyId>> {
    keyring_if_any(context).map(|keyring| keyring.as_ref().map(leaks).unwrap_or_default()).map_err(unknown)
}

/// Why nobody can say whether a key leaked.
fn unknown(stop: Stop) -> Stop {
    let Stop::Failure(failure) = stop else { return stop };
    let failure = failure.kind(Kind::Credential).context(UNKNOWN);
    Stop::Failure(failure.hint(
        "pass --root-key, or --home where these files belong to another one; --rewrap-only --insecure forgoes that",
    ))
}

/// The model key that is called `id`, whatever became of it.
fn in_any_state(keyring: &Keyring, id: &str) -> Outcome<Kek> {
    let key = keyring.get(id)?;
    if key.usage == KeyUse::Model {
        return kek(key);
    }
    Err(KeyringError::WrongUse { id: id.to_owned(), found: key.usage, wanted: KeyUse::Model }.into())
}

/// Whom of those in `header` `name` calls: by a key id as files hold it, a public key of
/// age, what a command calls its key, or a model key of the keyring.
pub(super) fn key_id(context: &Context, header: &Header, name: &str) -> Outcome<KeyId> {
    if name.starts_with("age1") {
        return Ok(AgeRecipient::parse(name, &context.person())?.key_id());
    }
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    // The id is made of the name alone; no program is run.
    let program = "command".parse().ok();
    let command = program.and_then(|program| External::new(program, name, Duration::ZERO, |_| ()).ok());
    let Some(command) = command.map(|key| key.key_id()).filter(|id| header.has_recipient(id)) else {
        return Ok(in_any_state(&context.store()?.read()?, name)?.id());
    };
    let keyring = keyring_if_any(context).ok().flatten();
    let other = keyring.and_then(|keyring| in_any_state(&keyring, name).ok()).map(|key| key.id());
    match other.filter(|id| header.has_recipient(id)) {
        None => Ok(command),
        Some(other) => Err(Failure::new(Kind::Usage, format!("'{name}' is two of the recipients"))
            .hint(format!("name it by its id: {other} is the keyring's, {command} that of a command"))
            .into()),
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
