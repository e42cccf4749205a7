//! Paths in documents.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A path that a document shows. JSON holds text alone, and a path may be other bytes:
/// those are shown as U+FFFD, since one odd name must not take a whole report away.
#[derive(Debug, Clone)]
pub struct ShownPath(PathBuf);

impl Deref for ShownPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for ShownPath {
    fn from(path: P) -> Self {
        Self(path.into())
    }
}

impl Serialize for ShownPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display())
    }
}
