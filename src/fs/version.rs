//! Versions of a file, told apart without reading it.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{FsError, temporary};

/// What tells one version of a file from another: which file it is, its length, and when it
/// was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl FileVersion {
    /// The version that a file with these metadata is.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), length: metadata.len(), modified }
    }

    /// Fails where `file`, opened at `path`, is of another version by now, or `path` leads
    /// to another file.
    pub fn require_same(&self, path: &Path, file: &File) -> Result<(), FsError> {
        let now = file.metadata().map_err(FsError::io("read", path))?;
        if Self::of(&now) == *self && temporary::leads_to(path, file) {
            return Ok(());
        }
        Err(FsError::Changed { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::fs::{Existing, SECRET, write};

    #[test]
    fn a_file_in_anothers_place_is_not_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        // Of one length and one time of writing, whenever it is made.
        let make = || {
            write(&path, &[1; 1000], SECRET, Existing::Replace).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
            file
        };
        let file = make();
        let version = FileVersion::of(&file.metadata().unwrap());
        version.require_same(&path, &file).unwrap();
        let other = make();
        assert_ne!(FileVersion::of(&other.metadata().unwrap()), version);
        assert_eq!(FileVersion::of(&file.metadata().unwrap()), version);
        assert!(matches!(version.require_same(&path, &file), Err(FsError::Changed { .. })));
    }
}
