//! `model recipient`: add, remove, list.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::keys::check_sources;
use super::rewrap::RewrittenDocument;
use super::turnover::{NewKeys, OldKeys, key_id};
use crate::cli::context::Context;
use crate::cli::{Outcome, Stop, written};
use crate::container::{ContainerError, KeyId, Openers, Recipient, RecipientChange, Sealed, Wrapper};
use crate::keyring::KeyUse;
use crate::ops::{self, Found};
use crate::output::{Document, table};
use crate::progress::Progress;

/// Show and change who can open a file
#[derive(Debug, Args)]
pub(super) struct RecipientCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Add),
    Remove(Remove),
    List(List),
}

impl RecipientCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Add(verb) => verb.run(context),
            Verb::Remove(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context),
        }
    }
}

/// Let someone else open a file, too
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model recipient add digits.sealed --new-key recovery
  sealserve model recipient add digits.sealed --key-file model.key --new-key-file partner.key
  sealserve model recipient add digits.sealed -r age1…")]
struct Add {
    /// The encrypted file
    file: PathBuf,
    #[command(flatten)]
    keys: OldKeys,
    #[command(flatten)]
    new: NewKeys,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Let someone no longer open a file; one recipient must stay
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model recipient remove digits.sealed partner
  sealserve model recipient remove digits.sealed 86dd6d43955ba2184c12e94bb448b18f --key-file model.key

Whoever had the key and any copy of the file may know its data key, which stays the same: where
that matters, use `sealserve model reencrypt`.")]
struct Remove {
    /// The encrypted file
    file: PathBuf,
    /// Who shall not open it any more: key ids, public keys of age, or names of the keyring
    #[arg(required = true, value_name = "KEY")]
    recipients: Vec<String>,
    #[command(flatten)]
    keys: OldKeys,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Show who can open a file; without a key, nothing of it is proven
#[derive(Debug, Args)]
struct List {
    /// The encrypted file
    file: PathBuf,
}

/// The answer of both changes; they differ in what it holds.
#[derive(Serialize)]
struct Changed<const ADDED: bool> {
    file: PathBuf,
    dry_run: bool,
    #[serde(flatten)]
    header: RewrittenDocument,
}

impl<const ADDED: bool> Document for Changed<ADDED> {
    const SCHEMA: &'static str =
        if ADDED { "sealserve.model.recipient.add/v1" } else { "sealserve.model.recipient.remove/v1" };

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Add {
    fn run(self, context: &Context) -> Outcome {
        check_sources(self.keys.sources().chain(self.new.sources()), context, 0)?;
        let (old, (add, _)) = (self.keys.read(context)?, self.new.read(context, self.keys.command())?);
        let there = add.first().and_then(Wrapper::key_id);
        let change = RecipientChange { add, ..RecipientChange::default() };
        let progress = context.output.unmeasured();
        let changed = rewrite(&self.file, &old.openers, &change, self.dry_run, &progress)?;
        if let Some(key) = there.filter(|_| changed.added.is_empty()) {
            let name = self.file.display().to_string();
            return Err(ContainerError::AlreadyRecipient { name, key }.into());
        }
        let would = if self.dry_run { "would let" } else { "let" };
        let is_new = |recipient: &&Recipient| changed.added.contains(&recipient.key_id);
        for recipient in changed.recipients.iter().filter(is_new) {
            context.output.note(&format!("{would} {recipient} open '{}'", self.file.display()));
        }
        let (file, dry_run) = (self.file, self.dry_run);
        written(context.output.document(&Changed::<true> { file, dry_run, header: changed.into() }))
    }
}

impl Remove {
    fn run(self, context: &Context) -> Outcome {
        check_sources(self.keys.sources(), context, 0)?;
        let remove: Vec<_> =
            self.recipients.iter().map(|name| key_id(context, name)).collect::<Outcome<_>>()?;
        // Fails early, and before a key is asked for: all that is named must be there.
        let sealed = Sealed::open(&self.file)?;
        if let Some(key) = remove.iter().find(|id| !sealed.header().has_recipient(id)) {
            let name = self.file.display().to_string();
            return Err(ContainerError::NotRecipient { name, key: *key }.into());
        }
        let old = self.keys.read(context)?;
        let change = RecipientChange { remove, ..RecipientChange::default() };
        let progress = context.output.unmeasured();
        let changed = rewrite(&self.file, &old.openers, &change, self.dry_run, &progress)?;
        for key in &changed.removed {
            let would = if self.dry_run { "would no longer let" } else { "no longer lets" };
            context.output.note(&format!("'{}' {would} key {key} open it", self.file.display()));
        }
        let (file, dry_run) = (self.file, self.dry_run);
        written(context.output.document(&Changed::<false> { file, dry_run, header: changed.into() }))
    }
}

/// Changes one file that was named itself, so that a link to it is followed.
fn rewrite(
    file: &std::path::Path,
    openers: &Openers,
    change: &RecipientChange,
    dry_run: bool,
    progress: &dyn Progress,
) -> Outcome<crate::container::Rewritten> {
    let items = ops::rewrap(vec![Found::named(file)], openers, change, dry_run, progress);
    let outcome = items.into_iter().next().map(|item| item.outcome);
    match outcome {
        Some(ops::Outcome::Done(report) | ops::Outcome::Skipped(report)) => Ok(report),
        Some(ops::Outcome::Failed(error)) => Err(error.into()),
        Some(ops::Outcome::Link) | None => {
            Err(crate::fs::FsError::NotRegular { path: file.to_owned() }.into())
        }
    }
}

#[derive(Serialize)]
struct ListDocument {
    file: PathBuf,
    recipients: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    key_id: KeyId,
    /// What the keyring calls the key, if it knows it.
    name: Option<String>,
    state: Option<String>,
}

impl Document for ListDocument {
    const SCHEMA: &'static str = "sealserve.model.recipient.list/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.recipients.iter().map(|row| {
            let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
            [row.kind.to_owned(), row.key_id.to_string(), or_nothing(&row.name), or_nothing(&row.state)]
        });
        writeln!(out, "{}", table(["KIND", "KEY ID", "NAME", "STATE"], rows))
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        let sealed = Sealed::open(&self.file)?;
        // Where there is no home, the ids are all that is known.
        let keyring = context.store().and_then(|store| store.read().map_err(Stop::from)).ok();
        let now = context.now();
        let row = |id: KeyId, kind| {
            let keys = keyring.iter().flat_map(|keyring| keyring.of(KeyUse::Model));
            let key = keys.into_iter().find(|key| key.kid == id.to_string());
            let name = key.map(|key| key.id.clone());
            Row { kind, key_id: id, name, state: key.map(|key| key.state_at(now).to_string()) }
        };
        let recipients = sealed.header().recipients().iter().map(|r| row(r.key_id, r.kind.name())).collect();
        written(context.output.document(&ListDocument { file: self.file, recipients }))
    }
}
