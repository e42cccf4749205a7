//! From what a request brings to who sent it.

use std::collections::HashMap;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{AuthError, Scopes};
use crate::clock::UnixSeconds;
use crate::crypto::digest::{self, Digest};
use crate::keyring::{Key, KeyUse, Keyring};
use crate::token::{self, Claims, Expected, TokenError, VerifyingKey};

/// Tokens whose signatures are remembered.
const CACHE: usize = 16 * 1024;

/// What a request brings to prove who sent it.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    /// The values of all `Authorization` fields.
    pub authorization: Vec<&'a [u8]>,
    /// How many `X-Api-Key` fields there are.
    pub api_keys: usize,
}

/// Who sent a request, proven.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Identity>);

#[derive(Debug)]
struct Identity {
    claims: Claims,
    scopes: Scopes,
    kid: String,
}

impl Principal {
    /// The name: the token's subject.
    pub fn name(&self) -> &str {
        &self.0.claims.sub
    }

    /// What kind of proof it was.
    pub fn proof(&self) -> &'static str {
        "token"
    }

    /// The key that vouched for it.
    pub fn key(&self) -> &str {
        &self.0.kid
    }

    /// The token's own name.
    pub fn token(&self) -> &str {
        &self.0.claims.jti
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }
}

/// Knows the keys of one keyring generation. A new generation needs a new one,
/// and with it an empty cache.
pub struct Authenticator {
    expected: Expected,
    keys: HashMap<String, TokenKey>,
    /// By the token's hash. Holds only "this key's signature is valid and these
    /// are the claims": state, time and rights are judged at every request.
    verified: Cache<Digest, Principal>,
}

struct TokenKey {
    verifying: VerifyingKey,
    key: Key,
}

impl Authenticator {
    /// Accepts the tokens of `keyring` that are meant for `expected`.
    pub fn new(keyring: &Keyring, expected: Expected) -> Result<Self, TokenError> {
        let mut keys = HashMap::new();
        for key in keyring.of(KeyUse::Token) {
            let Some(jwk) = &key.public else { continue };
            let verifying = VerifyingKey::new(jwk, &key.kid)?;
            keys.insert(key.kid.clone(), TokenKey { verifying, key: key.without_secret() });
        }
        Ok(Self { expected, keys, verified: Cache::new(CACHE) })
    }

    /// Who sent a request that brings `evidence`, at `now`. Exactly one
    /// credential must be there.
    pub fn authenticate(&self, evidence: &Evidence<'_>, now: UnixSeconds) -> Result<Principal, AuthError> {
        let authorization = match (&evidence.authorization[..], evidence.api_keys) {
            ([], 0) => return Err(AuthError::Missing),
            ([one], 0) => *one,
            ([], 1) => return Err(AuthError::ApiKey),
            _ => return Err(AuthError::Several),
        };
        self.bearer(bearer(authorization)?, now)
    }

    fn bearer(&self, text: &str, now: UnixSeconds) -> Result<Principal, AuthError> {
        if text.len() > token::MAX_LENGTH {
            return Err(TokenError::TooLong { limit: token::MAX_LENGTH }.into());
        }
        let hash = digest::sha256(&[text.as_bytes()]);
        let principal = if let Some(known) = self.verified.get(&hash) {
            known
        } else {
            let principal = self.verify(text, now)?;
            self.verified.insert(hash, principal.clone());
            principal
        };
        self.accepted(&principal.0.kid, now)?;
        principal.0.claims.check(&self.expected, now)?;
        Ok(principal)
    }

    fn verify(&self, text: &str, now: UnixSeconds) -> Result<Principal, AuthError> {
        let signed = token::read(text)?;
        let kid = signed.kid()?;
        let claims = signed.authenticate(&self.accepted(kid, now)?.verifying)?;
        let scopes = Scopes::from_claim(&claims.scope);
        Ok(Principal(Arc::new(Identity { claims, scopes, kid: kid.to_owned() })))
    }

    /// The key `kid`, if what it signed is accepted at `now`.
    fn accepted(&self, kid: &str, now: UnixSeconds) -> Result<&TokenKey, TokenError> {
        self.keys
            .get(kid)
            .filter(|known| known.key.state_at(now).is_accepted())
            .ok_or_else(|| TokenError::UnknownKey { kid: kid.chars().take(64).collect() })
    }
}

/// The token in an `Authorization` field: `Bearer` in any case, one space, the
/// token (RFC 6750, section 2.1; RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Result<&str, AuthError> {
    let text = std::str::from_utf8(value).map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        Err(AuthError::Scheme)
    } else if token.is_empty() || token.contains(' ') {
        Err(AuthError::Malformed)
    } else {
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{Action, ModelId};
    use crate::keyring::{NewKey, Overlap};
    use crate::token::{Grant, SigningKey};

    const NOW: UnixSeconds = 1_800_000_000;

    fn expected() -> Expected {
        Expected { issuer: "issuer".into(), audience: "audience".into() }
    }

    fn keyring() -> Keyring {
        let mut keyring = Keyring::default();
        keyring.create(NewKey { usage: KeyUse::Token, id: Some("t".into()), owner: None }, NOW).unwrap();
        keyring
    }

    fn mint(keyring: &Keyring) -> String {
        let grant = Grant {
            issuer: "issuer".into(),
            audience: "audience".into(),
            subject: "ann".into(),
            client: "laptop".into(),
            scopes: vec!["model:digits:infer".into()],
            lifetime: Duration::from_mins(5),
        };
        let key = SigningKey::new(keyring.active(KeyUse::Token).unwrap());
        let (token, _) = key.mint(&grant, NOW).unwrap();
        String::from_utf8(token.expose().to_vec()).unwrap()
    }

    fn present(
        authenticator: &Authenticator,
        authorization: &str,
        now: UnixSeconds,
    ) -> Result<Principal, AuthError> {
        let evidence = Evidence { authorization: vec![authorization.as_bytes()], api_keys: 0 };
        authenticator.authenticate(&evidence, now)
    }

    #[test]
    fn a_cached_token_is_still_judged_by_time_and_key_state() {
        let mut keyring = keyring();
        let bearer = format!("Bearer {}", mint(&keyring));
        keyring.rotate(KeyUse::Token, None, Overlap::Standard, NOW).unwrap();
        let authenticator = Authenticator::new(&keyring, expected()).unwrap();
        let principal = present(&authenticator, &bearer, NOW).unwrap();
        assert_eq!(principal.name(), "ann");
        assert!(principal.authorize(Action::Infer, &ModelId::new("digits")).is_ok());
        assert!(principal.authorize(Action::Infer, &ModelId::new("other")).is_err());
        assert!(principal.authorize(Action::Metadata, &ModelId::new("digits")).is_err());
        assert_eq!(
            present(&authenticator, &bearer, NOW + 300).unwrap_err(),
            TokenError::Expired { at: NOW + 300 }.into()
        );
        let late = present(&authenticator, &bearer, NOW + 13 * 3600).unwrap_err();
        assert!(matches!(late, AuthError::Token(TokenError::UnknownKey { .. })));
        keyring.revoke("t", false, NOW).unwrap();
        let authenticator = Authenticator::new(&keyring, expected()).unwrap();
        let revoked = present(&authenticator, &bearer, NOW).unwrap_err();
        assert!(matches!(revoked, AuthError::Token(TokenError::UnknownKey { .. })));
    }

    #[test]
    fn wants_exactly_one_well_formed_credential() {
        let keyring = keyring();
        let token = mint(&keyring);
        let authenticator = Authenticator::new(&keyring, expected()).unwrap();
        let ask = |authorization: &[&str], api_keys| {
            let authorization = authorization.iter().map(|a| a.as_bytes()).collect();
            authenticator.authenticate(&Evidence { authorization, api_keys }, NOW).map(|_| ())
        };
        let bearer = format!("bEARER {token}");
        assert_eq!(ask(&[&bearer], 0), Ok(()));
        assert_eq!(ask(&[], 0), Err(AuthError::Missing));
        assert_eq!(ask(&[&bearer, &bearer], 0), Err(AuthError::Several));
        assert_eq!(ask(&[&bearer], 1), Err(AuthError::Several));
        for malformed in ["Bearer", "Bearer ", &format!("{bearer} x")] {
            assert_eq!(ask(&[malformed], 0), Err(AuthError::Malformed), "{malformed}");
        }
        for other in ["", "Basic YTpi", &token] {
            assert_eq!(ask(&[other], 0), Err(AuthError::Scheme), "{other}");
        }
    }
}
