//! `model reencrypt`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::files::{Files, Rows};
use super::io::{is_dash, no_stream, one_header, require_free};
use super::keys::check_sources;
use super::recipients::Recovery;
use super::rewrap_keys::{NewKeys, NewRow, OldKeys, warn_of_origin};
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::KeyId;
use crate::ops::{self, Payloads, Reencrypted};
use crate::output::{Document, ShownPath};

/// Encrypt files again with new data keys, as is necessary when a key has leaked
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model reencrypt models/                     # for the active key
  sealserve model reencrypt --key-file old.key --new-key-file new.key digits.sealed
  sealserve model reencrypt big.sealed --payload big.1 --new-payload big.2   # a header alone

Each file is replaced at once when all of it is authentic and written; nothing in the clear
touches the disk. The new file has a new data key and a new artifact id, is sealed for the new
recipients alone (with a key of the home, also for its recovery recipients), and keeps name,
version, time of the first sealing, mode and owner. It keeps no signature record, since those
vouch for the old payload: sign it again. Older copies (backups, snapshots, other hard links)
still open with the old key. A key in any state, compromised ones included, may open the files
for this.

A header that stands alone gets a new payload, which is complete before the header is replaced.
The old payload stays until you remove it, unless --remove-payload does.")]
pub(super) struct Reencrypt {
    #[command(flatten)]
    files: Files,
    /// The payload of a detached header
    #[arg(long, value_name = "FILE", requires = "new_payload")]
    payload: Option<PathBuf>,
    /// Write the new payload of that header to this file
    #[arg(long, value_name = "FILE", requires = "payload")]
    new_payload: Option<PathBuf>,
    /// Remove the old payload when the new header is in place
    #[arg(long, requires = "payload")]
    remove_payload: bool,
    #[command(flatten)]
    old: OldKeys,
    #[command(flatten)]
    new: NewKeys,
    #[command(flatten)]
    recovery: Recovery,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct ReencryptDocument {
    new_recipients: Vec<NewRow>,
    #[serde(flatten)]
    rows: Rows<ReencryptedDocument>,
}

#[derive(Serialize)]
struct ReencryptedDocument {
    old_artifact_id: String,
    /// None after a dry run.
    artifact_id: Option<String>,
    recipients: Vec<KeyId>,
    removed: Vec<KeyId>,
    signatures_dropped: usize,
    other_links: u64,
    owner_kept: bool,
    of_unknown_origin: bool,
    /// The old payload, which belongs to no header any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_payload: Option<ShownPath>,
}

impl From<Reencrypted> for ReencryptedDocument {
    fn from(report: Reencrypted) -> Self {
        Self {
            old_artifact_id: report.old_artifact_id,
            artifact_id: report.artifact_id,
            recipients: report.recipients,
            removed: report.removed,
            signatures_dropped: report.signatures_dropped,
            other_links: report.other_links,
            owner_kept: report.owner_kept,
            of_unknown_origin: report.of_unknown_origin,
            stale_payload: report.stale_payload.map(ShownPath::from),
        }
    }
}

impl Document for ReencryptDocument {
    const SCHEMA: &'static str = "sealserve.model.reencrypt/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows.text(out)
    }
}

impl Reencrypt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        check_sources(self.old.sources().chain(self.new.sources()), context, self.files.stdin_readers())?;
        let (old, (mut new, of_home)) =
            (self.old.read(context)?, self.new.read(context, self.old.command())?);
        if of_home {
            self.recovery.add(context, &mut new)?;
        }
        // A rewrap may have come first.
        let identities = old.or_done(&new);
        let payloads = self.payloads()?;
        let files = self.files.find("encrypted again in place")?;
        let progress = context.output.progress("encrypting again");
        let items = ops::reencrypt(files, payloads, &identities, &new, self.dry_run, &progress);
        drop(progress);
        let rows = Rows::new(items, self.dry_run, ReencryptedDocument::from);
        let document = ReencryptDocument { new_recipients: new.iter().map(NewRow::from).collect(), rows };
        for (path, file) in document.rows.done() {
            warn(context, &path.display().to_string(), file);
            if let Some(new) = self.new_payload.as_deref().filter(|_| !self.dry_run) {
                tell_of_payloads(context, path, new, file.stale_payload.as_deref());
            }
        }
        warn_of_origin(context, document.rows.those(|file| file.of_unknown_origin));
        let said = context.output.document(&document);
        document.rows.conclude(context, "encrypted again")?;
        written(said)
    }
}

impl Reencrypt {
    fn payloads(&self) -> Outcome<Option<Payloads<'_>>> {
        let Some((old, new)) = self.payload.as_deref().zip(self.new_payload.as_deref()) else {
            return Ok(None);
        };
        if is_dash(old) || is_dash(new) {
            return Err(no_stream("encrypted again in place").into());
        }
        if !self.files.is_one() {
            return Err(one_header("encrypted again").into());
        }
        require_free(new)?;
        Ok(Some(Payloads { old, new, remove_old: self.remove_payload }))
    }
}

/// Says which payload counts now.
fn tell_of_payloads(context: &Context, header: &Path, new: &Path, stale: Option<&Path>) {
    let (header, new) = (header.display(), new.display());
    context.output.note(&format!(
        "the payload of '{header}' is '{new}' now; where sealserve.toml names the old one, change `payload`"
    ));
    if let Some(stale) = stale {
        context.output.warn(&format!(
            "'{}' belongs to no header any more, but a copy of the old one still opens it: remove it and its copies",
            stale.display()
        ));
    }
}

/// Says what is not as it was, beyond what was asked for.
fn warn(context: &Context, path: &str, file: &ReencryptedDocument) {
    let warn = |what: String| context.output.warn(&what);
    if file.signatures_dropped > 0 {
        warn(format!(
            "'{path}' had {} signature(s), which vouched for the old payload; sign it again",
            file.signatures_dropped
        ));
    }
    if file.other_links > 0 {
        warn(format!("'{path}' had {} other name(s), which still lead to the old file", file.other_links));
    }
    if !file.owner_kept {
        warn(format!("'{path}' belongs to whoever ran this now: only root may give it back"));
    }
}
