//! How keys stand in `keyring.json`: an envelope with a MAC, records with sealed secrets.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::apikey;
use super::error::KeyringError;
use super::key::{Algorithm, Jwk, Key, KeyState, KeyUse};
use super::keys::Keyring;
use super::root::RootKey;
use crate::clock::UnixSeconds;
use crate::crypto::{aead, cobblestone, kdf, mac};
use crate::secret::Secret;

pub(super) const WRAP_CONTEXT: &[u8] = b"sealserve/v1/keyring-wrap\0";
pub(super) const MAC_INFO: &[u8] = b"sealserve/v1/keyring-mac";
const SECRET_INFO: &[u8] = b"sealserve/v1/keyring-secret";

/// The file as it stands on disk. The MAC covers the exact text of `keyring`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    pub(super) version: u64,
    pub(super) root_key: String,
    pub(super) data_key: String,
    pub(super) mac: String,
    pub(super) keyring: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) generation: u64,
    pub(super) keys: Vec<Record>,
    pub(super) hmac_keys: Vec<Record>,
    pub(super) model_keys: Vec<Record>,
    /// Left out where there are none, like those below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) signer_keys: Vec<Record>,
    pub(super) ca_keys: Vec<Record>,
    /// Left out where there are none: then a program that knows none of them reads on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) api_keys: Vec<apikey::Record>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) kid: String,
    #[serde(rename = "use")]
    pub(super) usage: KeyUse,
    #[serde(rename = "alg")]
    pub(super) algorithm: Algorithm,
    pub(super) state: KeyState,
    pub(super) created: UnixSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify_until: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) compromised: bool,
    /// A program that does not know it refuses the whole keyring: it would not obey.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unload: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public: Option<Jwk>,
    /// The generation that encrypted the secret.
    pub(super) sealed_at: u64,
    pub(super) secret: String,
}

/// The keyring in `text`, which stands at `path`, and its data key.
pub(super) fn open(text: &[u8], root: &RootKey, path: &Path) -> Result<(Keyring, Secret<32>), KeyringError> {
    let path = || path.to_owned();
    let malformed = |source| KeyringError::Malformed { path: path(), source };
    let unauthentic = || KeyringError::Unauthentic { path: path() };

    let envelope: Envelope = serde_json::from_slice(text).map_err(malformed)?;
    if envelope.version != 1 {
        return Err(KeyringError::Version { path: path(), version: envelope.version });
    }
    if envelope.root_key != HEXLOWER.encode(&root.id()) {
        return Err(KeyringError::WrongRoot { path: path() });
    }
    let wrapped = BASE64.decode(envelope.data_key.as_bytes()).map_err(|_| unauthentic())?;
    let data_key = cobblestone::open(root.key(), WRAP_CONTEXT, &wrapped)
        .ok()
        .and_then(|key| Secret::from_slice(key.expose()))
        .ok_or_else(unauthentic)?;
    let tag = HEXLOWER.decode(envelope.mac.as_bytes()).map_err(|_| unauthentic())?;
    mac::verify(&kdf::expand(&data_key, &[MAC_INFO]), &[envelope.keyring.get().as_bytes()], &tag)
        .map_err(|_| unauthentic())?;

    // Authentic from here on: what does not parse was written by another version.
    let body: Body = serde_json::from_str(envelope.keyring.get()).map_err(malformed)?;
    let secret_key = kdf::expand(&data_key, &[SECRET_INFO]);
    let records = [body.keys, body.hmac_keys, body.model_keys, body.signer_keys, body.ca_keys];
    let keys = records
        .into_iter()
        .flatten()
        .map(|record| record.open(&secret_key).ok_or_else(unauthentic))
        .collect::<Result<_, _>>()?;
    let api_keys = body
        .api_keys
        .into_iter()
        .map(|record| record.open(&secret_key).ok_or_else(unauthentic))
        .collect::<Result<_, _>>()?;
    Ok((Keyring { generation: body.generation, keys, api_keys, mac: tag }, data_key))
}

/// The text of `keyring` for the file at `path`, and its MAC.
pub(super) fn seal(
    keyring: &Keyring,
    data_key: &Secret<32>,
    root: &RootKey,
    path: &Path,
) -> Result<(Vec<u8>, Vec<u8>), KeyringError> {
    let malformed = |source| KeyringError::Malformed { path: path.to_owned(), source };
    let secret_key = kdf::expand(data_key, &[SECRET_INFO]);
    let records =
        |usage| keyring.of(usage).map(|key| Record::seal(key, keyring.generation, &secret_key)).collect();
    let body = Body {
        generation: keyring.generation,
        keys: records(KeyUse::Token),
        hmac_keys: records(KeyUse::Request),
        model_keys: records(KeyUse::Model),
        signer_keys: records(KeyUse::Signer),
        ca_keys: records(KeyUse::Ca),
        api_keys: keyring
            .api_keys
            .iter()
            .map(|key| apikey::Record::seal(key, keyring.generation, &secret_key))
            .collect(),
    };
    let body = serde_json::value::to_raw_value(&body).map_err(malformed)?;
    let tag = mac::tag(&kdf::expand(data_key, &[MAC_INFO]), &[body.get().as_bytes()]);
    let envelope = Envelope {
        version: 1,
        root_key: HEXLOWER.encode(&root.id()),
        data_key: BASE64.encode(&cobblestone::seal(root.key(), WRAP_CONTEXT, data_key.expose())),
        mac: HEXLOWER.encode(&tag),
        keyring: body,
    };
    let mut text = serde_json::to_vec(&envelope).map_err(malformed)?;
    text.push(b'\n');
    Ok((text, tag.to_vec()))
}

impl Record {
    fn seal(key: &Key, generation: u64, secret_key: &Secret<32>) -> Self {
        let context = context(&key.kid, key.usage, key.algorithm, generation);
        Self {
            id: key.id.clone(),
            kid: key.kid.clone(),
            usage: key.usage,
            algorithm: key.algorithm,
            state: key.state,
            created: key.created,
            verify_until: key.verify_until,
            revoked: key.revoked,
            compromised: key.compromised,
            unload: key.unload,
            owner: key.owner.clone(),
            public: key.public.clone(),
            sealed_at: generation,
            secret: BASE64.encode(&aead::seal(secret_key, &context, key.secret.expose())),
        }
    }

    fn open(self, secret_key: &Secret<32>) -> Option<Key> {
        let sealed = BASE64.decode(self.secret.as_bytes()).ok()?;
        let context = context(&self.kid, self.usage, self.algorithm, self.sealed_at);
        Some(Key {
            secret: aead::open(secret_key, &context, &sealed).ok()?,
            id: self.id,
            kid: self.kid,
            usage: self.usage,
            algorithm: self.algorithm,
            state: self.state,
            created: self.created,
            verify_until: self.verify_until,
            revoked: self.revoked,
            compromised: self.compromised,
            unload: self.unload,
            owner: self.owner,
            public: self.public,
        })
    }
}

/// Binds a secret to its key. No field but the last can hold a NUL.
fn context(kid: &str, usage: KeyUse, algorithm: Algorithm, generation: u64) -> Vec<u8> {
    format!("sealserve/v1/key\0{kid}\0{usage}\0{algorithm}\0{generation}").into_bytes()
}
