//! The public keys as a JWK Set (RFC 7517, section 5), for other verifiers.

use serde::Serialize;

use crate::clock::UnixSeconds;
use crate::keyring::{Jwk, KeyUse, Keyring};

/// The token keys that are accepted, without any secret.
#[derive(Debug, Clone, Serialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<PublicJwk>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
pub struct PublicJwk {
    #[serde(flatten)]
    jwk: Jwk,
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: String,
}

impl JwkSet {
    /// The token keys that `keyring` accepts at `now`. Symmetric keys have no
    /// public half, so none can appear.
    pub fn new(keyring: &Keyring, now: UnixSeconds) -> Self {
        let keys = keyring
            .of(KeyUse::Token)
            .filter(|key| key.state_at(now).is_accepted())
            .filter_map(|key| {
                Some(PublicJwk {
                    jwk: key.public.clone()?,
                    kid: key.kid.clone(),
                    usage: "sig",
                    alg: key.algorithm.to_string(),
                })
            })
            .collect();
        Self { keys }
    }
}
