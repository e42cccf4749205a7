//! Authenticates credentials.

use quick_cache::sync::Cache;

use super::apikey::ApiKeys;
use super::credential::bearer;
use super::issuer::Issuer;
use super::{AuthError, ConnectionInfo, Credential, Principal};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::keyring::{self, Keyring};
use crate::token::{self, Expected, TokenError};

/// The number of verified tokens that are cached.
const CACHE: usize = 16 * 1024;

/// Authenticates credentials against one generation of the keyring. A new generation needs a
/// new authenticator, which starts with an empty cache.
pub struct Authenticator {
    issuer: Issuer,
    api_keys: ApiKeys,
    /// By the token's fingerprint. An entry says only that the signature is valid and what the
    /// claims are; key state, times and rights are checked at every request.
    verified: Cache<Digest, Principal>,
}

impl Authenticator {
    /// Accepts the API keys of `keyring`, and its tokens that are meant for `expected`.
    pub fn new(keyring: &Keyring, expected: Expected) -> Result<Self, TokenError> {
        let issuer = Issuer::of_keyring(keyring, expected)?;
        Ok(Self { issuer, api_keys: ApiKeys::new(keyring), verified: Cache::new(CACHE) })
    }

    /// Authenticates the sender of a request with `credentials` on `connection`, at `now`.
    /// There must be exactly one credential.
    pub fn authenticate(
        &self,
        connection: &ConnectionInfo,
        credentials: &[Credential],
        now: UnixSeconds,
    ) -> Result<Principal, AuthError> {
        match credentials {
            [] => Err(AuthError::Missing),
            [Credential::ApiKey(key)] => Ok(self.api_keys.authenticate(key, connection.source(), now)?),
            [Credential::Authorization(value)] => {
                let text = bearer(value)?;
                if keyring::is_meant(text) {
                    Ok(self.api_keys.authenticate(text.as_bytes(), connection.source(), now)?)
                } else {
                    Ok(self.token(text, now)?)
                }
            }
            _ => Err(AuthError::Several),
        }
    }

    fn token(&self, text: &str, now: UnixSeconds) -> Result<Principal, TokenError> {
        let fingerprint = token::fingerprint(text);
        let known = fingerprint.and_then(|fingerprint| self.verified.get(&fingerprint));
        let principal = if let Some(known) = known {
            known
        } else {
            let principal = self.issuer.verify(text, now)?;
            if let Some(fingerprint) = fingerprint {
                self.verified.insert(fingerprint, principal.clone());
            }
            principal
        };
        // Only tokens are cached, so there are claims.
        let Some(claims) = &principal.0.claims else { return Err(TokenError::Envelope) };
        self.issuer.check(principal.key(), claims, now)?;
        Ok(principal)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::auth::{Action, ModelId};
    use crate::keyring::{KeyUse, NewKey, Overlap};
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
        let credential = Credential::Authorization(Bytes::copy_from_slice(authorization.as_bytes()));
        authenticator.authenticate(&ConnectionInfo::offline(), &[credential], now)
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

    /// An ECDSA signature (r, s) is also valid as (r, n - s), and base64url can end in unused
    /// bits. Neither may make a second token out of one.
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
            let fields = authorization.iter().map(|a| Credential::Authorization((*a).to_owned().into()));
            let keys = (0..api_keys).map(|_| Credential::ApiKey("ss_x".into()));
            let credentials: Vec<_> = fields.chain(keys).collect();
            authenticator.authenticate(&ConnectionInfo::offline(), &credentials, NOW).map(|_| ())
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
