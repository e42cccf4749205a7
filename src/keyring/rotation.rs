//! The changes that a key goes through: created, rotated with overlap, revoked.

use std::time::Duration;

use data_encoding::HEXLOWER;

use super::error::KeyringError;
use super::key::{Algorithm, Jwk, Key, KeyState, KeyUse};
use super::keys::Keyring;
use crate::clock::UnixSeconds;
use crate::crypto::{ecdsa::P256, ed25519::SigningKey, kdf, random};
use crate::secret::{Secret, SecretBytes};

/// The longest lifetime of a token that is minted without `--force`.
pub const DEFAULT_MAX_TOKEN_LIFETIME: Duration = Duration::from_hours(12);
/// What clocks may differ by.
const SKEW: Duration = Duration::from_mins(1);

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is for.
    pub usage: KeyUse,
    /// Its name; without one, its `kid` serves.
    pub id: Option<String>,
    /// The principal that may use it, of a request key.
    pub owner: Option<String>,
}

/// The outcome of [`Keyring::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The key's name.
    pub id: String,
    /// The name on the wire.
    pub kid: String,
}

/// The outcome of [`Keyring::revoke`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The key.
    pub key: Created,
    /// Whether that changed the keyring: not, where it was so already.
    pub changed: bool,
}

/// How long a replaced key is still accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// As long as something that it signed can be in circulation.
    Standard,
    /// This long; shorter than the standard only when `emergency`.
    For {
        /// How long.
        duration: Duration,
        /// Live tokens may be cut off.
        emergency: bool,
    },
}

/// The longest name of an owner, in bytes: that of a token's subject.
const OWNER: usize = 512;

/// The outcome of [`Keyring::rotate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that is active now.
    pub new: Created,
    /// The key that was.
    pub old: Created,
    /// Until when the old one is accepted; none: until revoked.
    pub verify_until: Option<UnixSeconds>,
}

impl Keyring {
    /// Adds a new key with a new secret, active at once.
    pub fn create(&mut self, new: NewKey, now: UnixSeconds) -> Result<Created, KeyringError> {
        if new.usage == KeyUse::Request && new.owner.is_none() {
            return Err(KeyringError::NoOwner);
        }
        // It is compared with the subjects of tokens, and is written to logs.
        let is_name =
            |text: &str| !text.is_empty() && text.len() <= OWNER && !text.contains(char::is_control);
        if new.owner.as_deref().is_some_and(|owner| !is_name(owner)) {
            return Err(KeyringError::Owner { limit: OWNER });
        }
        if new.usage == KeyUse::Token {
            // One signs; a second active one would take over silently.
            if let Ok(active) = self.active(KeyUse::Token) {
                return Err(KeyringError::ActiveExists { usage: new.usage, id: active.id.clone() });
            }
        }
        let (algorithm, secret, public, mut kid) = generate(new.usage);
        if let (KeyUse::Request, Some(id)) = (new.usage, &new.id) {
            kid.clone_from(id);
        }
        self.insert(Key {
            id: new.id.unwrap_or_else(|| kid.clone()),
            kid,
            usage: new.usage,
            algorithm,
            state: KeyState::Active,
            created: now,
            verify_until: None,
            revoked: None,
            compromised: false,
            unload: false,
            owner: new.owner,
            public,
            secret,
        })
    }

    /// Adds a certificate authority's key, PKCS#8 DER, under the name `id`.
    pub fn add_ca(
        &mut self,
        id: &str,
        pkcs8: SecretBytes,
        now: UnixSeconds,
    ) -> Result<Created, KeyringError> {
        self.insert(Key {
            id: id.to_owned(),
            kid: id.to_owned(),
            usage: KeyUse::Ca,
            algorithm: Algorithm::ES256,
            state: KeyState::Active,
            created: now,
            verify_until: None,
            revoked: None,
            compromised: false,
            unload: false,
            owner: None,
            public: None,
            secret: pkcs8,
        })
    }

    fn insert(&mut self, key: Key) -> Result<Created, KeyringError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if key.id.is_empty() || key.id.len() > 64 || !key.id.chars().all(valid) {
            return Err(KeyringError::KeyName { id: key.id });
        }
        if self.keys.iter().any(|other| other.answers_to(&key.id) || other.answers_to(&key.kid)) {
            return Err(KeyringError::KeyExists { id: key.id });
        }
        let created = Created { id: key.id.clone(), kid: key.kid.clone() };
        self.keys.push(key);
        Ok(created)
    }

    /// Replaces the active key for `usage` (or the one that is called `name`) by
    /// a new one; the old one is accepted for the length of `overlap`.
    pub fn rotate(
        &mut self,
        usage: KeyUse,
        name: Option<&str>,
        overlap: Overlap,
        now: UnixSeconds,
    ) -> Result<Rotated, KeyringError> {
        let old = match name {
            Some(name) => self.get(name)?,
            // Request keys have owners: which of several is meant must be said.
            None if self.of(usage).filter(|key| key.state == KeyState::Active).count() > 1 => {
                return Err(KeyringError::Ambiguous { usage });
            }
            None => self.active(usage)?,
        };
        if old.usage != usage {
            return Err(KeyringError::WrongUse { id: old.id.clone(), found: old.usage, wanted: usage });
        }
        if old.state != KeyState::Active {
            return Err(KeyringError::NotUsable { id: old.id.clone(), state: old.state });
        }
        let verify_until = until(usage, overlap, now)?;
        let (old, owner) = (Created { id: old.id.clone(), kid: old.kid.clone() }, old.owner.clone());
        for key in self.keys.iter_mut().filter(|key| key.kid == old.kid) {
            key.state = KeyState::Retiring;
            key.verify_until = verify_until;
        }
        let new = self.create(NewKey { usage, id: None, owner }, now)?;
        Ok(Rotated { new, old, verify_until })
    }

    /// Kills the key that is called `name`. A second time changes nothing, but may
    /// add that it is compromised.
    pub fn revoke(
        &mut self,
        name: &str,
        compromised: bool,
        now: UnixSeconds,
    ) -> Result<Revoked, KeyringError> {
        let key = self
            .keys
            .iter_mut()
            .find(|key| key.answers_to(name))
            .ok_or_else(|| KeyringError::NoSuchKey { id: name.to_owned() })?;
        let changed = key.state != KeyState::Revoked || (compromised && !key.compromised);
        key.state = KeyState::Revoked;
        key.revoked.get_or_insert(now);
        key.compromised |= compromised;
        Ok(Revoked { key: Created { id: key.id.clone(), kid: key.kid.clone() }, changed })
    }

    /// Has servers withdraw the models that the revoked key called `name` opened or
    /// vouched for. Returns whether that changed the keyring.
    pub fn unload(&mut self, name: &str) -> Result<bool, KeyringError> {
        let key = self
            .keys
            .iter_mut()
            .find(|key| key.answers_to(name))
            .ok_or_else(|| KeyringError::NoSuchKey { id: name.to_owned() })?;
        match (key.usage, key.state) {
            (KeyUse::Model | KeyUse::Signer, KeyState::Revoked) => {
                Ok(!std::mem::replace(&mut key.unload, true))
            }
            (KeyUse::Model | KeyUse::Signer, state) => {
                Err(KeyringError::NotRevoked { id: key.id.clone(), state })
            }
            (usage, _) => Err(KeyringError::NothingToUnload { id: key.id.clone(), usage }),
        }
    }
}

fn generate(usage: KeyUse) -> (Algorithm, SecretBytes, Option<Jwk>, String) {
    match usage {
        KeyUse::Token | KeyUse::Ca => {
            let pair = P256::generate();
            let jwk = Jwk::p256(&pair.x, &pair.y);
            let kid = jwk.thumbprint();
            (Algorithm::ES256, pair.pkcs8, Some(jwk), kid)
        }
        KeyUse::Model => {
            let secret: Secret<32> = random::secret();
            let kid = HEXLOWER.encode(&kdf::key_id(&secret));
            (Algorithm::Cobblestone256, secret.expose().to_vec().into(), None, kid)
        }
        KeyUse::Signer => {
            let key = SigningKey::generate();
            let kid = HEXLOWER.encode(&key.public().id());
            (Algorithm::Ed25519, key.pkcs8().clone(), None, kid)
        }
        KeyUse::Request => {
            let secret: Secret<32> = random::secret();
            let kid = format!("rk-{}", HEXLOWER.encode(&random::bytes::<8>()));
            (Algorithm::HmacSha256, secret.expose().to_vec().into(), None, kid)
        }
    }
}

/// A model key has no end of its own: files that it wraps must be rewrapped first.
/// Nor has a signer key: files that it signed must be signed again first.
fn until(usage: KeyUse, overlap: Overlap, now: UnixSeconds) -> Result<Option<UnixSeconds>, KeyringError> {
    let least = DEFAULT_MAX_TOKEN_LIFETIME + SKEW;
    match overlap {
        Overlap::Standard if matches!(usage, KeyUse::Model | KeyUse::Signer) => Ok(None),
        Overlap::Standard => Ok(Some(now + least.as_secs())),
        Overlap::For { duration, emergency } => {
            if duration < least && usage == KeyUse::Token && !emergency {
                return Err(KeyringError::ShortOverlap { given: duration.as_secs(), least: least.as_secs() });
            }
            Ok(Some(now.saturating_add(duration.as_secs())))
        }
    }
}
