//! Minting.

use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, EncodingKey};

use super::claims::{Audience, Claims, Header, SCOPE_LIMIT};
use super::{MAX_LENGTH, TokenError};
use crate::clock::UnixSeconds;
use crate::crypto::random;
use crate::keyring::{DEFAULT_MAX_TOKEN_LIFETIME, Key};
use crate::secret::SecretBytes;

/// A private key that signs tokens.
pub struct SigningKey {
    key: EncodingKey,
    kid: String,
}

/// What a new token shall say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `sub`.
    pub subject: String,
    /// `client_id`.
    pub client: String,
    /// `scope`, one entry each.
    pub scopes: Vec<String>,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
}

/// The longest name in a token, in bytes.
const NAME: usize = 512;

impl Grant {
    /// What a token says is written to logs, and compared with what others say.
    fn check(&self) -> Result<(), TokenError> {
        let names = [
            ("issuer (iss)", &self.issuer),
            ("audience (aud)", &self.audience),
            ("subject (sub)", &self.subject),
            ("client (client_id)", &self.client),
        ];
        let scopes = self.scopes.iter().map(|scope| ("scope", scope));
        for (field, text) in names.into_iter().chain(scopes) {
            if text.is_empty() || text.len() > NAME || text.contains(char::is_control) {
                return Err(TokenError::Field { field, limit: NAME });
            }
        }
        Ok(())
    }
}

impl SigningKey {
    /// The signing key in `key`, a token key.
    pub fn new(key: &Key) -> Self {
        Self { key: EncodingKey::from_ec_der(key.secret.expose()), kid: key.kid.clone() }
    }

    /// The key's name in tokens.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs a token that grants `grant` from `now` on.
    pub fn mint(&self, grant: &Grant, now: UnixSeconds) -> Result<(SecretBytes, Claims), TokenError> {
        let (given, limit) = (grant.lifetime.as_secs(), DEFAULT_MAX_TOKEN_LIFETIME.as_secs());
        if given > limit || given == 0 {
            return Err(TokenError::Lifetime { given, limit });
        }
        grant.check()?;
        let claims = Claims {
            iss: grant.issuer.clone(),
            sub: grant.subject.clone(),
            aud: Audience::One(grant.audience.clone()),
            client_id: grant.client.clone(),
            iat: now,
            exp: now + given,
            nbf: None,
            jti: HEXLOWER.encode(&random::bytes::<16>()),
            scope: grant.scopes.join(" "),
            cnf: None,
        };
        if claims.scope.len() > SCOPE_LIMIT {
            return Err(TokenError::TooLong { limit: SCOPE_LIMIT });
        }
        let header = Header { typ: Some("at+jwt".into()), alg: "ES256".into(), kid: Some(self.kid.clone()) };
        let token = self.sign(&header, &claims)?;
        if token.len() > MAX_LENGTH {
            return Err(TokenError::TooLong { limit: MAX_LENGTH });
        }
        Ok((SecretBytes::from(token), claims))
    }

    fn sign(&self, header: &Header, claims: &Claims) -> Result<String, TokenError> {
        let part = |json: serde_json::Result<Vec<u8>>| {
            json.map(|json| BASE64URL_NOPAD.encode(&json))
                .map_err(|error| TokenError::Claims { detail: error.to_string() })
        };
        let mut token = part(serde_json::to_vec(header))?;
        token.push('.');
        token.push_str(&part(serde_json::to_vec(claims))?);
        let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &self.key, Algorithm::ES256)
            .map_err(|_| TokenError::Key)?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{KeyUse, Keyring, NewKey};

    #[test]
    fn names_that_are_empty_or_would_disturb_a_terminal_are_refused() {
        let mut keyring = Keyring::default();
        keyring.create(NewKey { usage: KeyUse::Token, id: None, owner: None }, 0).unwrap();
        let key = SigningKey::new(keyring.active(KeyUse::Token).unwrap());
        let good = || Grant {
            issuer: "issuer".into(),
            audience: "audience".into(),
            subject: "Grüße, ann".into(),
            client: "laptop".into(),
            scopes: vec!["model:digits:infer".into()],
            lifetime: Duration::from_mins(5),
        };
        assert!(key.mint(&good(), 0).is_ok());
        let fields: [(&str, fn(&mut Grant) -> &mut String); 5] = [
            ("iss", |grant| &mut grant.issuer),
            ("aud", |grant| &mut grant.audience),
            ("sub", |grant| &mut grant.subject),
            ("client_id", |grant| &mut grant.client),
            ("scope", |grant| &mut grant.scopes[0]),
        ];
        for (name, field) in fields {
            for bad in ["", "a\nb", "\u{1b}[31m", "\0", "\u{85}", &"x".repeat(NAME + 1)] {
                let mut grant = good();
                bad.clone_into(field(&mut grant));
                let error = key.mint(&grant, 0).err().unwrap();
                assert!(matches!(error, TokenError::Field { .. }), "{name} {bad:?}: {error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        }
        for (seconds, said) in [(0, "1 s at least"), (12 * 3600 + 1, "longer than")] {
            let grant = Grant { lifetime: Duration::from_secs(seconds), ..good() };
            assert!(key.mint(&grant, 0).err().unwrap().to_string().contains(said));
        }
    }
}
