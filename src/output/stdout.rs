//! Standard output as bytes. The standard library's own takes a descriptor that is closed,
//! or only open for reading, for one that nobody reads; here both are errors.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Standard output, without a buffer.
pub fn stdout() -> io::Result<File> {
    crate::process::require_stdout()?;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Writes all of `bytes` to standard output.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    stdout()?.write_all(bytes)
}
