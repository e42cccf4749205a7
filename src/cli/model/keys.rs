//! What a verb opens files with. Nothing is asked for, read or run before a file is
//! seen to need it.

use std::io::ErrorKind;
use std::sync::Arc;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::cli::{Outcome, Stop};
use crate::command::Program;
use crate::config::Span;
use crate::container::{External, Header, Identities, Kek, Others, Passphrase, RecipientKind};
use crate::error::Kind;
use crate::keyring::{Key, KeyUse, Keyring, KeyringError};
use crate::output::{self, Failure};
use crate::secret::Secret;

/// An identity file holds a line for each key, and perhaps comments.
const IDENTITIES: u64 = 1 << 20;

/// Key-encryption keys that options name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Key file: 32 bytes, or their hex or base64; may be repeated
    #[arg(long = "key-file", value_name = secret::FORMS)]
    files: Vec<Source>,
    /// Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]
    #[arg(long = "key", value_name = "ID")]
    ids: Vec<String>,
}

impl Named {
    /// Whether an option names any.
    pub(super) fn any(&self) -> bool {
        !self.files.is_empty() || !self.ids.is_empty()
    }

    /// Whether the keyring is named.
    pub(super) fn are_in_home(&self) -> bool {
        !self.ids.is_empty()
    }

    /// The sources of secrets among them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// The keys that the options name.
    pub(super) fn read(&self, context: &Context) -> Outcome<Vec<Kek>> {
        let mut keks: Vec<Kek> = self.files.iter().map(read).collect::<Outcome<_>>()?;
        if !self.ids.is_empty() {
            let keyring = context.store()?.read()?;
            for id in &self.ids {
                keks.push(usable(&keyring, id, context)?);
            }
        }
        Ok(keks)
    }
}

/// A command that wraps or unwraps data keys: what both directions share.
#[derive(Debug, Args)]
pub(super) struct CommandKey {
    /// Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME
    #[arg(long = "command-key", value_name = "NAME")]
    command_key: Option<String>,
    /// How long the command may take
    #[arg(long = "command-timeout", value_name = "TIME", default_value = "30s")]
    command_timeout: Span,
}

impl CommandKey {
    /// `program` with this key; `option` is what named the program.
    pub(super) fn command(&self, program: &Program, option: &str) -> Outcome<External> {
        self.with_key(program, option, self.command_key.as_deref(), "--command-key")
    }

    /// `program` with the key `name`, which `naming` gives.
    pub(super) fn with_key(
        &self,
        program: &Program,
        option: &str,
        name: Option<&str>,
        naming: &str,
    ) -> Outcome<External> {
        let Some(name) = name else {
            return Err(Failure::new(Kind::Usage, format!("{option} needs the name of a key"))
                .hint(format!("pass {naming} NAME; the file carries an id made of it"))
                .into());
        };
        Ok(External::new(program.clone(), name, self.command_timeout.0, output::echo)?)
    }
}

/// What to open files with; without any of these, the keys of the home.
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    others: OtherKeys,
}

/// What opens recipients of other kinds than keys.
#[derive(Debug, Args)]
pub(super) struct OtherKeys {
    /// Passphrase of a file that was encrypted with one
    #[arg(long, value_name = secret::FORMS, conflicts_with = "ask_passphrase")]
    passphrase: Option<Source>,
    /// Ask for the passphrase at the terminal
    #[arg(long)]
    ask_passphrase: bool,
    /// File of age identities; may be repeated
    #[arg(long = "age-identity", short = 'i', value_name = secret::FORMS)]
    identities: Vec<Source>,
    /// Command that unwraps data keys: a program, or a JSON array of program and arguments
    #[arg(long, value_name = "COMMAND")]
    unwrap_command: Option<Program>,
    #[command(flatten)]
    command: CommandKey,
}

impl Keys {
    /// What may open the file of `header`.
    pub(super) fn to_decrypt(&self, context: &Context, header: &Header) -> Outcome<Identities> {
        let mut each = self.for_each(context);
        each.identities(header)?;
        Ok(each.identities)
    }

    /// Adds to `identities` what may open recipients of this `kind`, and where it is the
    /// `first` also what is read whatever the kind.
    fn add(
        &self,
        context: &Context,
        kind: RecipientKind,
        first: bool,
        identities: &mut Identities,
    ) -> Outcome {
        let named = self.are_named();
        if named && first {
            identities.keys.extend(self.named.read(context)?);
        } else if !named && kind == RecipientKind::Key {
            identities.keys.extend(home_keys(context)?);
        }
        let others = self.others.read(context, |other| other == kind)?;
        identities.others.passphrases.extend(others.passphrases);
        identities.others.age.extend(others.age);
        if first {
            identities.others.commands.extend(others.commands);
        }
        if kind == RecipientKind::Passphrase && !named {
            identities.others.passphrases.push(self.others.passphrase(context)?);
        }
        Ok(())
    }

    /// What may open one file after another.
    pub(super) fn for_each<'a>(&'a self, context: &'a Context) -> EachTime<'a> {
        EachTime { keys: self, context, identities: Identities::default(), read: Vec::new() }
    }

    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        self.named.any() || self.others.are_named()
    }

    /// What may open files of which nobody knows yet what they need. No passphrase is
    /// asked for that no option says.
    pub(super) fn to_decrypt_any(&self, context: &Context) -> Outcome<Identities> {
        let keys = if self.are_named() { self.named.read(context)? } else { home_keys(context)? };
        Ok(Identities { keys, others: self.others.read(context, |_| true)? })
    }

    /// Whether they come from the keyring, or some of them.
    pub(super) fn need_keyring(&self) -> bool {
        !self.are_named() || self.named.are_in_home()
    }

    /// One reader of stdin at most, `others` included, and no secret in the place of a source.
    pub(super) fn check_stdin_with(&self, context: &Context, others: usize) -> Outcome {
        check_sources(self.named.sources().chain(self.others.sources()), context, others)
    }
}

/// What may open files of which each tells by its header what it needs: read, or asked
/// for, when the first file needs it, and then tried on all.
pub(super) struct EachTime<'a> {
    keys: &'a Keys,
    context: &'a Context,
    identities: Identities,
    /// Whatever kinds of recipients were met before.
    read: Vec<RecipientKind>,
}

impl EachTime<'_> {
    /// What may open the file of `header`.
    pub(super) fn identities(&mut self, header: &Header) -> Outcome<&Identities> {
        for kind in header.recipients().iter().map(|recipient| recipient.kind) {
            if !self.read.contains(&kind) {
                self.keys.add(self.context, kind, self.read.is_empty(), &mut self.identities)?;
                self.read.push(kind);
            }
        }
        Ok(&self.identities)
    }
}

impl OtherKeys {
    /// Reads what the options name, where a file `has` a recipient that it may open.
    pub(super) fn read(&self, context: &Context, has: impl Fn(RecipientKind) -> bool) -> Outcome<Others> {
        let mut others = Others::default();
        if has(RecipientKind::Passphrase) && (self.passphrase.is_some() || self.ask_passphrase) {
            others.passphrases.push(self.passphrase(context)?);
        }
        if has(RecipientKind::Age) {
            let person = context.person();
            for source in &self.identities {
                others.age.add_file(&source.name(), &source.read(IDENTITIES)?, &Arc::clone(&person))?;
            }
        }
        if let Some(program) = &self.unwrap_command {
            others.commands.push(self.command.command(program, "--unwrap-command")?);
        }
        Ok(others)
    }

    fn passphrase(&self, context: &Context) -> Outcome<Passphrase> {
        let contents = match &self.passphrase {
            Some(source) => source.read(PASSPHRASE)?,
            None => context.ask_secret("the passphrase of the model", "--passphrase FILE")?,
        };
        Ok(Passphrase::parse(&contents)?)
    }

    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        self.passphrase.is_some()
            || self.ask_passphrase
            || !self.identities.is_empty()
            || self.unwrap_command.is_some()
    }

    /// The command's key, and the time that it has.
    pub(super) fn command(&self) -> &CommandKey {
        &self.command
    }

    /// The sources of secrets among them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.passphrase.iter().chain(&self.identities)
    }
}

/// Bytes of a passphrase with its line end, and more.
pub(super) const PASSPHRASE: u64 = 4096;

/// Whether `sources` can all be read: one reader of stdin at most, the `others` included.
pub(super) fn check_sources<'a>(
    sources: impl Iterator<Item = &'a Source>,
    context: &Context,
    others: usize,
) -> Outcome {
    let mut readers = others;
    for source in sources {
        source.check()?;
        readers += usize::from(*source == Source::Stdin);
    }
    context.check_stdin(readers)
}

/// The keyring of the home, for who needs no home: none where there is none, and an error
/// where there is one that does not open, which may hold anything.
pub(super) fn keyring_if_any(context: &Context) -> Outcome<Option<Keyring>> {
    let Ok(home) = context.home() else { return Ok(None) };
    match home.keyring().symlink_metadata().map_err(|error| error.kind()) {
        Err(ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        _ => Ok(Some(context.store()?.read()?)),
    }
}

/// The keys of the home that may decrypt.
fn home_keys(context: &Context) -> Outcome<Vec<Kek>> {
    let (keyring, now) = (home_keyring(context, "--key-file FILE")?, context.now());
    keyring.of(KeyUse::Model).filter(|key| key.state_at(now).is_accepted()).map(kek).collect()
}

/// The key of the home that encrypts; `option` is what to pass instead.
pub(super) fn active_key(context: &Context, option: &str) -> Outcome<Kek> {
    kek(home_keyring(context, option)?.active(KeyUse::Model)?)
}

/// The keyring, for who named no key; where there is no home, `option` needs none.
fn home_keyring(context: &Context, option: &str) -> Outcome<Keyring> {
    context.store().and_then(|store| Ok(store.read()?)).map_err(|stop| match stop {
        Stop::Failure(failure) if matches!(keyring_if_any(context), Ok(None)) => failure
            .hint(format!(
                "make a home with `sealserve init`, name one with --home, or pass {option}, which needs none"
            ))
            .into(),
        other => other,
    })
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
