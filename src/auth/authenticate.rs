//! From what a request brings to who sent it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::apikey::ApiKeys;
use super::principal::{Identity, Proof};
use super::{AuthError, Principal, Scopes};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::keyring::{self, Key, KeyUse, Keyring};
use crate::token::{self, Expected, TokenError, VerifyingKey};

/// Tokens whose signatures are remembered.
const CACHE: usize = 16 * 1024;

/// What a request brings to prove who sent it.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    /// The values of all `Authorization` fields.
    pub authorization: Vec<&'a [u8]>,
    /// The values of all `X-Api-Key` fields.
    pub api_keys: Vec<&'a [u8]>,
    /// From where; what is bound to a network is not accepted from an unknown place.
    pub source: Option<IpAddr>,
}

/// Knows the keys of one keyring generation. A new generation needs a new one,
/// and with it an empty cache.
pub struct Authenticator {
    expected: Expected,
    keys: HashMap<String, TokenKey>,
    api_keys: ApiKeys,
    /// By the token's fingerprint. Holds only "this key's signature is valid and these
    /// are the claims": state, time and rights are judged at every request.
    verified: Cache<Digest, Principal>,
}

struct TokenKey {
    verifying: VerifyingKey,
    key: Key,
}

impl Authenticator {
    /// Accepts the API keys of `keyring`, and its tokens that are meant for `expected`.
    pub fn new(keyring: &Keyring, expected: Expected) -> Result<Self, TokenError> {
        let mut keys = HashMap::new();
        for key in keyring.of(KeyUse::Token) {
            let Some(jwk) = &key.public else { continue };
            let verifying = VerifyingKey::new(jwk, &key.kid)?;
            keys.insert(key.kid.clone(), TokenKey { verifying, key: key.without_secret() });
        }
        Ok(Self { expected, keys, api_keys: ApiKeys::new(keyring), verified: Cache::new(CACHE) })
    }

    /// Who sent a request that brings `evidence`, at `now`. Exactly one
    /// credential must be there.
    pub fn authenticate(&self, evidence: &Evidence<'_>, now: UnixSeconds) -> Result<Principal, AuthError> {
        match (&evidence.authorization[..], &evidence.api_keys[..]) {
            ([], []) => Err(AuthError::Missing),
            ([], [key]) => Ok(self.api_keys.authenticate(key, evidence.source, now)?),
            ([field], []) => {
                let text = bearer(field)?;
                if keyring::is_meant(text) {
                    Ok(self.api_keys.authenticate(text.as_bytes(), evidence.source, now)?)
                } else {
                    self.token(text, now)
                }
            }
            _ => Err(AuthError::Several),
        }
    }

    fn token(&self, text: &str, now: UnixSeconds) -> Result<Principal, AuthError> {
        let fingerprint = token::fingerprint(text);
        let known = fingerprint.and_then(|fingerprint| self.verified.get(&fingerprint));
        let principal = if let Some(known) = known {
            known
        } else {
            let principal = self.verify(text, now)?;
            if let Some(fingerprint) = fingerprint {
                self.verified.insert(fingerprint, principal.clone());
            }
            principal
        };
        // The cache holds nothing else.
        let Proof::Token(claims) = &principal.0.proof else { return Err(TokenError::Envelope.into()) };
        self.accepted(&principal.0.key, now)?;
        claims.check(&self.expected, now)?;
        Ok(principal)
    }

    fn verify(&self, text: &str, now: UnixSeconds) -> Result<Principal, AuthError> {
        let signed = token::read(text)?;
        let kid = signed.kid()?;
        let claims = signed.authenticate(&self.accepted(kid, now)?.verifying)?;
        let scopes = Scopes::from_claim(&claims.scope);
        Ok(Principal(Arc::new(Identity { scopes, key: kid.to_owned(), proof: Proof::Token(claims) })))
    }

    /// The key `kid`, if what it signed is accepted at `now`.
    fn accepted(&self, kid: &str, now: UnixSeconds) -> Result<&TokenKey, TokenError> {
        self.keys
            .get(kid)
            .filter(|known| known.key.state_at(now).is_accepted())
            .ok_or_else(|| TokenError::UnknownKey { kid: kid.chars().take(64).collect() })
    }
}

/// The credential in an `Authorization` field: `Bearer` in any case, one space or several,
/// the credential (RFC 6750, section 2.1; RFC 9110, section 11.4).
fn bearer(value: &[u8]) -> Result<&str, AuthError> {
    let text = std::str::from_utf8(value).map_err(|_| AuthError::Malformed)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let token = rest.trim_start_matches(' ');
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
        let evidence = Evidence { authorization: vec![authorization.as_bytes()], ..Evidence::default() };
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

    /// Whoever has a token can write its signature in a second way (r, n - s), and base64url
    /// can end in bits that mean nothing.
    #[test]
    fn a_token_is_one_token_however_it_is_written() {
        let keyring = keyring();
        let token = mint(&keyring);
        let authenticator = Authenticator::new(&keyring, expected()).unwrap();
        let twin = token::testing::twin(&token);
        assert_ne!(twin, token);
        for text in [&token, &twin, &token] {
            assert_eq!(present(&authenticator, &format!("Bearer {text}"), NOW).unwrap().name(), "ann");
        }
        assert_eq!(authenticator.verified.len(), 1);
        // 64 bytes take 86 characters, whose last 4 bits must be 0: A, Q, g or w.
        let (head, last) = token.split_at(token.len() - 1);
        let next = match last {
            "A" => "B",
            "Q" => "R",
            "g" => "h",
            _ => "x",
        };
        let spelled = present(&authenticator, &format!("Bearer {head}{next}"), NOW).unwrap_err();
        assert_eq!(spelled, TokenError::Envelope.into());
        for other in [format!("{token}AA"), token[..token.len() - 4].to_owned()] {
            assert!(present(&authenticator, &format!("Bearer {other}"), NOW).is_err());
        }
        assert_eq!(authenticator.verified.len(), 1);
    }

    #[test]
    fn wants_exactly_one_well_formed_credential() {
        let keyring = keyring();
        let token = mint(&keyring);
        let authenticator = Authenticator::new(&keyring, expected()).unwrap();
        let ask = |authorization: &[&str], api_keys| {
            let authorization = authorization.iter().map(|a| a.as_bytes()).collect();
            let evidence = Evidence { authorization, api_keys: vec![b"ss_x"; api_keys], source: None };
            authenticator.authenticate(&evidence, NOW).map(|_| ())
        };
        let bearer = format!("bEARER {token}");
        assert_eq!(ask(&[&bearer], 0), Ok(()));
        assert_eq!(ask(&[&format!("Bearer   {token}")], 0), Ok(()));
        assert_eq!(ask(&[], 0), Err(AuthError::Missing));
        assert_eq!(ask(&[&bearer, &bearer], 0), Err(AuthError::Several));
        assert_eq!(ask(&[&bearer], 1), Err(AuthError::Several));
        assert_eq!(ask(&[], 2), Err(AuthError::Several));
        for malformed in ["Bearer", "Bearer ", "Bearer   ", &format!("{bearer} x"), &format!("{bearer} ")] {
            assert_eq!(ask(&[malformed], 0), Err(AuthError::Malformed), "{malformed}");
        }
        for other in ["", "Basic YTpi", &token, &format!("Bearer\t{token}"), &format!(" Bearer {token}")] {
            assert_eq!(ask(&[other], 0), Err(AuthError::Scheme), "{other}");
        }
    }
}
