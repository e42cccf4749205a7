//! The root key: 32 bytes that lie outside the home and open the keyring.

use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::error::KeyringError;
use crate::crypto::{kdf, random};
use crate::fs::{self, Existing, FsError};
use crate::secret::{Secret, SecretBytes};

/// Opens the keyring; whoever holds it and the home holds every key.
#[derive(Clone, Debug)]
pub struct RootKey(Secret<32>);

impl RootKey {
    /// A new root key.
    pub fn generate() -> Self {
        Self(random::secret())
    }

    /// Reads the text form, 64 hex digits, from `origin`.
    pub fn parse(text: &[u8], origin: &str) -> Result<Self, KeyringError> {
        let decoded = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map(SecretBytes::from).ok();
        decoded
            .and_then(|bytes| Secret::from_slice(bytes.expose()))
            .map(Self)
            .ok_or_else(|| KeyringError::RootMalformed { origin: origin.to_owned() })
    }

    /// Reads the file at `path`, which nobody else may be able to read.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let text = fs::read_secret(path, 256).map_err(|error| {
            if error.is_not_found() {
                KeyringError::RootAbsent { path: path.to_owned() }
            } else {
                error.into()
            }
        })?;
        Self::parse(text.expose(), &format!("'{}'", path.display()))
    }

    /// Writes the text form to a new file with mode 0600.
    pub fn write(&self, path: &Path) -> Result<(), FsError> {
        let mut text = SecretBytes::from(vec![0; 65]);
        HEXLOWER_PERMISSIVE.encode_mut(self.0.expose(), &mut text.expose_mut()[..64]);
        text.expose_mut()[64] = b'\n';
        fs::write(path, text.expose(), fs::SECRET, Existing::Refuse)
    }

    /// Names the key without telling it.
    pub(super) fn id(&self) -> [u8; 16] {
        kdf::key_id(&self.0)
    }

    pub(super) fn key(&self) -> &Secret<32> {
        &self.0
    }
}
