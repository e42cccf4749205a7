//! `keyring.json`: how keys stand in the file, and who may write it when.

use std::fs::File;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::apikey::{self, ApiKey};
use super::key::{Algorithm, Jwk, Key, KeyState, KeyUse};
use super::seen::Seen;
use super::{KeyringError, RootKey};
use crate::clock::UnixSeconds;
use crate::crypto::{aead, cobblestone, kdf, mac, random};
use crate::fs::{self, Existing, FsError};
use crate::secret::Secret;

const LIMIT: u64 = 16 << 20;
const WRAP_CONTEXT: &[u8] = b"sealserve/v1/keyring-wrap\0";
const MAC_INFO: &[u8] = b"sealserve/v1/keyring-mac";
const SECRET_INFO: &[u8] = b"sealserve/v1/keyring-secret";

/// All keys at one generation.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    /// Grows by one with each change.
    pub generation: u64,
    /// The keys, in the order of their creation within each use.
    pub keys: Vec<Key>,
    /// The API keys, in the order of their creation.
    pub api_keys: Vec<ApiKey>,
    /// The MAC of the file that this was read from: tells two of one generation apart.
    pub(super) mac: Vec<u8>,
}

impl Keyring {
    /// The key that is called `name` (its id or kid).
    pub fn get(&self, name: &str) -> Result<&Key, KeyringError> {
        self.keys
            .iter()
            .find(|key| key.answers_to(name))
            .ok_or_else(|| KeyringError::NoSuchKey { id: name.to_owned() })
    }

    /// The active key for `usage`; of several, the newest.
    pub fn active(&self, usage: KeyUse) -> Result<&Key, KeyringError> {
        self.keys
            .iter()
            .rev()
            .find(|key| key.usage == usage && key.state == KeyState::Active)
            .ok_or(KeyringError::NoActiveKey { usage })
    }

    /// Fails where `next` is older than this one, or another of its generation.
    pub fn require_not_newer_than(&self, next: &Self, path: &Path) -> Result<(), KeyringError> {
        let (seen, found) = (self.generation, next.generation);
        if found > seen || (found == seen && next.mac == self.mac) {
            return Ok(());
        }
        let memory = path.with_file_name("state").join("keyring-seen");
        Err(KeyringError::RolledBack { path: path.to_owned(), seen, found, memory })
    }

    /// The token keys without their secrets: all that a verifier needs.
    #[must_use]
    pub fn verifying_half(&self) -> Self {
        let keys = self.of(KeyUse::Token).map(Key::without_secret).collect();
        Self { generation: self.generation, keys, api_keys: Vec::new(), mac: self.mac.clone() }
    }

    /// The keys for `usage`.
    pub fn of(&self, usage: KeyUse) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.usage == usage)
    }
}

/// The file as it stands on disk. The MAC covers the exact text of `keyring`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    version: u64,
    root_key: String,
    data_key: String,
    mac: String,
    keyring: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    generation: u64,
    keys: Vec<Record>,
    hmac_keys: Vec<Record>,
    model_keys: Vec<Record>,
    ca_keys: Vec<Record>,
    /// Left out where there are none: then a program that knows none of them reads on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    api_keys: Vec<apikey::Record>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    kid: String,
    #[serde(rename = "use")]
    usage: KeyUse,
    #[serde(rename = "alg")]
    algorithm: Algorithm,
    state: KeyState,
    created: UnixSeconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_until: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    compromised: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public: Option<Jwk>,
    /// The generation that encrypted the secret.
    sealed_at: u64,
    secret: String,
}

/// A keyring on disk.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    lock: PathBuf,
    /// The newest keyring that was ever read or written here.
    seen: Seen,
    root: RootKey,
}

impl Store {
    /// The keyring in `home`, to be opened with `root`.
    pub fn new(home: &Path, root: RootKey) -> Self {
        let seen = Seen::new(home.join("state/keyring-seen"));
        Self { path: home.join("keyring.json"), lock: home.join("keyring.lock"), seen, root }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the first generation, with the keys that `make` returns, and returns what
    /// it returned with them; an existing keyring is an error, and then `make` is not called.
    pub fn create<T, E: From<KeyringError>>(
        &self,
        make: impl FnOnce() -> Result<(Keyring, T), E>,
    ) -> Result<T, E> {
        let _turn = self.turn()?;
        if self.path.symlink_metadata().is_ok() {
            return Err(KeyringError::Exists { path: self.path.clone() }.into());
        }
        let (keyring, answer) = make()?;
        let first = Keyring { generation: 1, ..keyring };
        // A home that is made anew has no history.
        self.seen.forget()?;
        self.write(&first, &random::secret(), Existing::Refuse)?;
        Ok(answer)
    }

    /// Reads the keyring, and refuses one that is older than one seen before.
    pub fn read(&self) -> Result<Keyring, KeyringError> {
        Ok(self.read_with_key()?.0)
    }

    /// Remembers `keyring`, if it is the newest, across restarts.
    pub fn remember(&self, keyring: &Keyring) -> Result<(), KeyringError> {
        let _turn = self.turn()?;
        match self.seen.read()? {
            // A writer was faster; what it wrote is read next.
            Some(memory) if memory.generation >= keyring.generation => Ok(()),
            _ => self.seen.write(keyring.generation, &keyring.mac),
        }
    }

    /// Changes the keyring as its only writer, and returns what `change` returned
    /// once the new generation is on disk. When `change` fails nothing is written.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        self.update_if(|keyring| Ok((change(keyring)?, true))).map(|(answer, _)| answer)
    }

    /// As [`update`](Self::update), where `change` also says whether it changed
    /// anything: if not, nothing is written. Returns the generation that is in force.
    pub fn update_if<T, E: From<KeyringError>>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<(T, bool), E>,
    ) -> Result<(T, u64), E> {
        let _turn = self.turn()?;
        fs::sweep(&self.path);
        let (mut keyring, data_key) = self.read_with_key()?;
        let (answer, changed) = change(&mut keyring)?;
        if changed {
            keyring.generation += 1;
            self.write(&keyring, &data_key, Existing::Replace)?;
        }
        Ok((answer, keyring.generation))
    }

    /// What [`update_if`](Self::update_if) would do; nothing is written.
    pub fn rehearse<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<(T, bool), KeyringError>,
    ) -> Result<(T, u64), KeyringError> {
        let mut keyring = self.read()?;
        let generation = keyring.generation;
        change(&mut keyring).map(|(answer, changed)| (answer, generation + u64::from(changed)))
    }

    /// Waits for the lock, which the kernel drops with the returned file.
    fn turn(&self) -> Result<File, KeyringError> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(fs::SECRET)
            .open(&self.lock)
            .map_err(FsError::io("open", &self.lock))?;
        file.lock().map_err(FsError::io("lock", &self.lock))?;
        Ok(file)
    }

    fn read_with_key(&self) -> Result<(Keyring, Secret<32>), KeyringError> {
        let path = || self.path.clone();
        let memory = self.seen.read()?;
        let text = fs::read_secret(&self.path, LIMIT).map_err(|error| {
            if error.is_not_found() { KeyringError::Absent { path: path() } } else { error.into() }
        })?;
        let malformed = |source| KeyringError::Malformed { path: path(), source };
        let unauthentic = || KeyringError::Unauthentic { path: path() };

        let envelope: Envelope = serde_json::from_slice(text.expose()).map_err(malformed)?;
        if envelope.version != 1 {
            return Err(KeyringError::Version { path: path(), version: envelope.version });
        }
        if envelope.root_key != HEXLOWER.encode(&self.root.id()) {
            return Err(KeyringError::WrongRoot { path: path() });
        }
        let wrapped = BASE64.decode(envelope.data_key.as_bytes()).map_err(|_| unauthentic())?;
        let data_key = cobblestone::open(self.root.key(), WRAP_CONTEXT, &wrapped)
            .ok()
            .and_then(|key| Secret::from_slice(key.expose()))
            .ok_or_else(unauthentic)?;
        let tag = HEXLOWER.decode(envelope.mac.as_bytes()).map_err(|_| unauthentic())?;
        mac::verify(&kdf::expand(&data_key, &[MAC_INFO]), &[envelope.keyring.get().as_bytes()], &tag)
            .map_err(|_| unauthentic())?;

        // Authentic from here on: what does not parse was written by another version.
        let body: Body = serde_json::from_str(envelope.keyring.get()).map_err(malformed)?;
        let secret_key = kdf::expand(&data_key, &[SECRET_INFO]);
        let records = [body.keys, body.hmac_keys, body.model_keys, body.ca_keys];
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
        let keyring = Keyring { generation: body.generation, keys, api_keys, mac: tag };
        match memory {
            Some(memory) if !memory.allows(&keyring) => Err(KeyringError::RolledBack {
                path: path(),
                seen: memory.generation,
                found: keyring.generation,
                memory: self.seen.path().to_owned(),
            }),
            _ => Ok((keyring, data_key)),
        }
    }

    fn write(
        &self,
        keyring: &Keyring,
        data_key: &Secret<32>,
        existing: Existing,
    ) -> Result<(), KeyringError> {
        let malformed = |source| KeyringError::Malformed { path: self.path.clone(), source };
        let secret_key = kdf::expand(data_key, &[SECRET_INFO]);
        let records =
            |usage| keyring.of(usage).map(|key| Record::seal(key, keyring.generation, &secret_key)).collect();
        let body = Body {
            generation: keyring.generation,
            keys: records(KeyUse::Token),
            hmac_keys: records(KeyUse::Request),
            model_keys: records(KeyUse::Model),
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
            root_key: HEXLOWER.encode(&self.root.id()),
            data_key: BASE64.encode(&cobblestone::seal(self.root.key(), WRAP_CONTEXT, data_key.expose())),
            mac: HEXLOWER.encode(&tag),
            keyring: body,
        };
        let mut text = serde_json::to_vec(&envelope).map_err(malformed)?;
        text.push(b'\n');
        fs::write(&self.path, &text, fs::SECRET, existing)?;
        // Killed here, the memory is a generation behind, and no reader minds.
        let generation = keyring.generation;
        self.seen
            .write(generation, &tag)
            .map_err(|source| KeyringError::NotRemembered { generation, source: Box::new(source) })
    }
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
            owner: self.owner,
            public: self.public,
        })
    }
}

/// Binds a secret to its key. No field but the last can hold a NUL.
fn context(kid: &str, usage: KeyUse, algorithm: Algorithm, generation: u64) -> Vec<u8> {
    format!("sealserve/v1/key\0{kid}\0{usage}\0{algorithm}\0{generation}").into_bytes()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests edit the file that this module must cope with")]
mod tests;
