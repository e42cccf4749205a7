//! One writer at a time: an existing file under an exclusive lock.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use super::{FsError, temporary};
use crate::progress::Progress;

/// How often a file that was replaced while its lock was awaited is looked up again.
const ATTEMPTS: usize = 100;
/// How often a lock is tried for, and how long each time, before somebody is told that
/// it is waited for: a second in all. A rewrite takes milliseconds.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// What is done with a file while it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is read, and then replaced by another. It is open for writing too, where that is
    /// permitted: NFS locks no other file.
    Replace,
    /// It is changed in place.
    Write,
}

/// Opens the regular file at `path` and waits for its lock, which the kernel drops with the
/// returned file; `progress` hears of it when that takes long. A symbolic link is refused:
/// its target can change between one look and the next.
pub fn lock(path: &Path, access: Access, progress: &dyn Progress) -> Result<File, FsError> {
    // A pipe or a device must not block, or do something, when it is opened.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    for _ in 0..ATTEMPTS {
        let found = path.symlink_metadata().map_err(FsError::io("open", path))?;
        if !found.is_file() {
            return Err(FsError::NotRegular { path: path.to_owned() });
        }
        let open = |write| {
            File::options().read(true).write(write).custom_flags(flags.bits().cast_signed()).open(path)
        };
        let file = match open(true) {
            Err(error) if access == Access::Replace && is_denied(&error) => open(false),
            opened => opened,
        };
        let file = file.map_err(FsError::io("open", path))?;
        wait_for_lock(&file, path, progress).map_err(FsError::io("lock", path))?;
        // Whoever had the lock may have put another file in its place.
        if temporary::leads_to(path, &file) {
            return Ok(file);
        }
    }
    Err(FsError::Busy { path: path.to_owned() })
}

/// Whether a file may only be read: by its mode, its attributes, or its file system, or
/// because it is a program that runs.
fn is_denied(error: &io::Error) -> bool {
    use io::ErrorKind::{ExecutableFileBusy, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ExecutableFileBusy)
}

/// Waits for the lock without an end, as long as nobody interrupts the program.
fn wait_for_lock(file: &File, path: &Path, progress: &dyn Progress) -> io::Result<()> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    progress.waiting(path);
    file.lock()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::fs::{Existing, SECRET, write};
    use crate::progress::Silent;

    #[test]
    fn a_lock_ends_when_the_file_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"x", SECRET, Existing::Refuse).unwrap();
        let first = lock(&path, Access::Write, &Silent).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                lock(&path, Access::Replace, &Silent).unwrap();
                assert!(done.load(Ordering::SeqCst));
            });
            // However long the other is given, it does not come first.
            std::thread::sleep(std::time::Duration::from_millis(50));
            done.store(true, Ordering::SeqCst);
            drop(first);
        });
    }

    #[test]
    fn who_waits_for_long_is_told_for_what() {
        struct Told(mpsc::Sender<std::path::PathBuf>);
        impl Progress for Told {
            fn total(&self, _: u64) {}
            fn advance(&self, _: u64) {}
            fn waiting(&self, path: &Path) {
                self.0.send(path.to_owned()).unwrap();
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"x", SECRET, Existing::Refuse).unwrap();
        let (sender, receiver) = mpsc::channel();
        let told = Told(sender);
        let first = lock(&path, Access::Write, &told).unwrap();
        assert!(receiver.try_recv().is_err(), "nobody waited");
        std::thread::scope(|scope| {
            scope.spawn(|| lock(&path, Access::Write, &told).unwrap());
            assert_eq!(receiver.recv().unwrap(), path);
            drop(first);
        });
    }

    #[test]
    fn who_waited_for_a_file_that_was_replaced_gets_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"old", SECRET, Existing::Refuse).unwrap();
        let first = lock(&path, Access::Replace, &Silent).unwrap();
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| lock(&path, Access::Write, &Silent).unwrap().metadata().unwrap().ino());
            std::thread::sleep(std::time::Duration::from_millis(50));
            write(&path, b"new", SECRET, Existing::Replace).unwrap();
            let new = path.metadata().unwrap().ino();
            assert_ne!(first.metadata().unwrap().ino(), new);
            drop(first);
            assert_eq!(waiting.join().unwrap(), new);
        });
    }

    #[test]
    fn what_may_only_be_read_is_locked_to_be_replaced_and_not_to_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        std::fs::copy("/bin/sleep", &path).unwrap();
        // Not even root may write to a program that runs.
        let mut running = std::process::Command::new(&path).arg("600").spawn().unwrap();
        let locks = [Access::Replace, Access::Write].map(|access| lock(&path, access, &Silent));
        running.kill().unwrap();
        running.wait().unwrap();
        let [replace, write] = locks;
        let file = replace.unwrap();
        assert!(file.try_clone().unwrap().read(&mut [0; 4]).is_ok());
        assert!(matches!(write, Err(FsError::Io { action: "open", .. })), "{write:?}");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        write(&path("file"), b"x", SECRET, Existing::Refuse).unwrap();
        symlink("file", path("link")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), fifo, mode, 0).unwrap();
        for name in ["link", "pipe", ""] {
            for access in [Access::Replace, Access::Write] {
                assert!(
                    matches!(lock(&path(name), access, &Silent), Err(FsError::NotRegular { .. })),
                    "{name}"
                );
            }
        }
        assert!(lock(&path("absent"), Access::Write, &Silent).unwrap_err().is_not_found());
    }
}
