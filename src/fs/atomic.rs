//! Files that appear whole or not at all.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};

use super::{FsError, directory_of, temporary};

/// Whether an existing file may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// It is replaced, atomically.
    Replace,
}

/// A file that appears under its name only when it is complete.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    path: PathBuf,
    /// Where it appears, to be made durable.
    directory: File,
    /// The temporary name, where the file system knows no nameless files.
    named: Option<PathBuf>,
    existing: Existing,
}

impl AtomicFile {
    /// Begins a file that [`commit`](Self::commit) will put at `path`.
    pub fn create(path: &Path, mode: u32, existing: Existing) -> Result<Self, FsError> {
        match path.metadata() {
            Ok(found) if found.is_dir() => return Err(FsError::DirectoryExists { path: path.to_owned() }),
            // A rename would put a file in the place of a device, such as /dev/null.
            Ok(found) if !found.is_file() => return Err(FsError::NotRegular { path: path.to_owned() }),
            _ if path.as_os_str().as_bytes().ends_with(b"/") => {
                return Err(FsError::NotRegular { path: path.to_owned() });
            }
            _ => {}
        }
        if existing == Existing::Refuse && path.symlink_metadata().is_ok() {
            return Err(FsError::Exists { path: path.to_owned() });
        }
        temporary::sweep(path);
        // One that may be written to and not read could not be made durable in the end.
        let directory = open_directory(path)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(&directory, ".", flags, Mode::from_raw_mode(mode)) {
            Ok(fd) => {
                let file = File::from(fd);
                temporary::hold_nameless(&file);
                Ok(Self { file, path: path.to_owned(), directory, named: None, existing })
            }
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
                Self::create_named(path, mode, existing, directory)
            }
            Err(error) => Err(FsError::io("create", path)(error.into())),
        }
    }

    /// The same where the file system knows no nameless files.
    fn create_named(path: &Path, mode: u32, existing: Existing, directory: File) -> Result<Self, FsError> {
        let opened = temporary::under_free_name(path, |name| {
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).mode(mode).open(name)?;
            temporary::hold(file, name)
        });
        let (file, named) = opened.map_err(FsError::io("create", path))?;
        Ok(Self { file, path: path.to_owned(), directory, named: Some(named), existing })
    }

    /// Whether it may replace another.
    pub fn existing(&self) -> Existing {
        self.existing
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `other` is to be at the same place, however both name it.
    pub fn is_same_place(&self, other: &Self) -> Result<bool, FsError> {
        let place = |file: &Self| {
            let directory = file.directory.metadata().map_err(FsError::io("read directory", &file.path))?;
            Ok((directory.dev(), directory.ino(), file.path.file_name().map(OsStr::to_owned)))
        };
        Ok(place(self)? == place(other)?)
    }

    /// The open file, for positioned writes.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it owner and mode of the file that it is to replace. Returns whether
    /// the owner could be kept; only root may give files away.
    pub fn take_after(&self, old: &Metadata) -> Result<bool, FsError> {
        let owner = fchown(&self.file, Some(old.uid()), Some(old.gid())).is_ok();
        let group = owner || fchown(&self.file, None, Some(old.gid())).is_ok();
        // Another group than the old one's gains nothing.
        let mode = if group { 0o777 } else { 0o707 };
        self.file
            .set_permissions(Permissions::from_mode(old.mode() & mode))
            .map_err(FsError::io("set the mode of", &self.path))?;
        Ok(owner)
    }

    /// Makes the file durable and gives it its name.
    pub fn commit(mut self) -> Result<(), FsError> {
        self.place()
    }

    /// [Commits](Self::commit) this file and then `second`, which needs it. It goes again
    /// where `second` does not get its name.
    pub fn commit_before(mut self, mut second: Self) -> Result<(), FsError> {
        self.place()?;
        second.place().inspect_err(|_| {
            // What fails last is making the new name durable: then the first is needed.
            if !temporary::leads_to(&second.path, &second.file) {
                let _ = remove_same(&self.path, &self.file);
            }
        })
    }

    fn place(&mut self) -> Result<(), FsError> {
        self.file.sync_all().map_err(FsError::io("write", &self.path))?;
        let placed = match (self.named.take(), self.existing) {
            (None, Existing::Refuse) => self.link(&self.path),
            (None, Existing::Replace) => {
                // linkat(2) never replaces, so a name is needed for the instant before rename(2).
                temporary::under_free_name(&self.path, |name| self.link(name))
                    .and_then(|((), named)| rename_or_remove(&named, &self.path))
            }
            (Some(named), Existing::Replace) => rename_or_remove(&named, &self.path),
            (Some(named), Existing::Refuse) => {
                let placed =
                    rename_new(&named, &self.path).unwrap_or_else(|| std::fs::hard_link(&named, &self.path));
                // After a link it has two names, and after a failure a wrong one.
                let _ = std::fs::remove_file(&named);
                placed
            }
        };
        placed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FsError::Exists { path: self.path.clone() },
            _ => FsError::io("create", &self.path)(source),
        })?;
        sync_directory(&self.directory, &self.path).inspect_err(|_| {
            // Where nothing was before, nothing is left; what was replaced is gone.
            if self.existing == Existing::Refuse {
                let _ = remove_same(&self.path, &self.file);
            }
        })
    }

    fn link(&self, to: &Path) -> io::Result<()> {
        let from = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(named) = &self.named {
            let _ = std::fs::remove_file(named);
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes `bytes` to `path` atomically.
pub fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), FsError> {
    let mut file = AtomicFile::create(path, mode, existing)?;
    file.write_all(bytes).map_err(FsError::io("write", path))?;
    file.commit()
}

/// Renames, and replaces nothing. `None`: kernel or file system know no such thing.
pub(super) fn rename_new(from: &Path, to: &Path) -> Option<io::Result<()>> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => None,
        other => Some(other.map_err(io::Error::from)),
    }
}

fn rename_or_remove(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to).inspect_err(|_| {
        let _ = std::fs::remove_file(from);
    })
}

/// Opens the directory that `path` is to appear in.
pub(super) fn open_directory(path: &Path) -> Result<File, FsError> {
    let directory = directory_of(path);
    File::open(directory).map_err(FsError::io("open directory", directory))
}

/// Makes durable which names are in the `directory` of `path`.
pub(super) fn sync_directory(directory: &File, path: &Path) -> Result<(), FsError> {
    directory.sync_all().map_err(FsError::io("sync directory", directory_of(path)))
}

/// Removes the name `path` if it is still that of `file`, durably. Returns whether it was.
pub fn remove_same(path: &Path, file: &File) -> Result<bool, FsError> {
    let directory = open_directory(path)?;
    if !temporary::leads_to(path, file) {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(FsError::io("remove", path))?;
    sync_directory(&directory, path)?;
    Ok(true)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that this module must cope with")]
mod tests {
    use super::*;
    use crate::fs::SECRET;

    #[test]
    fn a_file_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut file = AtomicFile::create(&path, SECRET, Existing::Refuse).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_mode_is_set_and_existing_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        write(&path, b"one", SECRET, Existing::Refuse).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(matches!(write(&path, b"two", SECRET, Existing::Refuse), Err(FsError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(&path, b"two", SECRET, Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_loser_of_the_race_for_a_name_does_not_replace_the_winner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let file = AtomicFile::create(&path, SECRET, Existing::Refuse).unwrap();
        std::fs::write(&path, b"winner").unwrap();
        assert!(matches!(file.commit(), Err(FsError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"winner");
    }

    #[test]
    fn without_nameless_files_it_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let create =
            |directory| AtomicFile::create_named(&path, SECRET, Existing::Refuse, directory).unwrap();
        let [mut first, second] = [(); 2].map(|()| create(open_directory(&path).unwrap()));
        first.write_all(b"winner").unwrap();
        first.commit().unwrap();
        assert!(matches!(second.commit(), Err(FsError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"winner");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_needed_by_a_file_that_gets_no_name_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let [needed, needing] = ["needed", "needing"].map(|name| dir.path().join(name));
        let begin = || {
            let mut file = AtomicFile::create(&needed, SECRET, Existing::Refuse).unwrap();
            file.write_all(b"new").unwrap();
            (file, AtomicFile::create(&needing, SECRET, Existing::Refuse).unwrap())
        };
        let (first, second) = begin();
        std::fs::write(&needing, b"winner").unwrap();
        assert!(first.commit_before(second).is_err());
        assert!(!needed.exists() && std::fs::read(&needing).unwrap() == b"winner");
        // One that was replaced meanwhile is another's.
        std::fs::remove_file(&needing).unwrap();
        let (first, second) = begin();
        std::fs::write(&needed, b"winner").unwrap();
        assert!(first.commit_before(second).is_err());
        assert!(!needing.exists() && std::fs::read(&needed).unwrap() == b"winner");
        std::fs::remove_file(&needed).unwrap();
        let (first, second) = begin();
        first.commit_before(second).unwrap();
        assert!(needing.exists() && std::fs::read(&needed).unwrap() == b"new");
    }

    #[test]
    fn two_names_of_one_place_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d", dir.path().join("link")).unwrap();
        let file = |name: &str| AtomicFile::create(&dir.path().join(name), SECRET, Existing::Refuse).unwrap();
        let one = file("d/x");
        for (other, same) in [("link/x", true), ("d/../d/./x", true), ("d/y", false), ("x", false)] {
            assert_eq!(one.is_same_place(&file(other)).unwrap(), same, "{other}");
        }
    }
}
