//! Names for what is not complete yet: `.NAME.tmp-PID-N` beside `NAME`. Whoever
//! makes something under such a name holds its lock for as long as it lives. So
//! what was left by someone who was killed can be told from what is being
//! written, and goes with the next attempt to write `NAME`.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;

use super::{directory_of, own_uid};

/// How many names that are taken are passed over. Another machine or container
/// may count its processes as this one does.
const ATTEMPTS: usize = 100;
/// Most bytes of a name in a temporary one, which has up to 28 more; 255 may be in all.
const MAX_NAME: usize = 200;

/// Makes something under a free temporary name beside `path`; also returns the name.
/// `make` fails with [`AlreadyExists`](io::ErrorKind::AlreadyExists) where the name
/// is not free.
pub(super) fn under_free_name<T>(
    path: &Path,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let mut left = ATTEMPTS;
    loop {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{serial}", prefix(path), std::process::id());
        let name = directory_of(path).join(name);
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && left > 0 => left -= 1,
            outcome => return outcome.map(|file| (file, name)),
        }
    }
}

/// Takes the lock of a file that has no name yet.
pub(super) fn hold_nameless(file: &File) {
    // Where files cannot be locked nobody sweeps, either.
    let _ = file.try_lock();
}

/// Takes the lock of what was just made under `name`. Before that, a sweeper may
/// have taken it for abandoned: then the name counts as not free.
pub(super) fn hold(file: File, name: &Path) -> io::Result<File> {
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => Err(io::ErrorKind::AlreadyExists.into()),
        _ if !leads_to(name, &file) => Err(io::ErrorKind::AlreadyExists.into()),
        _ => Ok(file),
    }
}

/// Removes what killed writers of `path` left beside it. What cannot be removed stays.
pub(super) fn sweep(path: &Path) {
    let Ok(entries) = std::fs::read_dir(directory_of(path)) else { return };
    let owner = path.symlink_metadata().ok().map(|metadata| metadata.uid());
    let prefix = prefix(path);
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name(), &prefix) {
            let _ = remove_abandoned(&entry.path(), owner);
        }
    }
}

/// Removes `path` if it is of this user, or of the `owner` whose file it was to
/// replace, and nobody holds its lock.
fn remove_abandoned(path: &Path, owner: Option<u32>) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    let ours = found.uid() == own_uid() || Some(found.uid()) == owner;
    if !ours || !(found.is_file() || found.is_dir()) {
        return Ok(());
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.try_lock().is_err() || !leads_to(path, &file) {
        return Ok(());
    }
    if found.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

/// Whether the name `path` itself, not what a link leads to, is that of `file`.
pub(super) fn leads_to(path: &Path, file: &File) -> bool {
    let same = |now: std::fs::Metadata| {
        file.metadata().is_ok_and(|held| (held.dev(), held.ino()) == (now.dev(), now.ino()))
    };
    path.symlink_metadata().is_ok_and(same)
}

/// How temporary names of `path` begin: with its own, as far as there is room. Two that
/// are alike so far sweep each other's, which does no harm: what is swept is nobody's.
fn prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{}.tmp-", &name[..name.floor_char_boundary(MAX_NAME)])
}

/// Whether `name` is one that [`under_free_name`] makes.
fn is_temporary(name: &OsStr, prefix: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
    rest.and_then(|rest| rest.split_once('-'))
        .is_some_and(|(pid, serial)| is_number(pid) && is_number(serial))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that this module must cope with")]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::io::Write;

    use super::*;
    use crate::fs::{AtomicDirectory, AtomicFile, Existing, SECRET, write};

    fn names(directory: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn only_what_a_killed_writer_of_this_name_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in [".out.tmp-1-0", ".out.tmp-77-12"] {
            std::fs::write(path(name), "left").unwrap();
        }
        std::fs::create_dir_all(path(".out.tmp-5-1/deep")).unwrap();
        std::fs::write(path(".out.tmp-5-1/deep/model.onnx"), "plaintext").unwrap();
        let others =
            [".out.tmp-", ".out.tmp-1", ".out.tmp-1-", ".out.tmp-1-x", ".other.tmp-1-0", "out.tmp-1-0"];
        for name in others {
            std::fs::write(path(name), "not ours").unwrap();
        }
        std::os::unix::fs::symlink(path("out.tmp-1-0"), path(".out.tmp-2-0")).unwrap();
        write(&path("out"), b"new", SECRET, Existing::Refuse).unwrap();
        let kept = others.into_iter().chain([".out.tmp-2-0", "out"]).map(str::to_owned).collect();
        assert_eq!(names(dir.path()), kept);
        assert_eq!(std::fs::read(path("out.tmp-1-0")).unwrap(), b"not ours");
    }

    #[test]
    fn the_longest_names_have_temporary_ones() {
        let dir = tempfile::tempdir().unwrap();
        let raw = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff; 255]);
        for name in [OsString::from("n".repeat(255)), "é".repeat(127).into(), raw] {
            let path = dir.path().join(name);
            for content in ["one", "two"] {
                write(&path, content.as_bytes(), SECRET, Existing::Replace).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_is_being_written_is_not_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let tree = AtomicDirectory::create(&path).unwrap();
        tree.file("model.onnx").unwrap().write_all(b"half").unwrap();
        let make = |name: &Path| {
            let file = File::create_new(name)?;
            hold(file, name)
        };
        let (held, name) = under_free_name(&path, make).unwrap();
        let before = names(dir.path());
        assert_eq!(before.len(), 2);
        sweep(&path);
        assert_eq!(names(dir.path()), before);
        drop(held);
        sweep(&path);
        assert!(!name.exists());
        tree.commit().unwrap();
        assert_eq!(std::fs::read(path.join("model.onnx")).unwrap(), b"half");
        assert_eq!(names(dir.path()).len(), 1);
    }

    #[test]
    fn a_file_without_a_name_has_its_lock_before_it_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&dir.path().join("out"), SECRET, Existing::Replace).unwrap();
        let again = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file.file())));
        assert!(again.unwrap().try_lock().is_err());
    }

    #[test]
    fn a_name_that_is_taken_or_lost_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut tries = 0;
        let make = |name: &Path| {
            tries += 1;
            let file = File::create_new(name)?;
            match tries {
                // A sweeper has it, or had it.
                1 => {
                    let sweeper = File::open(name).unwrap();
                    sweeper.lock().unwrap();
                    hold(file, name)
                }
                2 => {
                    std::fs::remove_file(name).unwrap();
                    hold(file, name)
                }
                _ => hold(file, name),
            }
        };
        under_free_name(&path, make).unwrap();
        assert_eq!(tries, 3);
        let always = |_: &Path| Err::<(), _>(io::ErrorKind::AlreadyExists.into());
        assert!(under_free_name(&path, always).is_err(), "not for ever");
    }
}
