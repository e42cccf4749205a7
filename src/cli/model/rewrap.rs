//! `model rewrap`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::files::{Files, Rows};
use super::keys::check_sources;
use super::rewrap_keys::{self, NewKeys, NewRow, OldKeys};
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::{Kek, KeyId, Recipient, RecipientChange, Rewritten};
use crate::ops;
use crate::output::Document;

/// Re-wrap data keys for new recipients; the payload is untouched
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model rewrap models/                     # from every key of the home to the active one
  sealserve model rewrap --key model-1 models/       # from one key, also a retired or revoked one
  sealserve model rewrap --key-file old.key --new-key-file new.key digits.sealed
  sealserve model rewrap --passphrase old --ask-new-passphrase digits.sealed
  sealserve model rewrap --unwrap-command ./kms --command-key 2025 \\
      --wrap-command ./kms --new-command-key 2026 models/
  find /srv -name '*.sealed' -print0 | sealserve model rewrap --files0-from -

The data key of a file stays the same. Whoever had the old key and any copy of the file may know
it, so for a key that leaked this is not enough: use `sealserve model reencrypt`. A key that was
revoked opens nothing else, and may be named here to move files off it; one that was revoked as
compromised is refused, unless --rewrap-only --insecure, and so is every key where the keyring of
the home does not open.

Recipients that no option names stay. Files that are done are skipped, so an interrupted run is
simply run again. Of those that nothing here opens any more (they are for age or a command now),
their headers tell; where something does, the data key is wrapped for age or a command again.
That also mends a header slot that was torn, with the same key as --key-file and --new-key-file
where no recipient shall change.")]
pub(super) struct Rewrap {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    old: OldKeys,
    #[command(flatten)]
    new: NewKeys,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Re-wrap files of a leaked key too, although their data keys may be known
    #[arg(long = "rewrap-only", requires = "insecure")]
    leaked_too: bool,
    /// Confirm --rewrap-only
    #[arg(long, requires = "leaked_too")]
    insecure: bool,
}

#[derive(Serialize)]
struct RewrapDocument {
    new_recipients: Vec<NewRow>,
    #[serde(flatten)]
    rows: Rows<RewrittenDocument>,
}

/// What became of a file's header.
#[derive(Serialize)]
pub(super) struct RewrittenDocument {
    generation: u64,
    added: Vec<KeyId>,
    removed: Vec<KeyId>,
    recipients: Vec<KeyId>,
    /// Whether a header slot that was torn or left behind is whole again.
    healed: bool,
    /// Names of the file; all of them show the change.
    links: u64,
    /// Whether a server demands no signature of it any more, though nothing here shows
    /// who made it.
    pub(super) of_unknown_origin: bool,
    /// Not, where nothing opened the file, and its header says that all was done before.
    authentic: bool,
}

impl From<Rewritten> for RewrittenDocument {
    fn from(rewritten: Rewritten) -> Self {
        Self {
            generation: rewritten.generation,
            added: rewritten.added,
            removed: rewritten.removed,
            recipients: rewritten.recipients.into_iter().map(|recipient| recipient.key_id).collect(),
            healed: rewritten.healed,
            links: rewritten.links,
            of_unknown_origin: rewritten.of_unknown_origin,
            authentic: rewritten.authentic,
        }
    }
}

impl Document for RewrapDocument {
    const SCHEMA: &'static str = "sealserve.model.rewrap/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows.text(out)
    }
}

impl Rewrap {
    pub(super) fn run(self, context: &Context) -> Outcome {
        check_sources(self.old.sources().chain(self.new.sources()), context, self.files.stdin_readers())?;
        let (mut old, (new, _)) = (self.old.read(context)?, self.new.read(context, self.old.command())?);
        let leaked = std::mem::replace(&mut old.leaked, Ok(Vec::new()));
        let leaked = if self.leaked_too { Vec::new() } else { leaked? };
        let change = self.change(&old.identities.keys, leaked, new)?;
        let identities = old.or_done(&change.add);
        let files = self.files.find("rewrapped")?;
        let progress = context.output.progress("rewrapping").of_files();
        let items = ops::rewrap(files, &identities, &change, self.dry_run, &progress);
        drop(progress);
        let rows = Rows::new(items, self.dry_run, RewrittenDocument::from);
        let document = RewrapDocument { new_recipients: change.add.iter().map(NewRow::from).collect(), rows };
        let said = context.output.document(&document);
        let told = document.rows.each().filter(|(_, file)| file.is_some_and(|file| !file.authentic)).count();
        if told > 0 {
            context
                .output
                .note(&format!("skipped unopened: {told}; that they are done is what their headers say"));
        }
        rewrap_keys::warn_of_origin(context, document.rows.those(|file| file.of_unknown_origin));
        document.rows.conclude(context, "rewrapped")?;
        written(said)
    }

    fn change(&self, old: &[Kek], leaked: Vec<KeyId>, add: Vec<Recipient>) -> Outcome<RecipientChange> {
        let named = self.old.are_named();
        let stays = |id: &KeyId| add.iter().any(|new| new.key_id() == Some(*id));
        let remove: Vec<KeyId> = old.iter().map(Kek::id).filter(|id| !stays(id)).collect();
        match leaked.iter().find(|id| named && remove.contains(id)) {
            Some(id) => Err(rewrap_keys::leaked(id).into()),
            None => Ok(RecipientChange { add, remove, remove_identities: true, leaked }),
        }
    }
}
