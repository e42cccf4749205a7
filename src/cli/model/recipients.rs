//! Whom a verb encrypts for.

use std::path::PathBuf;

use clap::Args;

use super::keys::{CommandKey, Named, PASSPHRASE, active_key, check_sources};
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::command::Program;
use crate::container::{AgeRecipient, External, Passphrase, Recipient, RecipientKind, Stanza};
use crate::error::Kind;
use crate::fs;
use crate::output::Failure;

const RECIPIENTS: u64 = 1 << 20;

/// Recipients that are named without any secret.
#[derive(Debug, Args)]
pub(super) struct Public {
    /// age public key (age1…); may be repeated
    #[arg(long = "age-recipient", short = 'r', value_name = "RECIPIENT")]
    age: Vec<String>,
    /// File with a public key of age on each line; may be repeated
    #[arg(long = "age-recipients-file", short = 'R', value_name = "FILE")]
    age_files: Vec<PathBuf>,
    /// Command that wraps the data key: a program, or a JSON array of program and arguments
    #[arg(long, value_name = "COMMAND")]
    wrap_command: Option<Program>,
}

/// Whom to encrypt for; without any of these, the active key of the home.
#[derive(Debug, Args)]
pub(super) struct Recipients {
    #[command(flatten)]
    named: Named,
    /// Passphrase; it then is the only recipient of the file
    #[arg(long, value_name = secret::FORMS, conflicts_with = "ask_passphrase")]
    passphrase: Option<Source>,
    /// Ask for a passphrase at the terminal, twice
    #[arg(long)]
    ask_passphrase: bool,
    #[command(flatten)]
    public: Public,
    #[command(flatten)]
    command: CommandKey,
    #[command(flatten)]
    recovery: Recovery,
}

/// The recipients of the home that a safe keeps the identities of.
#[derive(Debug, Args)]
pub(super) struct Recovery {
    /// Omit the recovery recipients in the home's sealserve.toml
    #[arg(long)]
    no_recovery: bool,
}

impl Public {
    /// Reads them; `command` makes what the program is part of.
    pub(super) fn read(
        &self,
        context: &Context,
        command: impl FnOnce(&Program) -> Outcome<External>,
    ) -> Outcome<Vec<Recipient>> {
        let person = context.person();
        let mut all = Vec::new();
        for text in &self.age {
            all.push(Recipient::Age(AgeRecipient::parse(text, &person)?));
        }
        for path in &self.age_files {
            let contents = fs::read(path, RECIPIENTS)?;
            let name = path.display().to_string();
            let recipients = AgeRecipient::parse_file(&name, contents.expose(), &person)?;
            all.extend(recipients.into_iter().map(Recipient::Age));
        }
        if let Some(program) = &self.wrap_command {
            all.push(Recipient::External(command(program)?));
        }
        Ok(all)
    }
}

impl Recipients {
    /// All of them.
    pub(super) fn to_encrypt(&self, context: &Context) -> Outcome<Vec<Recipient>> {
        let mut all: Vec<Recipient> = self.named.read(context)?.into_iter().map(Recipient::Key).collect();
        all.extend(self.public.read(context, |program| self.command.command(program, "--wrap-command"))?);
        all.extend(new_passphrase(
            context,
            self.passphrase.as_ref(),
            self.ask_passphrase,
            "--passphrase FILE",
        )?);
        let default = all.is_empty();
        if default {
            all.push(Recipient::Key(active_key(context, "--key-file FILE")?));
        }
        if default || self.named.are_in_home() {
            self.recovery.add(context, &mut all)?;
        }
        Ok(all)
    }

    /// One reader of stdin at most, `others` included, and no secret in the place of a source.
    pub(super) fn check_stdin_with(&self, context: &Context, others: usize) -> Outcome {
        check_sources(self.named.sources().chain(&self.passphrase), context, others)
    }
}

impl Recovery {
    /// Adds the recovery recipients of the home, and says so.
    pub(super) fn add(&self, context: &Context, all: &mut Vec<Recipient>) -> Outcome {
        let alone = all.iter().any(|one| one.kind() == RecipientKind::Passphrase);
        if self.no_recovery || alone || !context.home()?.config().exists() {
            return Ok(());
        }
        for text in context.config()?.keys.recovery {
            let recipient = AgeRecipient::parse(&text, &context.person())?;
            if all.iter().any(|other| other.key_id() == Some(recipient.key_id())) {
                continue;
            }
            context.output.note(&format!("also for the recovery recipient {recipient}"));
            all.push(Recipient::Age(recipient));
        }
        Ok(())
    }
}

/// A passphrase to encrypt with, from `source` or asked for twice; `option` names it.
pub(super) fn new_passphrase(
    context: &Context,
    source: Option<&Source>,
    asked: bool,
    option: &str,
) -> Outcome<Option<Recipient>> {
    let contents = match source {
        Some(source) => source.read(PASSPHRASE)?,
        None if asked => {
            let ask = |prompt| context.ask_secret(prompt, option);
            let (first, second) = (ask("a passphrase for the model")?, ask("the same again")?);
            if !crate::secret::equal(first.expose(), second.expose()) {
                return Err(Failure::new(Kind::Credential, "the passphrases differ").into());
            }
            first
        }
        None => return Ok(None),
    };
    Ok(Some(Recipient::Passphrase(Passphrase::parse(&contents)?.require_strong()?)))
}

/// A key by its id alone, all else with its kind.
pub(super) fn called(stanza: &Stanza) -> String {
    match stanza.kind {
        RecipientKind::Key => stanza.key_id.to_string(),
        _ => stanza.to_string(),
    }
}
