//! An API key as it stands in `keyring.json`. The digest is encrypted like every
//! secret there: it cannot be turned back, but it tells who holds both a copy of
//! the home and a text whether the text is a key.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{ApiKey, Network, text};
use crate::clock::UnixSeconds;
use crate::crypto::aead;
use crate::secret::Secret;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::keyring) struct Record {
    id: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    scopes: Vec<String>,
    created: UnixSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<Network>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    compromised: bool,
    /// The generation that encrypted the digest.
    sealed_at: u64,
    digest: String,
}

impl Record {
    pub(in crate::keyring) fn seal(key: &ApiKey, generation: u64, secret_key: &Secret<32>) -> Self {
        let sealed = aead::seal(secret_key, &context(&key.id, generation), key.digest.expose());
        Self {
            id: key.id.clone(),
            subject: key.subject.clone(),
            label: key.label.clone(),
            scopes: key.scopes.clone(),
            created: key.created,
            expires: key.expires,
            networks: key.networks.clone(),
            revoked: key.revoked,
            compromised: key.compromised,
            sealed_at: generation,
            digest: BASE64.encode(&sealed),
        }
    }

    pub(in crate::keyring) fn open(self, secret_key: &Secret<32>) -> Option<ApiKey> {
        let sealed = BASE64.decode(self.digest.as_bytes()).ok()?;
        let digest = aead::open(secret_key, &context(&self.id, self.sealed_at), &sealed).ok()?;
        Some(ApiKey {
            digest: Secret::from_slice(digest.expose())?,
            id: Some(self.id).filter(|id| text::is_id(id))?,
            subject: self.subject,
            label: self.label,
            scopes: self.scopes,
            created: self.created,
            expires: self.expires,
            networks: self.networks,
            revoked: self.revoked,
            compromised: self.compromised,
        })
    }
}

/// Binds a digest to its key, and apart from the secrets of other keys.
fn context(id: &str, generation: u64) -> Vec<u8> {
    format!("sealserve/v1/api-key\0{id}\0{generation}").into_bytes()
}
