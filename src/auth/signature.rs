//! Who signed a request: the key must be known and in force, and the caller's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{AuthError, NonceStore, Principal};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::keyring::{Key, KeyUse, Keyring};
use crate::signing::{self, Binding, Received, RequestKey, ResponseHead, SignatureFields, SigningError};

/// The request keys of one keyring generation.
pub struct RequestKeys {
    keys: HashMap<String, OwnedKey>,
    window: Duration,
}

struct OwnedKey {
    key: Key,
    signing: Arc<RequestKey>,
    /// The key's name, which the records of its requests share.
    id: Arc<str>,
}

/// A request whose signature holds. Whether it came before is decided when it
/// is [accepted](Self::accept).
#[derive(Debug)]
pub struct SignedRequest {
    key: Arc<RequestKey>,
    id: Arc<str>,
    nonce: String,
    created: UnixSeconds,
    expires: UnixSeconds,
    digest: Option<Digest>,
    covers_accept_encoding: bool,
    binding: Binding,
}

impl RequestKeys {
    /// The request keys of `keyring`, for signatures that hold at most for `window`.
    pub fn new(keyring: &Keyring, window: Duration) -> Self {
        let own = |key: &Key| {
            let signing = Arc::new(RequestKey::of(key).ok()?);
            let id = signing.id().into();
            Some((key.kid.clone(), OwnedKey { key: key.without_secret(), signing, id }))
        };
        Self { keys: keyring.of(KeyUse::Request).filter_map(own).collect(), window }
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
            id: Arc::clone(&known.id),
            nonce: received.nonce().to_owned(),
            created: received.created(),
            expires: received.expires(),
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
    /// Accepts the request, the first time only, as `nonces` remember; one that was possibly
    /// accepted before they began to remember, never.
    pub async fn accept(&self, nonces: &dyn NonceStore, now: UnixSeconds) -> Result<(), AuthError> {
        let settled = nonces.settled();
        if self.created < settled {
            return Err(AuthError::TooSoon { wait: settled.saturating_sub(now).max(1) });
        }
        nonces.take(self.key(), &self.nonce, self.expires, now).await
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

    /// The same, shared.
    pub fn key_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
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
