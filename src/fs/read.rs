//! Reading small files whole, secrets among them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::FsError;
use super::private::{require_private, require_secret};
use crate::secret::SecretBytes;

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
/// else may read it, unless root lets a group of this process.
pub fn read_secret(path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let (file, private) = open_judged(path)?;
    private?;
    read_open(file, path, limit)
}

/// Reads a secret that this program wrote itself: at most `limit` bytes, and only if
/// nobody else may read it.
pub fn read_own_secret(path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let file = File::open(path).map_err(FsError::io("read", path))?;
    let metadata = file.metadata().map_err(FsError::io("read", path))?;
    require_private(path, &metadata)?;
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

/// Whether `file`, which was opened at `path`, is as private as a secret must be.
pub(super) fn judge(file: &File, path: &Path) -> Result<Result<(), FsError>, FsError> {
    let metadata = file.metadata().map_err(FsError::io("read", path))?;
    // A pipe or a device (`<(…)`, /dev/fd/3) has no mode that means anything.
    Ok(if metadata.is_file() { require_secret(path, &metadata) } else { Ok(()) })
}

pub(super) fn read_open(file: File, path: &Path, limit: u64) -> Result<SecretBytes, FsError> {
    let known = file.metadata().map_or(0, |m| m.len());
    let capacity = usize::try_from(known.min(limit)).unwrap_or(0) + 1;
    let mut bytes = SecretBytes::with_capacity(capacity.max(8192));
    file.take(limit + 1).read_to_end(bytes.expose_mut()).map_err(FsError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(FsError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that this module must cope with")]
mod tests {
    use super::*;

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
