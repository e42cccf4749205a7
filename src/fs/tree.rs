//! Directories by the same discipline: filled beside their place, then renamed
//! into it. After a failure nothing is left; a kill leaves the half-filled
//! `.NAME.tmp-*`, since a directory cannot be nameless, until the next attempt.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::atomic::{open_directory, rename_new, sync_directory};
use super::{FsError, SECRET, directory_of, temporary};

/// Mode of a directory that only its owner can enter.
const PRIVATE: u32 = 0o700;

/// A directory that appears under its name only when it is complete. It never
/// takes the place of anything.
#[derive(Debug)]
pub struct AtomicDirectory {
    path: PathBuf,
    /// Where it is filled; empty once it is committed.
    temporary: PathBuf,
    /// Where it appears, to be made durable.
    parent: File,
    /// Held for as long as it is filled: what has no lock was left by someone who was killed.
    _lock: File,
}

impl AtomicDirectory {
    /// Begins a directory that [`commit`](Self::commit) will put at `path`.
    pub fn create(path: &Path) -> Result<Self, FsError> {
        if path.symlink_metadata().is_ok() {
            return Err(FsError::DirectoryExists { path: path.to_owned() });
        }
        temporary::sweep(path);
        let parent = open_directory(path)?;
        let made = temporary::under_free_name(path, |name| {
            DirBuilder::new().mode(PRIVATE).create(name)?;
            // What a sweeper took at once counts as taken: another name will do.
            let taken = |error: io::Error| match error.kind() {
                io::ErrorKind::NotFound => io::ErrorKind::AlreadyExists.into(),
                _ => error,
            };
            File::open(name).map_err(taken).and_then(|directory| temporary::hold(directory, name))
        });
        let (lock, temporary) = made.map_err(FsError::io("create directory", path))?;
        Ok(Self { path: path.to_owned(), temporary, parent, _lock: lock })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file `name` in it, and the directories that lead there. `name` is
    /// relative and leads nowhere else: that is for the caller to know.
    pub fn file(&self, name: &str) -> Result<File, FsError> {
        let path = self.temporary.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(directory_of(&path))
            .and_then(|()| File::options().write(true).create_new(true).mode(SECRET).open(&path))
            .map_err(FsError::io("create", self.path.join(name)))
    }

    /// Makes the directory durable and gives it its name. Its files were synced by
    /// who wrote them.
    pub fn commit(mut self) -> Result<(), FsError> {
        sync_below(&self.temporary).map_err(FsError::io("write", &self.path))?;
        // rename(2) replaces nothing but an empty directory.
        let renamed = rename_new(&self.temporary, &self.path)
            .unwrap_or_else(|| std::fs::rename(&self.temporary, &self.path));
        renamed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FsError::DirectoryExists { path: self.path.clone() },
            _ => FsError::io("create directory", &self.path)(source),
        })?;
        self.temporary = PathBuf::new();
        sync_directory(&self.parent, &self.path)
    }
}

impl Drop for AtomicDirectory {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.temporary);
        }
    }
}

fn sync_below(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_below(&entry.path())?;
        }
    }
    File::open(directory)?.sync_all()
}

/// Opens the regular file `name`, which is relative, below the directory `base`. No
/// part of `name` may be a symbolic link, also not one that took the place of a
/// directory since somebody looked.
pub fn open_beneath(base: &Path, name: &str) -> Result<File, FsError> {
    let path = base.join(name);
    let open = |directory: BorrowedFd<'_>, part: &Path, flags: OFlags| {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(directory, part, flags, Mode::empty())
            .map_err(|error| FsError::io("read", &path)(error.into()))
    };
    let start = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let mut directory: OwnedFd = File::open(start).map_err(FsError::io("read", &path))?.into();
    let relative = Path::new(name);
    for part in relative.parent().into_iter().flat_map(Path::iter) {
        directory = open(directory.as_fd(), Path::new(part), OFlags::DIRECTORY)?;
    }
    let last = Path::new(relative.file_name().unwrap_or_default());
    let file = File::from(open(directory.as_fd(), last, OFlags::NONBLOCK)?);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(FsError::NotRegular { path }),
        Err(error) => Err(FsError::io("read", path)(error)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that this module must cope with")]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_directory_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tree = AtomicDirectory::create(&dir.path().join("out")).unwrap();
        tree.file("a/b/c").unwrap().write_all(b"half").unwrap();
        drop(tree);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_committed_directory_is_private_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let [first, second] = [(); 2].map(|()| AtomicDirectory::create(&out).unwrap());
        first.file("a/b").unwrap().write_all(b"x").unwrap();
        assert!(first.file("a/b").is_err());
        first.commit().unwrap();
        for (path, mode) in [("", 0o700), ("a", 0o700), ("a/b", 0o600)] {
            assert_eq!(out.join(path).metadata().unwrap().mode() & 0o777, mode, "{path}");
        }
        assert!(matches!(second.commit(), Err(FsError::DirectoryExists { .. })));
        assert!(matches!(AtomicDirectory::create(&out), Err(FsError::DirectoryExists { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_regular_files_are_opened_and_no_link_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("base/sub/deep")).unwrap();
        std::fs::create_dir(path("elsewhere")).unwrap();
        for name in ["base/file", "base/sub/deep/file", "elsewhere/file"] {
            std::fs::write(path(name), b"x").unwrap();
        }
        for (to, link) in [("file", "link"), ("../elsewhere", "tree"), ("deep", "sub/twice")] {
            std::os::unix::fs::symlink(to, path("base").join(link)).unwrap();
        }
        let open = |name| open_beneath(&path("base"), name);
        assert!(open("file").is_ok() && open("sub/deep/file").is_ok());
        for name in ["link", "tree/file", "sub/twice/file", "sub", "sub/deep", "absent", "file/x"] {
            assert!(open(name).is_err(), "{name}");
        }
        // What is named by the caller may be reached by a link.
        assert!(open_beneath(&path("base/tree"), "file").is_ok());
    }
}
