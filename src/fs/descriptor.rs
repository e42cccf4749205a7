//! Descriptors that whoever started the process left open for it. They are read as they
//! are: a socket cannot be opened again by a name, and a file would begin anew.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::FsError;
use super::read::{judge, read_open};
use crate::secret::SecretBytes;

/// Reads what is left of a descriptor that gives a secret: at most `limit` bytes, and of
/// a regular file only if nobody else may read it.
pub fn read_descriptor(number: u32, limit: u64) -> Result<SecretBytes, FsError> {
    // The name that it has for `chmod` too.
    let path = PathBuf::from(format!("/dev/fd/{number}"));
    let file = borrow(number).and_then(|fd| fd.try_clone_to_owned()).map_err(FsError::io("read", &path))?;
    let file = File::from(file);
    judge(&file, &path)??;
    read_open(file, &path, limit)
}

/// Reads what is left of standard input: at most `limit` bytes.
pub fn read_stdin(limit: u64) -> Result<SecretBytes, FsError> {
    let path = Path::new("standard input");
    let file = io::stdin().as_fd().try_clone_to_owned().map_err(FsError::io("read", path))?;
    read_open(file.into(), path, limit)
}

/// No program that is started from now on gets the descriptor. That one is not open is
/// left to whoever reads it.
pub fn keep_descriptor(number: u32) {
    let _ = borrow(number).map(|fd| fcntl_setfd(fd, FdFlags::CLOEXEC));
}

#[expect(unsafe_code, reason = "a number is all that an argument can say")]
fn borrow(number: u32) -> io::Result<BorrowedFd<'static>> {
    let number = RawFd::try_from(number).map_err(|_| Errno::BADF)?;
    // SAFETY: it is not -1, and is only asked to be copied or marked; of one that is not
    // open the kernel says so. Nothing here closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}
