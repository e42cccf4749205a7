//! A model of several files, as one plaintext: an uncompressed tar in one form
//! and no other, so that the same files give the same bytes, and what is read is
//! what would have been written. `docs/file-format.md` describes it.
//!
//! What must always hold:
//! - Members are regular files below one directory: no links, no devices, no way
//!   out of it, no two names that a file system could take for one.
//! - The last entry is the [`Manifest`], and what it promises was there.
//! - Memory is constant, whatever the length of the members: what grows with their number
//!   has a bound, by that and by the length and the parts of their names.

mod block;
mod case_fold;
mod list;
mod manifest;
mod memory;
mod name;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use list::{PlainAt, list};
pub use manifest::{Manifest, Member};
pub use memory::Contents;
pub use name::{MANIFEST, check_name};
pub use read::{Nowhere, Reader, Receive};
pub use write::Writer;

/// Media type of a model of several files.
pub const TAR: &str = "application/x-tar";

/// Most members of an archive, the manifest not counted.
pub const MAX_MEMBERS: usize = 10_000;

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ArchiveFault {
    #[error("the archive's header at byte {at} has a wrong checksum")]
    Checksum { at: u64 },
    #[error("the archive's header at byte {at} is not in the form that sealed archives have: {what}")]
    Form { at: u64, what: &'static str },
    #[error("archive member '{name}' is {kind}, not a regular file")]
    Kind { name: String, kind: &'static str },
    #[error("archive member '{name}' {why}")]
    Name { name: String, why: &'static str },
    #[error("archive member '{name}' is there twice, or not in order")]
    Order { name: String },
    #[error("archive members '{name}' and '{other}' could be one file")]
    Collision { name: String, other: String },
    #[error("the archive has more than {MAX_MEMBERS} members")]
    TooMany,
    #[error("archive member '{name}' is larger than what is left of the archive")]
    TooLarge { name: String },
    #[error("the archive is cut short")]
    Truncated,
    #[error("the archive goes on after its end")]
    Trailing,
    #[error("the padding after archive member '{name}' is not zero")]
    Padding { name: String },
    #[error("the archive has no manifest")]
    NoManifest,
    #[error("the archive's manifest is malformed: {0}")]
    Manifest(String),
    #[error("the archive's manifest promises other members than it has: '{0}'")]
    Mismatch(String),
    #[error("archive member '{0}' has not the SHA-256 that the manifest promises")]
    Digest(String),
}
