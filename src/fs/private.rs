//! What only its owner may read or enter.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::Access;

use super::{FsError, directory_of, own_uid};

/// Makes a directory that only its owner can enter; an existing one must be so.
pub fn private_directory(path: &Path) -> Result<(), FsError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FsError::io("create directory", path))?;
    require_private_directory(path)
}

/// Makes the directory that `path` is to lie in, for its owner only, where there
/// is none.
pub fn parent_directory(path: &Path) -> Result<(), FsError> {
    let directory = directory_of(path);
    if directory.is_dir() { Ok(()) } else { private_directory(directory) }
}

/// Fails unless `path` is a directory that only its owner can enter.
pub fn require_private_directory(path: &Path) -> Result<(), FsError> {
    let metadata =
        std::fs::read_dir(path).and_then(|_| path.metadata()).map_err(FsError::io("read directory", path))?;
    require_private(path, &metadata)
}

/// Fails unless the file at `path` can be written, or made where there is none. Nothing is
/// written or made.
pub fn require_writable(path: &Path) -> Result<(), FsError> {
    let is_there = path.symlink_metadata().is_ok();
    let (what, access) = if is_there {
        (path, Access::WRITE_OK)
    } else {
        (directory_of(path), Access::WRITE_OK | Access::EXEC_OK)
    };
    rustix::fs::access(what, access).map_err(|error| FsError::io("write", path)(error.into()))
}

/// Fails unless files can be made in the directory at `path`, or the directory where there
/// is none.
pub fn require_writable_directory(path: &Path) -> Result<(), FsError> {
    if path.is_dir() { require_writable(&path.join("file")) } else { require_writable(path) }
}

/// Nobody else may read it, and nobody else but root may change its mode.
pub(super) fn require_private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), FsError> {
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if mode & 0o077 != 0 {
        return Err(FsError::Exposed { path: path.to_owned(), mode });
    }
    if owner != own_uid() && owner != 0 {
        return Err(FsError::Foreign { path: path.to_owned(), owner });
    }
    Ok(())
}
