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

/// The same of a file with a secret that was put there for this program: it may also be
/// root's, and readable by a group of this process, as Kubernetes mounts a Secret with
/// `fsGroup`. Root chose that group; this process could not narrow the mode anyway.
pub(super) fn require_secret(path: &Path, metadata: &std::fs::Metadata) -> Result<(), FsError> {
    let file = Rights { mode: metadata.mode() & 0o7777, owner: metadata.uid(), group: metadata.gid() };
    if file.are_granted(own_uid(), own_groups) { Ok(()) } else { require_private(path, metadata) }
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy)]
struct Rights {
    mode: u32,
    owner: u32,
    group: u32,
}

impl Rights {
    /// Whether root grants user `own`, who is in `groups`, the right to read, and to
    /// others than that group nothing at all.
    fn are_granted(self, own: u32, groups: impl FnOnce() -> Vec<u32>) -> bool {
        let Self { mode, owner, group } = self;
        let read_by_group_only = mode & 0o040 != 0 && mode & 0o7137 == 0;
        owner == 0 && own != 0 && read_by_group_only && groups().contains(&group)
    }
}

fn own_groups() -> Vec<u32> {
    let mut groups = vec![rustix::process::getegid().as_raw()];
    // Where the others cannot be told, there are none.
    groups.extend(
        rustix::process::getgroups().unwrap_or_default().into_iter().map(rustix::process::Gid::as_raw),
    );
    groups
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reads_a_secret_only_where_root_grants_it_to_that_group_alone() {
        let granted =
            |mode, owner, group, own| Rights { mode, owner, group }.are_granted(own, || vec![100, 2000]);
        for mode in [0o440, 0o640, 0o040] {
            assert!(granted(mode, 0, 2000, 1000) && granted(mode, 0, 100, 1000), "{mode:o}");
            // Another group, a file of one's own, of somebody else, and root itself.
            assert!(!granted(mode, 0, 3000, 1000), "{mode:o}");
            assert!(!granted(mode, 1000, 2000, 1000) && !granted(mode, 5, 2000, 1000), "{mode:o}");
            assert!(!granted(mode, 0, 2000, 0), "{mode:o}");
        }
        for mode in [0o444, 0o644, 0o660, 0o650, 0o441, 0o442, 0o540, 0o2440, 0o4440] {
            assert!(!granted(mode, 0, 2000, 1000), "{mode:o}");
        }
    }
}
