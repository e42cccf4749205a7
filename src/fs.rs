//! The write discipline. A file is written whole or not at all: into a nameless
//! file in the same directory, with its mode set at creation, fsync, then linked
//! or renamed into place, then fsync of the directory. After a failure nothing is
//! left behind; what a kill leaves goes with the next attempt (`temporary`). What is
//! changed in place is changed by one at a time: [`turn`].

mod descriptor;
mod steady;
mod temporary;
mod tree;
mod turn;

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};

use crate::error::Diagnose;
use crate::secret::SecretBytes;

pub use descriptor::{keep_descriptor, read_descriptor, read_stdin};
pub use steady::{Moment, Steady};
pub use tree::{AtomicDirectory, open_beneath};
pub use turn::{Access, turn};

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
                    path.display()
                ))
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Some("free some space; nothing was left behind".into()),
                io::ErrorKind::NotFound => Some("check the path".into()),
                io::ErrorKind::PermissionDenied => Some("check who owns the file and its directory".into()),
                _ => None,
            },
            Self::Foreign { path, .. } => {
                Some(format!("run as that user, or `chown {} {}`", own_uid(), path.display()))
            }
            Self::NotRegular { .. } => Some("name a file; - stands for a standard stream".into()),
            Self::Busy { .. } | Self::Changed { .. } => {
                Some("wait until they are done, then run the command again".into())
            }
            Self::TooLarge { .. } => Some("is it the right file?".into()),
        }
    }
}

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

/// Opens what is found at `path`, if it is a regular file. Nothing else blocks, or does
/// something, when it is looked at.
pub fn open_regular(path: &Path) -> Result<File, FsError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(FsError::io("open", path))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(FsError::NotRegular { path: path.to_owned() }),
        Err(error) => Err(FsError::io("read", path)(error)),
    }
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let file = File::open(path).map_err(FsError::io("read", path))?;
    read_open(file, path, limit)
}

/// Reads a file that holds a secret: at most `limit` bytes, and only if nobody
/// else may read it.
pub fn read_secret(path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let (file, private) = open_judged(path)?;
    private?;
    read_open(file, path, limit)
}

/// Reads a file of which only its content tells whether it holds a secret. If it
/// does, the second half says whether it is as private as it must be.
pub fn read_judged(path: &Path, limit: u64) -> Result<(SecretBytes, Result<(), FsError>), FsError> {
    let (file, private) = open_judged(path)?;
    Ok((read_open(file, path, limit)?, private))
}

fn open_judged(path: &Path) -> Result<(File, Result<(), FsError>), FsError> {
    let file = File::open(path).map_err(FsError::io("read", path))?;
    let private = judge(&file, path)?;
    Ok((file, private))
}

/// Whether nobody else may read `file`, which was opened at `path`.
fn judge(file: &File, path: &Path) -> Result<Result<(), FsError>, FsError> {
    let metadata = file.metadata().map_err(FsError::io("read", path))?;
    // A pipe or a device (`<(…)`, /dev/fd/3) has no mode that means anything.
    Ok(if metadata.is_file() { require_private(path, &metadata) } else { Ok(()) })
}

fn read_open(file: File, path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let known = file.metadata().map_or(0, |m| m.len());
    let capacity = usize::try_from(known.min(limit)).unwrap_or(0) + 1;
    let mut bytes = SecretBytes::with_capacity(capacity.max(8192));
    file.take(limit + 1).read_to_end(bytes.expose_mut()).map_err(FsError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(FsError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Makes a directory that only its owner can enter; an existing one must be so.
pub fn private_directory(path: &Path) -> Result<(), FsError> {
    use std::os::unix::fs::DirBuilderExt;
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

/// Nobody else may read it, and nobody else but root may change its mode.
fn require_private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), FsError> {
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if mode & 0o077 != 0 {
        return Err(FsError::Exposed { path: path.to_owned(), mode });
    }
    if owner != own_uid() && owner != 0 {
        return Err(FsError::Foreign { path: path.to_owned(), owner });
    }
    Ok(())
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
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

/// Renames, and replaces nothing. `None`: kernel or file system know no such thing.
fn rename_new(from: &Path, to: &Path) -> Option<io::Result<()>> {
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
fn open_directory(path: &Path) -> Result<File, FsError> {
    let directory = directory_of(path);
    File::open(directory).map_err(FsError::io("open directory", directory))
}

/// Makes durable which names are in the `directory` of `path`.
fn sync_directory(directory: &File, path: &Path) -> Result<(), FsError> {
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

    #[test]
    fn secrets_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, b"k").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&path, 64), Err(FsError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, [0; 65]).unwrap();
        assert!(matches!(read(&path, 64), Err(FsError::TooLarge { limit: 64, .. })));
        assert_eq!(read(&path, 65).unwrap().len(), 65);
    }
}
