//! Rotating the keys of many model files. Each file is an item of the report: one
//! that fails does not keep the others from being done.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::Found;
use crate::container::{
    ContainerError, KeyId, KeySource, Named, Recipient, RecipientChange, Rewrite, Rewritten, Sealed,
    SignaturePolicy, Signed, Signer, Summary, Unlocked, sign as sign_file,
};
use crate::fs::{self, Access, AtomicFile, Existing, FileVersion, FsError};
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
pub enum Outcome<T, E = ContainerError> {
    /// It was done.
    Done(T),
    /// There was nothing to do.
    Skipped(T),
    /// It is a symbolic link below a directory, and was left alone.
    Link,
    /// It could not be done.
    Failed(E),
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

/// Signs `files`, each of them or its `payload` read wholly; `keys` open them. `progress`
/// hears of bytes.
pub fn sign(
    files: Vec<Found>,
    keys: &(impl KeySource + ?Sized),
    signers: &[Signer],
    payload: Option<&Path>,
    dry_run: bool,
    progress: &dyn Progress,
) -> Vec<Item<Signed>> {
    progress.total(payload.map_or_else(|| total(&files), length));
    let each = |path: &Path| {
        let signed = sign_file(path, keys, signers, payload, dry_run, &Part(progress))?;
        Ok(if signed.changed { Outcome::Done(signed) } else { Outcome::Skipped(signed) })
    };
    items(files, each, |_| ())
}

/// The payload of a header that stands alone, and the one that is to be made: a payload
/// belongs to one header, so a new header needs another.
#[derive(Debug, Clone, Copy)]
pub struct Payloads<'a> {
    /// The one that is there.
    pub old: &'a Path,
    /// Where the new one goes; nothing may be there.
    pub new: &'a Path,
    /// Whether the old one is removed, once the new header is in place.
    pub remove_old: bool,
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
    /// Whether a server demands no signature of it any more, though nothing here shows who
    /// made it: what opened it is public, and who it is for now is not.
    pub of_unknown_origin: bool,
    /// Whether the new file belongs to whom the old one did.
    pub owner_kept: bool,
    /// The payload that belongs to no header any more, if it is still there.
    pub stale_payload: Option<PathBuf>,
}

/// Encrypts `files` again for `recipients`; `keys` open them. A header that stands alone
/// is the only one, and `payloads` are its own. `progress` hears of bytes of plaintext.
pub fn reencrypt(
    files: Vec<Found>,
    payloads: Option<Payloads<'_>>,
    keys: &(impl KeySource + ?Sized),
    recipients: &[Recipient],
    dry_run: bool,
    progress: &dyn Progress,
) -> Vec<Item<Reencrypted>> {
    progress.total(payloads.map_or_else(|| total(&files), |payloads| length(payloads.old)));
    let each = |path: &Path| {
        reencrypt_one(path, payloads, keys, recipients, dry_run, &Part(progress)).map(Outcome::Done)
    };
    items(files, each, |_| ())
}

/// Bytes of all `files`, as far as they can be looked at.
pub fn total(files: &[Found]) -> u64 {
    let size = |found: &Found| match found {
        Found::File(path) => length(path),
        _ => 0,
    };
    files.iter().map(size).sum()
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
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
    payloads: Option<Payloads<'_>>,
    keys: &(impl KeySource + ?Sized),
    recipients: &[Recipient],
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Reencrypted, ContainerError> {
    let locked = fs::lock(path, Access::Replace, progress)?;
    let metadata = locked.metadata().map_err(FsError::io("read", path))?;
    let file = locked.try_clone().map_err(FsError::io("read", path))?;
    let sealed = Sealed::of(path, file)?;
    let old_payload = payloads.map(|payloads| fs::open_regular(payloads.old)).transpose()?;
    let sealed = match payloads.zip(old_payload.as_ref()) {
        None if sealed.header().is_detached() => {
            return Err(ContainerError::NotInPlace { name: path.to_string_lossy().into_owned() });
        }
        None => sealed,
        Some((payloads, file)) => {
            let read = || FsError::io("read", payloads.old);
            let length = file.metadata().map_err(read())?.len();
            let file = Named::new(payloads.old.to_string_lossy(), file.try_clone().map_err(read())?);
            sealed.attach(file, Some(length))?
        }
    };
    let unlocked = sealed.unlock(keys)?;
    let header = unlocked.header();
    let mut report = Reencrypted {
        old_artifact_id: header.artifact_id().to_string(),
        artifact_id: None,
        recipients: recipients.iter().filter_map(Recipient::key_id).collect(),
        removed: header.recipients().iter().map(|recipient| recipient.key_id).collect(),
        signatures_dropped: header.signatures().len(),
        other_links: metadata.nlink().saturating_sub(1),
        of_unknown_origin: false,
        owner_kept: true,
        stale_payload: payloads.map(|payloads| payloads.old.to_owned()),
    };
    let policy = SignaturePolicy::default();
    report.of_unknown_origin =
        policy.demands(unlocked.kind()) && recipients.iter().any(|new| !policy.demands(new.kind()));
    report.removed.retain(|id| !report.recipients.contains(id));
    // Said before anything is read, and to who only asks, too.
    let new_payload = payloads.map(|payloads| AtomicFile::create(payloads.new, fs::SECRET, Existing::Refuse));
    let new_payload = new_payload.transpose()?;
    if dry_run {
        return Ok(report);
    }
    let mut new = AtomicFile::create(path, fs::SECRET, Existing::Replace)?;
    let summary = match payloads.zip(new_payload) {
        None => {
            let output = Named::new(path.to_string_lossy(), &mut new);
            let summary = unlocked.reencrypt(output, recipients, progress)?;
            report.owner_kept = new.take_after(&metadata)?;
            // Programs that keep to no lock may have put another file there meanwhile.
            FileVersion::of(&metadata).require_same(path, &locked)?;
            new.commit()?;
            summary
        }
        Some((payloads, payload)) => {
            let header = (new, path, &locked, &metadata);
            let (summary, owner_kept) =
                replace_both(unlocked, header, payloads, payload, recipients, progress)?;
            report.owner_kept = owner_kept;
            if payloads.remove_old && old_payload.is_some_and(|file| remove_wholly(payloads.old, &file)) {
                report.stale_payload = None;
            }
            summary
        }
    };
    drop(locked);
    report.recipients = summary.recipients.iter().map(|recipient| recipient.key_id).collect();
    report.artifact_id = Some(summary.artifact_id.to_string());
    Ok(report)
}

/// Removes the name `path` of `file`, if its content goes with that: not where a link
/// leads to it, or it has other names. Returns whether it is gone.
fn remove_wholly(path: &Path, file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 1)
        && fs::remove_same(path, file).is_ok_and(|removed| removed)
}

/// Writes a new header and its payload, and gives them their names: first the payload,
/// which nobody looks for yet, then at once the header in the place of the old one. At
/// every instant the header that is there has its payload.
fn replace_both(
    unlocked: Unlocked<File>,
    (mut header, path, locked, old): (AtomicFile, &Path, &File, &Metadata),
    payloads: Payloads<'_>,
    mut payload: AtomicFile,
    recipients: &[Recipient],
    progress: &dyn Progress,
) -> Result<(Summary, bool), ContainerError> {
    let summary = unlocked.reencrypt_detached(
        Named::new(path.to_string_lossy(), &mut header),
        Named::new(payloads.new.to_string_lossy(), &mut payload),
        recipients,
        progress,
    )?;
    let old_payload = payloads.old.metadata().map_err(FsError::io("read", payloads.old))?;
    let owner_kept = payload.take_after(&old_payload)? & header.take_after(old)?;
    FileVersion::of(old).require_same(path, locked)?;
    payload.commit_before(header)?;
    Ok((summary, owner_kept))
}

/// One file's share of a larger progress, whose total is known.
#[derive(Clone, Copy)]
pub struct Part<'a>(pub &'a dyn Progress);

impl Progress for Part<'_> {
    fn total(&self, _: u64) {}

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn waiting(&self, path: &Path) {
        self.0.waiting(path);
    }
}
