//! Issuers of tokens: their keys, the policy for claims, and the rights that claims give. The
//! keyring is one.

use std::collections::HashMap;
use std::sync::Arc;

use super::principal::{Identity, Principal};
use super::scope::Scopes;
use crate::audit::Actor;
use crate::clock::UnixSeconds;
use crate::keyring::{Key, KeyUse, Keyring};
use crate::token::{self, Claims, Expected, TokenError, VerifyingKey};

/// One issuer of tokens.
pub(super) struct Issuer {
    /// What the claims must contain.
    policy: Expected,
    keys: HashMap<String, TokenKey>,
}

struct TokenKey {
    verifying: VerifyingKey,
    key: Key,
}

impl Issuer {
    /// The issuer whose keys are in `keyring` and whose tokens must satisfy `policy`.
    pub(super) fn of_keyring(keyring: &Keyring, policy: Expected) -> Result<Self, TokenError> {
        let mut keys = HashMap::new();
        for key in keyring.of(KeyUse::Token) {
            let Some(jwk) = &key.public else { continue };
            let verifying = VerifyingKey::new(jwk, &key.kid)?;
            keys.insert(key.kid.clone(), TokenKey { verifying, key: key.without_secret() });
        }
        Ok(Self { policy, keys })
    }

    /// Verifies the signature of the token `text`. [`check`](Self::check) then checks its key's
    /// state and its claims.
    pub(super) fn verify(&self, text: &str, now: UnixSeconds) -> Result<Principal, TokenError> {
        let signed = token::read(text)?;
        let kid = signed.kid()?;
        let claims = signed.authenticate(&self.accepted(kid, now)?.verifying)?;
        let actor = Arc::new(Actor {
            principal: claims.sub.clone(),
            proof: "token",
            key: kid.to_owned(),
            token: Some(claims.jti.clone()),
        });
        Ok(Principal(Arc::new(Identity { scopes: Self::scopes(&claims), claims: Some(claims), actor })))
    }

    /// Checks at `now` that the key `kid` is accepted and that `claims` satisfy the policy.
    pub(super) fn check(&self, kid: &str, claims: &Claims, now: UnixSeconds) -> Result<(), TokenError> {
        self.accepted(kid, now)?;
        claims.check(&self.policy, now)
    }

    /// The rights that `claims` give. Tokens of the keyring use this server's own scopes.
    fn scopes(claims: &Claims) -> Scopes {
        Scopes::from_claim(&claims.scope)
    }

    /// The key `kid`, if what it signed is accepted at `now`.
    fn accepted(&self, kid: &str, now: UnixSeconds) -> Result<&TokenKey, TokenError> {
        self.keys
            .get(kid)
            .filter(|known| known.key.state_at(now).is_accepted())
            .ok_or_else(|| TokenError::UnknownKey { kid: kid.chars().take(64).collect() })
    }
}
