//! Verifies signed requests. The key must be accepted now and belong to the caller.

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

/// A request with a valid signature. [`accept`](Self::accept) checks that it is no replay.
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
    /// The request keys of `keyring`. Signatures may be valid for at most `window`.
    pub fn new(keyring: &Keyring, window: Duration) -> Self {
        let own = |key: &Key| {
            let signing = Arc::new(RequestKey::of(key).ok()?);
            let id = signing.id().into();
            Some((key.kid.clone(), OwnedKey { key: key.without_secret(), signing, id }))
        };
        Self { keys: keyring.of(KeyUse::Request).filter_map(own).collect(), window }
    }

    /// Whether there are no request keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies the signature of a request from `principal`, before its body is read.
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
    /// Stores the request's nonce. Fails for a replay, and for a signature that may have been
    /// accepted before the store started.
    pub async fn accept(&self, nonces: &dyn NonceStore, now: UnixSeconds) -> Result<(), AuthError> {
        let settled = nonces.settled();
        if self.created < settled {
            return Err(AuthError::TooSoon { wait: settled.saturating_sub(now).max(1) });
        }
        nonces.take(self.key(), &self.nonce, self.expires, now).await
    }

    /// SHA-256 of the signed body; `None` if the request was signed without a body.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the response may be compressed. Most HTTP libraries ask for compression on their
    /// own, and decompress before their caller can verify the signed bytes.
    pub fn takes_compressed(&self) -> bool {
        self.covers_accept_encoding
    }

    /// The id of the key that signed the request.
    pub fn key(&self) -> &str {
        self.key.id()
    }

    /// The same id, shared.
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
