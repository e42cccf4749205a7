//! The key that signs a client's requests.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::SigningError;
use super::input::MAX_KEY_ID;
use crate::keyring::{Key, KeyUse};
use crate::secret::{Secret, SecretBytes};

/// A key for requests and their responses, with its name on the wire.
#[derive(Debug, Clone)]
pub struct RequestKey {
    id: String,
    secret: Secret<32>,
}

impl RequestKey {
    /// The key `secret`, known as `id`.
    pub fn new(id: &str, secret: Secret<32>) -> Result<Self, SigningError> {
        let printable = id.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if id.is_empty() || id.len() > MAX_KEY_ID || !printable {
            return Err(SigningError::KeyId { limit: MAX_KEY_ID });
        }
        Ok(Self { id: id.to_owned(), secret })
    }

    /// A key of the keyring.
    pub fn of(key: &Key) -> Result<Self, SigningError> {
        if key.usage != KeyUse::Request {
            return Err(SigningError::KeyUse { id: key.id.clone(), found: key.usage.to_string() });
        }
        let secret = Secret::from_slice(key.secret.expose())
            .ok_or_else(|| SigningError::KeyText { origin: format!("key '{}'", key.id) })?;
        Self::new(&key.kid, secret)
    }

    /// Reads the text form, 64 hexadecimal digits, from `origin`.
    pub fn parse(id: &str, text: &[u8], origin: &str) -> Result<Self, SigningError> {
        let decoded = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map(SecretBytes::from).ok();
        let secret = decoded
            .and_then(|bytes| Secret::from_slice(bytes.expose()))
            .ok_or_else(|| SigningError::KeyText { origin: origin.to_owned() })?;
        Self::new(id, secret)
    }

    /// Its name on the wire.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key itself.
    pub fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}
