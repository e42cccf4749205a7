//! `model recipient`: add, remove, list.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::files::{Inputs, Rows};
use super::io::{is_dash, no_stream, sealed};
use super::keys::check_sources;
use super::rewrap::RewrittenDocument;
use super::rewrap_keys::{MoreKeys, OldKeys, UNKNOWN, key_id, warn_of_origin};
use super::verify::{answer, warn_of_stale};
use crate::cli::context::Context;
use crate::cli::{Outcome, Stop, written};
use crate::container::{ContainerError, Identities, KeyId, Recipient, RecipientChange, Sealed, Stanza};
use crate::keyring::KeyUse;
use crate::ops::{self, Found};
use crate::output::{Document, ShownPath, table};
use crate::progress::Progress;

/// List and change the recipients of encrypted files
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

/// Add a recipient to encrypted files
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
    new: MoreKeys,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Remove recipients from encrypted files; at least one must remain
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model recipient remove digits.sealed partner
  sealserve model recipient remove digits.sealed alias/partner --key-file model.key
  sealserve model recipient remove digits.sealed 86dd6d43955ba2184c12e94bb448b18f

Whoever had the key and any copy of the file may know its data key, which stays the same: where
that matters, use `sealserve model reencrypt`.")]
struct Remove {
    /// The encrypted file
    file: PathBuf,
    /// Who shall not open it any more: key ids, public keys of age, names of the keyring, or names of
    /// a command's keys
    #[arg(required = true, value_name = "KEY")]
    recipients: Vec<String>,
    #[command(flatten)]
    keys: OldKeys,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// List the recipients of encrypted files; unauthenticated without a key
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model recipient list digits.sealed
  sealserve model recipient list models/ --format json |
      jq -r '.files[] | select(any(.recipients[]?; .name == \"model-1\")) | .path'

Exit code 3 where a file is no sealed model.")]
struct List {
    #[command(flatten)]
    inputs: Inputs,
}

/// The answer of both changes; they differ in what it holds.
#[derive(Serialize)]
struct Changed<const ADDED: bool> {
    file: ShownPath,
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
        refuse_stream(&self.file)?;
        check_sources(self.keys.sources().chain(self.new.sources()), context, 0)?;
        let (old, add) = (self.keys.read(context)?, self.new.read(context, self.keys.command())?);
        let there = add.first().and_then(Recipient::key_id);
        let change = RecipientChange { add, ..RecipientChange::default() };
        let progress = context.output.unmeasured();
        let changed = rewrite(&self.file, &old.identities, &change, self.dry_run, &progress)?;
        // One that another run added, and that run was interrupted, was to be completed.
        if let Some(key) = there.filter(|_| !changed.changed) {
            let name = self.file.display().to_string();
            return Err(ContainerError::AlreadyRecipient { name, key }.into());
        }
        let would = if self.dry_run { "would let" } else { "let" };
        let is_new = |stanza: &&Stanza| changed.added.contains(&stanza.key_id);
        for stanza in changed.recipients.iter().filter(is_new) {
            context.output.note(&format!("{would} {stanza} open '{}'", self.file.display()));
        }
        tell_of_mending(context, &self.file, changed.healed, self.dry_run);
        let header: RewrittenDocument = changed.into();
        warn_of_origin(context, header.of_unknown_origin.then_some(&*self.file).into_iter());
        let (file, dry_run) = (self.file.into(), self.dry_run);
        written(context.output.document(&Changed::<true> { file, dry_run, header }))
    }
}

impl Remove {
    fn run(self, context: &Context) -> Outcome {
        refuse_stream(&self.file)?;
        check_sources(self.keys.sources(), context, 0)?;
        // Fails early, and before a key is asked for: all that is named must be there.
        let sealed = Sealed::open_regular(&self.file)?;
        let called = |name: &String| key_id(context, sealed.header(), name);
        let remove: BTreeSet<_> = self.recipients.iter().map(called).collect::<Outcome<_>>()?;
        if let Some(key) = remove.iter().find(|id| !sealed.header().has_recipient(id)) {
            let name = self.file.display().to_string();
            return Err(ContainerError::NotRecipient { name, key: *key }.into());
        }
        let header = sealed.header();
        let all: Vec<_> = header.recipients().iter().chain(header.stale_recipients()).cloned().collect();
        let named = |id: &KeyId| {
            let one = all.iter().find(|stanza| stanza.key_id == *id);
            one.map_or_else(|| id.to_string(), ToString::to_string)
        };
        let old = self.keys.read(context)?;
        let change = RecipientChange { remove: remove.into_iter().collect(), ..RecipientChange::default() };
        let progress = context.output.unmeasured();
        let changed = rewrite(&self.file, &old.identities, &change, self.dry_run, &progress)?;
        let leaked = old.leaked.unwrap_or_else(|_| {
            context.output.warn(UNKNOWN);
            Vec::new()
        });
        // Also those that only the slot had which an interrupted run left behind.
        for key in change.remove.iter().filter(|key| leaked.contains(key)) {
            context.output.warn(&format!(
                "key {key} leaked, and whoever has it and a copy of '{0}' has its data key: run `sealserve model reencrypt '{0}'`",
                self.file.display()
            ));
        }
        for key in &change.remove {
            let would = if self.dry_run { "would no longer let" } else { "no longer lets" };
            context.output.note(&format!("'{}' {would} {} open it", self.file.display(), named(key)));
        }
        tell_of_mending(context, &self.file, changed.healed, self.dry_run);
        let (file, dry_run) = (self.file.into(), self.dry_run);
        written(context.output.document(&Changed::<false> { file, dry_run, header: changed.into() }))
    }
}

/// Says that a slot which an interrupted run left behind is as it should be.
fn tell_of_mending(context: &Context, file: &Path, healed: bool, dry_run: bool) {
    if healed {
        let is = if dry_run { "would be" } else { "is" };
        context
            .output
            .note(&format!("the header of '{}', which was left unfinished, {is} whole", file.display()));
    }
}

fn refuse_stream(file: &Path) -> Outcome {
    if is_dash(file) { Err(no_stream("changed in place").into()) } else { Ok(()) }
}

/// Changes one file that was named itself, so that a link to it is followed.
fn rewrite(
    file: &Path,
    identities: &Identities,
    change: &RecipientChange,
    dry_run: bool,
    progress: &dyn Progress,
) -> Outcome<crate::container::Rewritten> {
    let items = ops::rewrap(vec![Found::named(file)], identities, change, dry_run, progress);
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
    file: ShownPath,
    #[serde(flatten)]
    listed: Listed,
}

/// The recipients of one file.
#[derive(Serialize)]
struct Listed {
    /// The older generation that a slot holds, where a rewrap was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_generation: Option<u64>,
    recipients: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    key_id: KeyId,
    /// What the keyring calls the key, if it knows it.
    name: Option<String>,
    state: Option<String>,
    /// Whether the keyring says that it leaked.
    compromised: bool,
    /// Whether it is one of those that an interrupted rewrap was to replace.
    stale: bool,
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let mut states: Vec<&str> = self.state.iter().map(String::as_str).collect();
        states.extend(self.compromised.then_some("compromised"));
        states.extend(self.stale.then_some("left by a rewrap"));
        let name = self.name.clone().unwrap_or_default();
        [self.kind.to_owned(), self.key_id.to_string(), name, states.join(", ")]
    }
}

impl Document for ListDocument {
    const SCHEMA: &'static str = "sealserve.model.recipient.list/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.listed.recipients.iter().map(Row::cells);
        writeln!(out, "{}", table(["KIND", "KEY ID", "NAME", "STATE"], rows))
    }
}

/// Of many files.
#[derive(Serialize)]
struct ListsDocument {
    #[serde(flatten)]
    rows: Rows<Listed>,
}

impl Document for ListsDocument {
    const SCHEMA: &'static str = "sealserve.model.recipient.list.files/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.rows.each().flat_map(|(path, listed)| {
            let recipients = listed.into_iter().flat_map(|listed| &listed.recipients);
            recipients.map(move |row| {
                let [kind, id, name, state] = row.cells();
                [kind, id, name, state, path.display().to_string()]
            })
        });
        writeln!(out, "{}", table(["KIND", "KEY ID", "NAME", "STATE", "FILE"], rows))
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        // Where there is no home, the ids are all that is known.
        let keyring = context.store().and_then(|store| store.read().map_err(Stop::from)).ok();
        let now = context.now();
        let row = |stanza: &Stanza, stale: bool| {
            let keys = keyring.iter().flat_map(|keyring| keyring.of(KeyUse::Model));
            let key = keys.into_iter().find(|key| key.kid == stanza.key_id.to_string());
            Row {
                kind: stanza.kind.name(),
                key_id: stanza.key_id,
                name: key.map(|key| key.id.clone()),
                state: key.map(|key| key.state_at(now).to_string()),
                compromised: key.is_some_and(|key| key.compromised),
                stale,
            }
        };
        let list = |path: &Path| {
            let sealed = sealed(path).map_err(answer)?;
            let header = sealed.header();
            let mut recipients: Vec<_> = header.recipients().iter().map(|one| row(one, false)).collect();
            let left = header.stale_recipients().iter();
            let left = left.filter(|one| !header.recipients().iter().any(|now| now.key_id == one.key_id));
            recipients.extend(left.map(|one| row(one, true)));
            Outcome::Ok(Listed { stale_generation: header.stale_generation(), recipients })
        };
        let Some(file) = self.inputs.only() else {
            let rows = Rows::answers(self.inputs.many().find("listed")?, list)?;
            let document = ListsDocument { rows };
            for (path, listed) in document.rows.each() {
                warn_of_stale(context, path, listed.and_then(|listed| listed.stale_generation));
            }
            let said = context.output.document(&document);
            document.rows.judge(context, "listed")?;
            return written(said);
        };
        context.check_stdin(usize::from(is_dash(file)))?;
        let listed = list(file)?;
        warn_of_stale(context, file, listed.stale_generation);
        written(context.output.document(&ListDocument { file: file.into(), listed }))
    }
}
