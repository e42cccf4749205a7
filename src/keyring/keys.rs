//! All keys at one generation.

use std::path::Path;

use super::apikey::ApiKey;
use super::error::KeyringError;
use super::key::{Key, KeyState, KeyUse};
use crate::clock::UnixSeconds;

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

    /// The state of the key `kid`, if it is here and nothing that it made is accepted.
    pub fn refuses(&self, kid: &str, now: UnixSeconds) -> Option<KeyState> {
        self.refused(kid, now).map(|key| key.state_at(now))
    }

    /// The key `kid`, if it is here and nothing that it made is accepted.
    pub fn refused(&self, kid: &str, now: UnixSeconds) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid).filter(|key| !key.state_at(now).is_accepted())
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

    /// The keys of tokens, models and signers without their secrets: all that is needed to
    /// verify tokens, and to tell what is revoked.
    #[must_use]
    pub fn verifying_half(&self) -> Self {
        let verifies = |key: &&Key| matches!(key.usage, KeyUse::Token | KeyUse::Model | KeyUse::Signer);
        let keys = self.keys.iter().filter(verifies).map(Key::without_secret).collect();
        Self { generation: self.generation, keys, api_keys: Vec::new(), mac: self.mac.clone() }
    }

    /// The keys for `usage`.
    pub fn of(&self, usage: KeyUse) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.usage == usage)
    }
}
