//! Rotating the keys of many model files. Each file is an item of the report: one
//! that fails does not keep the others from being done.

use std::path::{Path, PathBuf};

use super::files::Found;
use crate::container::{
    ContainerError, KeyId, KeySource, Named, RecipientChange, Rewrite, Rewritten, Sealed, Wrapper,
};
use crate::fs::{self, Access, AtomicFile, Existing, FsError, Moment};
use crate::progress::Progress;

/// What became of one file.
#[derive(Debug)]
pub struct Item<T> {
    /// Which file.
    pub path: PathBuf,
    /// What was done, or why not.
    pub outcome: Outcome<T>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It was done.
    Done(T),
    /// There was nothing to do.
    Skipped(T),
    /// It is a symbolic link below a directory, and was left alone.
    Link,
    /// It could not be done.
    Failed(ContainerError),
}

/// Changes the recipients of `files`; `keys` open them. `progress` hears of files.
pub fn rewrap(
    files: Vec<Found>,
    keys: &(impl KeySource + ?Sized),
    change: &RecipientChange,
    dry_run: bool,
    progress: &dyn Progress,
) -> Vec<Item<Rewritten>> {
    progress.total(files.len() as u64);
    let each = |path: &Path| {
        let rewritten = Rewrite::recipients(path, keys, change, dry_run, progress)?;
        Ok(if rewritten.changed { Outcome::Done(rewritten) } else { Outcome::Skipped(rewritten) })
    };
    items(files, each, |_| progress.advance(1))
}

/// A file that was encrypted again.
#[derive(Debug)]
pub struct Reencrypted {
    /// The id that it had.
    pub old_artifact_id: String,
    /// The id that it has; none after a dry run.
    pub artifact_id: Option<String>,
    /// Who can open it now.
    pub recipients: Vec<KeyId>,
    /// Who could, and no longer can.
    pub removed: Vec<KeyId>,
    /// Signature records, which vouched for the old payload only.
    pub signatures_dropped: usize,
    /// Other names of the old file, which still lead to it.
    pub other_links: u64,
    /// Whether the new file belongs to whom the old one did.
    pub owner_kept: bool,
}

/// Encrypts `files` again for `recipients`; `keys` open them. `progress` hears of
/// bytes of plaintext.
pub fn reencrypt(
    files: Vec<Found>,
    keys: &(impl KeySource + ?Sized),
    recipients: &[Wrapper],
    dry_run: bool,
    progress: &dyn Progress,
) -> Vec<Item<Reencrypted>> {
    let size = |found: &Found| match found {
        Found::File(path) => path.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    progress.total(files.iter().map(size).sum());
    let each =
        |path: &Path| reencrypt_one(path, keys, recipients, dry_run, &Part(progress)).map(Outcome::Done);
    items(files, each, |_| ())
}

fn items<T>(
    files: Vec<Found>,
    each: impl Fn(&Path) -> Result<Outcome<T>, ContainerError>,
    done: impl Fn(&Path),
) -> Vec<Item<T>> {
    let item = |found| {
        let (path, outcome) = match found {
            Found::File(path) => {
                let outcome = each(&path).unwrap_or_else(Outcome::Failed);
                (path, outcome)
            }
            Found::Link(path) => (path, Outcome::Link),
            Found::Failed(path, error) => (path, Outcome::Failed(error.into())),
        };
        done(&path);
        Item { path, outcome }
    };
    files.into_iter().map(item).collect()
}

/// The old file keeps its lock until the new one has its name, so that nobody
/// rewrites the header of a file that is about to go.
fn reencrypt_one(
    path: &Path,
    keys: &(impl KeySource + ?Sized),
    recipients: &[Wrapper],
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Reencrypted, ContainerError> {
    let turn = fs::turn(path, Access::Replace, progress)?;
    let metadata = turn.metadata().map_err(FsError::io("read", path))?;
    let file = turn.try_clone().map_err(FsError::io("read", path))?;
    let unlocked = Sealed::of(path, file)?.unlock(keys)?;
    let header = unlocked.header();
    if header.is_detached() {
        return Err(ContainerError::NotInPlace { name: path.to_string_lossy().into_owned() });
    }
    let mut report = Reencrypted {
        old_artifact_id: header.artifact_id().to_string(),
        artifact_id: None,
        recipients: recipients.iter().filter_map(Wrapper::key_id).collect(),
        removed: header.recipients().iter().map(|recipient| recipient.key_id).collect(),
        signatures_dropped: header.signatures().len(),
        other_links: std::os::unix::fs::MetadataExt::nlink(&metadata).saturating_sub(1),
        owner_kept: true,
    };
    report.removed.retain(|id| !report.recipients.contains(id));
    if dry_run {
        return Ok(report);
    }
    let mut new = AtomicFile::create(path, fs::SECRET, Existing::Replace)?;
    let output = Named::new(path.to_string_lossy(), &mut new);
    let summary = unlocked.reseal(output, recipients, progress)?;
    report.owner_kept = new.take_after(&metadata)?;
    // Programs that keep to no lock may have put another file there meanwhile.
    Moment::of(&metadata).require_same(path, &turn)?;
    new.commit()?;
    drop(turn);
    report.recipients = summary.recipients.iter().map(|recipient| recipient.key_id).collect();
    report.artifact_id = Some(summary.artifact_id.to_string());
    Ok(report)
}

/// One file's share of a larger progress, whose total is known.
struct Part<'a>(&'a dyn Progress);

impl Progress for Part<'_> {
    fn total(&self, _: u64) {}

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn waiting(&self, path: &Path) {
        self.0.waiting(path);
    }
}
