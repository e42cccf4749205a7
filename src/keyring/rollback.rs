//! Rollback protection: the generation and MAC of the newest keyring that was read are
//! kept in a file of the home's `state/`, and an older keyring is refused. This detects a
//! keyring that is restored alone; whoever restores the whole home restores this file too.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::error::KeyringError;
use super::keys::Keyring;
use crate::fs::{self, Existing};

/// The file that remembers the newest keyring.
#[derive(Debug, Clone)]
pub(super) struct RollbackGuard(PathBuf);

/// The newest keyring that was read.
pub(super) struct Newest {
    pub(super) generation: u64,
    mac: Vec<u8>,
}

impl Newest {
    /// Whether `keyring` is that one, or a newer one.
    pub(super) fn allows(&self, keyring: &Keyring) -> bool {
        keyring.generation > self.generation
            || (keyring.generation == self.generation && keyring.mac == self.mac)
    }
}

impl RollbackGuard {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is remembered. To be read before the keyring, which writers replace
    /// first: then none of their changes looks like a rollback.
    pub(super) fn read(&self) -> Result<Option<Newest>, KeyringError> {
        let text = match fs::read_own_secret(&self.0, 256) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let parsed = std::str::from_utf8(text.expose()).ok().and_then(|text| {
            let (generation, mac) = text.trim_end().split_once(' ')?;
            Some(Newest { generation: generation.parse().ok()?, mac: HEXLOWER.decode(mac.as_bytes()).ok()? })
        });
        // What cannot be understood could hide a rollback.
        parsed.map(Some).ok_or_else(|| KeyringError::Forgotten { path: self.0.clone() })
    }

    pub(super) fn write(&self, generation: u64, mac: &[u8]) -> Result<(), KeyringError> {
        fs::parent_directory(&self.0)?;
        let text = format!("{generation} {}\n", HEXLOWER.encode(mac));
        Ok(fs::write(&self.0, text.as_bytes(), fs::SECRET, Existing::Replace)?)
    }

    pub(super) fn forget(&self) -> Result<(), KeyringError> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(fs::FsError::io("remove", &self.0)(error).into())
            }
            _ => Ok(()),
        }
    }
}
