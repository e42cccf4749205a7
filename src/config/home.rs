//! What lies where in a home.

use std::path::{Path, PathBuf};

use crate::fs::{self, FsError};

/// The directory that holds everything but the root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`, absolute, so that what is printed works elsewhere.
    pub fn new(path: &Path) -> Result<Self, FsError> {
        std::path::absolute(path).map(Self).map_err(FsError::io("resolve", path))
    }

    /// Fails unless only its owner can enter it.
    pub fn require_private(&self) -> Result<(), FsError> {
        fs::require_private_directory(&self.0)
    }

    /// Makes the directory and those within it.
    pub fn create(&self) -> Result<(), FsError> {
        let within = ["pki", "models", "audit", "state", "runtime"];
        fs::private_directory(&self.0)?;
        within.iter().try_for_each(|name| fs::private_directory(&self.0.join(name)))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `sealserve.toml`.
    pub fn config(&self) -> PathBuf {
        self.0.join("sealserve.toml")
    }

    /// `keyring.json`.
    pub fn keyring(&self) -> PathBuf {
        self.0.join("keyring.json")
    }

    /// The running server's socket.
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Encrypted models.
    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// Certificates.
    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// ONNX Runtime.
    pub fn runtime(&self) -> PathBuf {
        self.0.join("runtime")
    }

    /// What servers remember across restarts.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}
