//! Who signed a request: the key must be known and in force, and the caller's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::replay::Nonces;
use super::{AuthError, Principal, ReplayMemory};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::keyring::{Key, KeyUse, Keyring};
use crate::signing::{self, Binding, Received, RequestKey, ResponseHead, SignatureFields, SigningError};

/// The request keys of one keyring generation.
pub struct RequestKeys {
    keys: HashMap<String, OwnedKey>,
    window: Duration,
    settled: UnixSeconds,
}

struct OwnedKey {
    key: Key,
    signing: Arc<RequestKey>,
    nonces: Arc<Nonces>,
}

/// A request whose signature holds. Whether it came before is decided when it
/// is [accepted](Self::accept).
#[derive(Debug)]
pub struct SignedRequest {
    key: Arc<RequestKey>,
    nonces: Arc<Nonces>,
    nonce: String,
    created: UnixSeconds,
    expires: UnixSeconds,
    settled: UnixSeconds,
    digest: Option<Digest>,
    covers_accept_encoding: bool,
    binding: Binding,
}

impl RequestKeys {
    /// The request keys of `keyring`, whose nonces `memory` keeps, for signatures
    /// that hold at most for `window`.
    pub fn new(keyring: &Keyring, memory: &ReplayMemory, window: Duration) -> Self {
        let own = |key: &Key| {
            let signing = Arc::new(RequestKey::of(key).ok()?);
            let nonces = memory.of(&key.kid);
            Some((key.kid.clone(), OwnedKey { key: key.without_secret(), signing, nonces }))
        };
        let keys = keyring.of(KeyUse::Request).filter_map(own).collect();
        Self { keys, window, settled: memory.settled() }
    }

    /// Whether nobody can sign.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Judges the signature of a request that `principal` sent, body not read yet.
    pub fn verify(
        &self,
        received: Received,
        principal: &Principal,
        now: UnixSeconds,
    ) -> Result<SignedRequest, AuthError> {
        let known = self.in_force(received.key_id(), principal, now)?;
        received.check_window(now, self.window)?;
        received.verify(known.signing.secret())?;
        Ok(SignedRequest {
            key: Arc::clone(&known.signing),
            nonces: Arc::clone(&known.nonces),
            nonce: received.nonce().to_owned(),
            created: received.created(),
            expires: received.expires(),
            settled: self.settled,
            digest: received.digest().copied(),
            covers_accept_encoding: received.covers_accept_encoding(),
            binding: received.into_binding(),
        })
    }

    /// Whether `principal` may still sign with the key of `request`.
    pub fn still_accept(
        &self,
        request: &SignedRequest,
        principal: &Principal,
        now: UnixSeconds,
    ) -> Result<(), AuthError> {
        self.in_force(request.key(), principal, now).map(drop)
    }

    fn in_force(&self, id: &str, principal: &Principal, now: UnixSeconds) -> Result<&OwnedKey, AuthError> {
        let shown = || id.chars().take(64).collect();
        let known = self
            .keys
            .get(id)
            .filter(|known| known.key.state_at(now).is_accepted())
            .ok_or_else(|| AuthError::UnknownRequestKey { id: shown() })?;
        if known.key.owner.as_deref() == Some(principal.name()) {
            Ok(known)
        } else {
            Err(AuthError::NotOwner { id: shown() })
        }
    }
}

impl SignedRequest {
    /// Accepts the request, the first time only; one that a server before this one can
    /// have accepted, never.
    pub fn accept(&self, now: UnixSeconds) -> Result<(), AuthError> {
        if self.created < self.settled {
            return Err(AuthError::TooSoon { wait: self.settled.saturating_sub(now).max(1) });
        }
        self.nonces.take(self.nonce.as_bytes(), self.expires, now)
    }

    /// SHA-256 of the body that was signed; none: there is no body.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the answer may be compressed. Most HTTP libraries ask for that by themselves,
    /// and decompress before their caller sees the bytes that are signed.
    pub fn takes_compressed(&self) -> bool {
        self.covers_accept_encoding
    }

    /// The key that signed.
    pub fn key(&self) -> &str {
        self.key.id()
    }

    /// Signs the response to this request, with the same key.
    pub fn sign_response(
        &self,
        response: &ResponseHead<'_>,
        now: UnixSeconds,
    ) -> Result<SignatureFields, SigningError> {
        signing::sign_response(&self.binding, response, &self.key, now)
    }
}
