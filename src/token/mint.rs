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

impl SigningKey {
    /// The signing key in `key`, a token key.
    pub fn new(key: &Key) -> Self {
        Self { key: EncodingKey::from_ec_der(key.secret.expose()), kid: key.kid.clone() }
    }

    /// Signs a token that grants `grant` from `now` on.
    pub fn mint(&self, grant: &Grant, now: UnixSeconds) -> Result<(SecretBytes, Claims), TokenError> {
        let (given, limit) = (grant.lifetime.as_secs(), DEFAULT_MAX_TOKEN_LIFETIME.as_secs());
        if given > limit || given == 0 {
            return Err(TokenError::Lifetime { given, limit });
        }
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
