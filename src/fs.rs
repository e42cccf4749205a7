//! The write discipline. A file is written whole or not at all: into a nameless
//! file in the same directory, with its mode set at creation, fsync, then linked
//! or renamed into place, then fsync of the directory. After a failure nothing is
//! left behind; what a kill leaves goes with the next attempt (`temporary`). What is
//! changed in place is changed by one at a time: [`lock`].

mod atomic;
mod descriptor;
mod lock;
mod private;
mod read;
mod steady;
mod temporary;
mod tree;
mod version;

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Diagnose, shell_path};

pub use atomic::{AtomicFile, Existing, remove_same, write};
pub use descriptor::{keep_descriptor, read_descriptor, read_stdin};
pub use lock::{Access, lock};
pub use private::{
    parent_directory, private_directory, require_private_directory, require_writable,
    require_writable_directory,
};
pub use read::{open_regular, read, read_judged, read_own_secret, read_secret};
pub use steady::Steady;
pub use tree::{AtomicDirectory, open_beneath};
pub use version::FileVersion;

/// Mode of a file that holds a secret.
pub const SECRET: u32 = 0o600;
/// Mode of a file that anyone may read.
pub const PUBLIC: u32 = 0o644;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum FsError {
    #[error("cannot {action} '{}'", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("'{}' exists already", path.display())]
    Exists { path: PathBuf },
    #[error("'{}' exists already", path.display())]
    DirectoryExists { path: PathBuf },
    #[error("'{}' is no regular file", path.display())]
    NotRegular { path: PathBuf },
    #[error("'{}' is readable by others (mode {mode:04o})", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("'{}' belongs to user {owner}, who may change it", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("'{}' is replaced by others again and again", path.display())]
    Busy { path: PathBuf },
    #[error("'{}' was changed by others meanwhile", path.display())]
    Changed { path: PathBuf },
    #[error("'{}' is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

impl FsError {
    /// Adds the path and what was tried to an I/O error.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the file was simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Diagnose for FsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some("choose another path, or pass --force to replace it".into()),
            Self::DirectoryExists { .. } => {
                Some("choose another path, or remove it first: a directory is never replaced".into())
            }
            Self::Exposed { path, .. } => {
                let mode = if path.is_dir() { "700" } else { "600" };
                Some(format!(
                    "run `chmod {mode} {}`; whoever could read it may have copied it",
                    shell_path(path)
                ))
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Some("free some space; nothing was left behind".into()),
                io::ErrorKind::NotFound => Some("check the path".into()),
                io::ErrorKind::PermissionDenied => Some("check who owns the file and its directory".into()),
                _ => None,
            },
            Self::Foreign { path, .. } => {
                Some(format!("run as that user, or `chown {} {}`", own_uid(), shell_path(path)))
            }
            Self::NotRegular { .. } => Some("name a file; - stands for a standard stream".into()),
            Self::Busy { .. } | Self::Changed { .. } => {
                Some("wait until they are done, then run the command again".into())
            }
            Self::TooLarge { .. } => Some("is it the right file?".into()),
        }
    }
}

/// Reads what is at `offset` into `buffers`, one after the other, and returns how many bytes
/// that was (`preadv(2)`, which the standard library does not have yet).
pub fn read_vectored_at(file: &File, buffers: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::preadv(file, buffers, offset)?)
}

/// Writes all of `bytes` at `offset`, and makes them durable.
pub fn write_at_durably(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)?;
    file.sync_data()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
