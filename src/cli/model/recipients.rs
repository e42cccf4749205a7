//! Whom a verb encrypts for.

use std::path::{Path, PathBuf};

use clap::Args;

use super::keys::{CommandKey, Named, PASSPHRASE, active_key, check_sources};
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::command::Program;
use crate::container::{AgeRecipient, Passphrase, Wrapper};
use crate::error::Kind;
use crate::fs;
use crate::output::Failure;

const RECIPIENTS: u64 = 1 << 20;

/// Whom to encrypt for; without any of these, the active key of the home.
#[derive(Debug, Args)]
pub(super) struct Recipients {
    #[command(flatten)]
    named: Named,
    /// Passphrase, which is then the only way to open the file
    #[arg(long, value_name = secret::FORMS, conflicts_with = "ask_passphrase")]
    passphrase: Option<Source>,
    /// Ask for a passphrase at the terminal, twice
    #[arg(long)]
    ask_passphrase: bool,
    /// Public key of age, age1…; may be repeated
    #[arg(long = "age-recipient", short = 'r', value_name = "RECIPIENT")]
    age: Vec<String>,
    /// File with a public key of age on each line; may be repeated
    #[arg(long = "age-recipients-file", short = 'R', value_name = "FILE")]
    age_files: Vec<PathBuf>,
    /// Command that wraps the data key: a program, or a JSON array of program and arguments
    #[arg(long, value_name = "COMMAND")]
    wrap_command: Option<Program>,
    #[command(flatten)]
    command: CommandKey,
    /// Leave out the recovery recipients that the home's sealserve.toml names
    #[arg(long)]
    no_recovery: bool,
}

impl Recipients {
    /// All of them.
    pub(super) fn to_encrypt(&self, context: &Context) -> Outcome<Vec<Wrapper>> {
        let mut all: Vec<Wrapper> = self.named.read(context)?.into_iter().map(Wrapper::Key).collect();
        let person = context.person();
        for text in &self.age {
            all.push(Wrapper::Age(AgeRecipient::parse(text, &person)?));
        }
        for path in &self.age_files {
            let contents = fs::read(path, RECIPIENTS)?;
            let name = path.display().to_string();
            all.extend(
                AgeRecipient::parse_file(&name, contents.expose(), &person)?.into_iter().map(Wrapper::Age),
            );
        }
        if let Some(program) = &self.wrap_command {
            all.push(Wrapper::External(self.command.command(program, "--wrap-command")?));
        }
        if let Some(passphrase) = self.passphrase(context)? {
            all.push(Wrapper::Passphrase(passphrase));
        }
        let default = all.is_empty();
        if default {
            all.push(Wrapper::Key(active_key(context)?));
        }
        if (default || self.named.are_in_home()) && !self.no_recovery {
            self.recovery(context, &mut all)?;
        }
        Ok(all)
    }

    /// Adds the recovery recipients of the home, and says so.
    fn recovery(&self, context: &Context, all: &mut Vec<Wrapper>) -> Outcome {
        if self.passphrase.is_some() || self.ask_passphrase || !context.home()?.config().exists() {
            return Ok(());
        }
        for text in context.config()?.keys.recovery {
            let recipient = AgeRecipient::parse(&text, &context.person())?;
            if all.iter().any(|other| other.key_id() == Some(recipient.key_id())) {
                continue;
            }
            context.output.note(&format!("also for the recovery recipient {recipient}"));
            all.push(Wrapper::Age(recipient));
        }
        Ok(())
    }

    fn passphrase(&self, context: &Context) -> Outcome<Option<Passphrase>> {
        let contents = match &self.passphrase {
            Some(source) => source.read(PASSPHRASE)?,
            None if self.ask_passphrase => {
                let ask = |prompt| context.ask_secret(prompt, "--passphrase FILE");
                let (first, second) = (ask("a passphrase")?, ask("the same again")?);
                if !crate::secret::equal(first.expose(), second.expose()) {
                    return Err(Failure::new(Kind::Credential, "the passphrases differ").into());
                }
                first
            }
            None => return Ok(None),
        };
        Ok(Some(Passphrase::parse(&contents)?.require_strong()?))
    }

    /// One reader of stdin at most, and no secret in the place of a source.
    pub(super) fn check_stdin(&self, context: &Context, input: &Path) -> Outcome {
        check_sources(self.named.sources().chain(&self.passphrase), context, input)
    }
}
