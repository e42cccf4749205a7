//! How long work tells how far it is, without knowing who listens.

use std::path::Path;

/// Listens to the progress of one piece of work.
pub trait Progress: Sync {
    /// The work is known to be `total` bytes long.
    fn total(&self, total: u64);
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
    /// It has waited for a while, since another process changes the file at `path`.
    fn waiting(&self, _path: &Path) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}
