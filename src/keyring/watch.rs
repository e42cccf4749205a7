//! Follows a file by looking, since notification misses network file systems.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

/// Remembers the version of a file that was seen last.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl Watch {
    /// Starts to follow `path`; the first look reports a change.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// The file's present version.
    pub fn look(&self) -> io::Result<Stamp> {
        let metadata = self.path.metadata()?;
        Ok(Stamp {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        })
    }

    /// Whether the file is another than at the last [`accept`](Self::accept).
    pub fn changed(&self) -> io::Result<Option<Stamp>> {
        let now = self.look()?;
        Ok((self.seen != Some(now)).then_some(now))
    }

    /// Remembers `stamp`, taken before the file was read, as the version in use.
    pub fn accept(&mut self, stamp: Stamp) {
        self.seen = Some(stamp);
    }
}
