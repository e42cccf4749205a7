//! Follows a file by looking, since notification misses network file systems.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::FileVersion;

/// Remembers the version of a file that was seen last.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    seen: Option<FileVersion>,
}

impl Watch {
    /// Starts to follow `path`; the first look reports a change.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// The file's present version.
    pub fn look(&self) -> io::Result<FileVersion> {
        Ok(FileVersion::of(&self.path.metadata()?))
    }

    /// Whether the file is another than at the last [`accept`](Self::accept).
    pub fn changed(&self) -> io::Result<Option<FileVersion>> {
        let now = self.look()?;
        Ok((self.seen != Some(now)).then_some(now))
    }

    /// Remembers `version`, taken before the file was read, as the version in use.
    pub fn accept(&mut self, version: FileVersion) {
        self.seen = Some(version);
    }
}
