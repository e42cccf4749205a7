//! Authenticates API keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::error::ApiKeyError;
use super::principal::{Identity, Principal};
use super::scope::Scopes;
use crate::audit::Actor;
use crate::clock::UnixSeconds;
use crate::crypto::random;
use crate::keyring::{ApiKey, Keyring, Presented};
use crate::secret::Secret;

/// The API keys of one keyring generation.
pub(super) struct ApiKeys {
    keys: HashMap<String, Known>,
    /// Compared with the digest of an unknown key, so that unknown ids take the same time.
    nobody: Secret<32>,
}

struct Known {
    key: ApiKey,
    principal: Principal,
}

impl ApiKeys {
    pub(super) fn new(keyring: &Keyring) -> Self {
        let known = |key: &ApiKey| {
            let scopes = Scopes::from_entries(key.scopes.iter().map(String::as_str));
            let actor = Arc::new(Actor {
                principal: key.subject.clone(),
                proof: "api-key",
                key: key.id.clone(),
                token: None,
            });
            let identity = Identity { scopes, claims: None, actor };
            (key.id.clone(), Known { key: key.clone(), principal: Principal(Arc::new(identity)) })
        };
        Self { keys: keyring.api_keys.iter().map(known).collect(), nobody: random::secret() }
    }

    /// Authenticates the API key `text`, sent from `source`, at `now`. The state of a key is
    /// told only to a caller who has its secret.
    pub(super) fn authenticate(
        &self,
        text: &[u8],
        source: Option<IpAddr>,
        now: UnixSeconds,
    ) -> Result<Principal, ApiKeyError> {
        let presented = Presented::parse(text)?;
        let known = self.keys.get(presented.id());
        // In constant time, and with the same work for an unknown key.
        let expected = known.map_or(&self.nobody, |known| &known.key.digest);
        let proven = presented.digest() == *expected;
        let id = || presented.id().to_owned();
        let Some(Known { key, principal }) = known else {
            return Err(ApiKeyError::Unknown { id: id() });
        };
        if !proven {
            return Err(ApiKeyError::Secret { id: id() });
        }
        if let Some(at) = key.revoked {
            return Err(ApiKeyError::Revoked { id: id(), at });
        }
        if let Some(at) = key.expires.filter(|expires| now >= *expires) {
            return Err(ApiKeyError::Expired { id: id(), at });
        }
        let is_near = |source: IpAddr| key.networks.iter().any(|network| network.contains(source));
        if !key.networks.is_empty() && !source.is_some_and(is_near) {
            return Err(ApiKeyError::Network { id: id(), address: source });
        }
        Ok(principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{Action, AuthError, Authenticator, ConnectionInfo, Credential, ModelId};
    use crate::keyring::{KeyUse, NewApiKey, NewKey, NoApiKey};
    use crate::secret::SecretBytes;
    use crate::token::Expected;

    const NOW: UnixSeconds = 1_800_000_000;

    /// A keyring with one API key of ann's, and its text.
    fn keyring(change: impl FnOnce(&mut NewApiKey)) -> (Keyring, String, String) {
        let mut new = NewApiKey {
            subject: "ann".into(),
            label: None,
            scopes: vec!["model:digits:infer".into()],
            lifetime: None,
            networks: Vec::new(),
        };
        change(&mut new);
        let mut keyring = Keyring::default();
        keyring.create(NewKey { usage: KeyUse::Token, id: None, owner: None }, NOW).unwrap();
        let (key, text) = keyring.create_api_key(new, NOW).unwrap();
        let id = key.id.clone();
        (keyring, id, said(&text))
    }

    fn said(text: &SecretBytes) -> String {
        String::from_utf8(text.expose().to_vec()).unwrap()
    }

    /// The outcome for `text`, which must be the same in both header fields.
    fn ask(
        keyring: &Keyring,
        text: &str,
        source: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Principal, AuthError> {
        let expected = Expected { issuer: "i".into(), audience: "a".into() };
        let authenticator = Authenticator::new(keyring, expected).unwrap();
        let peer = |source: &str| ConnectionInfo::new((source.parse::<IpAddr>().unwrap(), 1).into());
        let connection = source.map_or_else(ConnectionInfo::offline, peer);
        let ask = |credential| authenticator.authenticate(&connection, &[credential], now);
        let one = ask(Credential::ApiKey(text.to_owned().into()));
        let other = ask(Credential::Authorization(format!("Bearer {text}").into()));
        assert_eq!(one.as_ref().err(), other.as_ref().err());
        one
    }

    #[track_caller]
    fn refused(outcome: Result<Principal, AuthError>, expected: ApiKeyError) {
        assert_eq!(outcome.unwrap_err(), AuthError::ApiKey(expected));
    }

    #[test]
    fn a_key_names_its_subject_and_allows_its_scopes() {
        let (keyring, id, text) = keyring(|_| {});
        let principal = ask(&keyring, &text, None, NOW).unwrap();
        assert_eq!((principal.name(), principal.proof()), ("ann", "api-key"));
        assert_eq!((principal.key(), principal.token()), (id.as_str(), None));
        assert!(principal.authorize(Action::Infer, &ModelId::new("digits")).is_ok());
        assert!(principal.authorize(Action::Infer, &ModelId::new("other")).is_err());
        assert!(principal.authorize(Action::Metadata, &ModelId::new("digits")).is_err());
    }

    #[test]
    fn a_scope_that_is_none_allows_nothing() {
        let (keyring, _, text) = keyring(|new| new.scopes = vec!["x model:digits:infer".into()]);
        let principal = ask(&keyring, &text, None, NOW).unwrap();
        assert!(principal.authorize(Action::Infer, &ModelId::new("digits")).is_err());
    }

    #[test]
    fn only_the_whole_key_is_accepted() {
        let (keyring, id, text) = keyring(|_| {});
        // Well-formed keys: another's id, and this id with another's secret.
        let (_, stranger, foreign) = super::tests::keyring(|_| {});
        refused(ask(&keyring, &foreign, None, NOW), ApiKeyError::Unknown { id: stranger });
        let body = format!("ss_{id}_{}", &foreign[16..59]);
        let forged = with_checksum(&body);
        refused(ask(&keyring, &forged, None, NOW), ApiKeyError::Secret { id });
        let mut mistyped = text.clone().into_bytes();
        mistyped[30] = if mistyped[30] == b'x' { b'y' } else { b'x' };
        let mistyped = String::from_utf8(mistyped).unwrap();
        refused(ask(&keyring, &mistyped, None, NOW), ApiKeyError::Malformed(NoApiKey::Checksum));
        for bad in [&text[..64], &format!("{text}0"), "ss_", "ss_x_y"] {
            refused(ask(&keyring, bad, None, NOW), ApiKeyError::Malformed(NoApiKey::Form));
        }
    }

    /// The checksum, by another way to compute it.
    fn with_checksum(body: &str) -> String {
        let mut crc = u32::MAX;
        for byte in body.bytes() {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let (mut rest, mut sum) = (!crc, String::new());
        for _ in 0..6 {
            sum.insert(0, digits.chars().nth((rest % 62) as usize).unwrap());
            rest /= 62;
        }
        format!("{body}{sum}")
    }

    #[test]
    fn a_key_ends_at_the_second_that_it_says_and_when_it_is_revoked() {
        let (mut keyring, id, text) = keyring(|new| new.lifetime = Some(Duration::from_mins(1)));
        assert!(ask(&keyring, &text, None, NOW + 59).is_ok());
        let expired = ApiKeyError::Expired { id: id.clone(), at: NOW + 60 };
        refused(ask(&keyring, &text, None, NOW + 60), expired);
        keyring.revoke_api_key(&id, false, NOW + 7).unwrap();
        for now in [NOW, NOW + 60] {
            refused(ask(&keyring, &text, None, now), ApiKeyError::Revoked { id: id.clone(), at: NOW + 7 });
        }
    }

    #[test]
    fn a_key_of_networks_is_accepted_from_there_alone() {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let (keyring, id, text) = keyring(|new| new.networks = networks.to_vec());
        for near in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert!(ask(&keyring, &text, Some(near), NOW).is_ok(), "{near}");
        }
        for far in [Some("11.0.0.1"), Some("2001:db9::"), Some("::1"), None] {
            let address = far.map(|far| far.parse().unwrap());
            refused(ask(&keyring, &text, far, NOW), ApiKeyError::Network { id: id.clone(), address });
        }
    }

    #[test]
    fn what_a_wrong_secret_is_told_does_not_depend_on_the_state() {
        let (mut keyring, id, _) = keyring(|new| new.networks = vec!["10.0.0.0/8".parse().unwrap()]);
        let forged = with_checksum(&format!("ss_{id}_{}", "x".repeat(43)));
        keyring.revoke_api_key(&id, true, NOW).unwrap();
        refused(ask(&keyring, &forged, None, NOW), ApiKeyError::Secret { id });
    }
}
