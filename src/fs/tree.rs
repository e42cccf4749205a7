//! Directories by the same discipline: filled beside their place, then renamed
//! into it. After a failure nothing is left; a kill may leave the half-filled
//! `.NAME.tmp-*`, since a directory cannot be nameless.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags};

use super::{FsError, SECRET, directory_of, sync_directory, temporary_name};

/// Mode of a directory that only its owner can enter.
const PRIVATE: u32 = 0o700;

/// A directory that appears under its name only when it is complete. It never
/// takes the place of anything.
#[derive(Debug)]
pub struct AtomicDirectory {
    path: PathBuf,
    /// Where it is filled; empty once it is committed.
    temporary: PathBuf,
}

impl AtomicDirectory {
    /// Begins a directory that [`commit`](Self::commit) will put at `path`.
    pub fn create(path: &Path) -> Result<Self, FsError> {
        if path.symlink_metadata().is_ok() {
            return Err(FsError::DirectoryExists { path: path.to_owned() });
        }
        let temporary = temporary_name(path);
        DirBuilder::new().mode(PRIVATE).create(&temporary).map_err(FsError::io("create directory", path))?;
        Ok(Self { path: path.to_owned(), temporary })
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
        let renamed =
            match rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
                // A file system that does not know the flag; rename(2) replaces nothing but
                // an empty directory then.
                Err(rustix::io::Errno::INVAL) => std::fs::rename(&self.temporary, &self.path),
                other => other.map_err(io::Error::from),
            };
        renamed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FsError::DirectoryExists { path: self.path.clone() },
            _ => FsError::io("create directory", &self.path)(source),
        })?;
        self.temporary = PathBuf::new();
        sync_directory(&self.path)
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

/// Opens the regular file at `path`, of which the last part is no symbolic link.
pub fn open_regular(path: &Path) -> Result<File, FsError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file =
        File::options().read(true).custom_flags(flags).open(path).map_err(FsError::io("read", path))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(FsError::NotRegular { path: path.to_owned() }),
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
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_regular(&file).is_ok());
        assert!(open_regular(&link).is_err());
        assert!(open_regular(dir.path()).is_err());
    }
}
