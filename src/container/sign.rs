//! Signing a file that is there.

use std::path::Path;

use super::error::ContainerError;
use super::ids::{ArtifactId, SignerId};
use super::open::Sealed;
use super::recipients::KeySource;
use super::rewrite::Rewrite;
use super::signature::Signer;
use crate::progress::Progress;

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The file's id.
    pub artifact_id: ArtifactId,
    /// Whether the header was rewritten, or would be: not where all signatures were
    /// there before, which are the same each time.
    pub changed: bool,
    /// Its new generation.
    pub generation: u64,
    /// Everyone who has signed it by now; only the new signatures were verified.
    pub signers: Vec<SignerId>,
    /// Bytes of plaintext that were read.
    pub plaintext_bytes: u64,
}

/// Signs the file at `path`: reads and authenticates all of it, then writes a
/// record for each of `signers` into its header, unless this is a `dry_run`. An older
/// record of the same signer is replaced. Where the file is a header that stands alone, `payload` is what
/// belongs to it.
pub fn sign(
    path: &Path,
    keys: &(impl KeySource + ?Sized),
    signers: &[Signer],
    payload: Option<&Path>,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Signed, ContainerError> {
    let mut rewrite = Rewrite::begin(path, keys, progress)?;
    let (statement, plaintext_bytes) = match payload {
        None => rewrite.state(progress)?,
        // The lock is held: what stands there is what was opened.
        Some(payload) => Sealed::open_detached(path, payload)?.unlock(keys)?.state(progress)?,
    };
    let before = rewrite.body().clone();
    let mut body = before.clone();
    let ids: Vec<_> = signers.iter().map(Signer::id).collect();
    let records: Vec<_> = signers.iter().map(|signer| signer.sign(&statement)).collect();
    let signed = records.iter().all(|record| before.signatures.contains(record));
    let changed = !(signed && rewrite.is_whole());
    if !signed {
        body.signatures.retain(|record| !ids.contains(&record.signer));
        body.signatures.extend(records);
    }
    let all = body.signatures.iter().map(|record| record.signer).collect();
    let artifact_id = rewrite.artifact_id();
    let generation = match (changed, dry_run) {
        (false, _) => before.generation,
        (true, true) => rewrite.rehearse(body)?,
        (true, false) => rewrite.commit(body)?,
    };
    Ok(Signed { artifact_id, changed, generation, signers: all, plaintext_bytes })
}
