//! Strict verification: envelope, then key, then algorithm, then signature, then
//! claims. `jsonwebtoken` does the signature and nothing else, since its own
//! checks accept what this profile forbids (absent claims, any `typ`, `crit`).

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::claims::{Claims, Header};
use super::{MAX_LENGTH, TokenError};
use crate::clock::UnixSeconds;
use crate::keyring::Jwk;

/// A public key that verifies tokens.
pub struct VerifyingKey {
    key: DecodingKey,
    kid: String,
}

impl VerifyingKey {
    /// The key `jwk`, known as `kid`.
    pub fn new(jwk: &Jwk, kid: &str) -> Result<Self, TokenError> {
        let key = DecodingKey::from_ec_components(&jwk.x, &jwk.y).map_err(|_| TokenError::Key)?;
        Ok(Self { key, kid: kid.to_owned() })
    }

    /// The key's name in tokens.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// What the verifier insists on.
#[derive(Debug, Clone)]
pub struct Expected {
    /// `iss` must be this.
    pub issuer: String,
    /// `aud` must be or hold this.
    pub audience: String,
}

/// A token whose envelope is sound. Nothing in it is proven yet.
pub struct Signed<'a> {
    header: Header,
    message: &'a [u8],
    claims: &'a str,
    signature: &'a str,
}

/// Reads the envelope of `token`.
pub fn read(token: &str) -> Result<Signed<'_>, TokenError> {
    if token.len() > MAX_LENGTH {
        return Err(TokenError::TooLong { limit: MAX_LENGTH });
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Envelope)?;
    let (header, claims) = message.split_once('.').ok_or(TokenError::Envelope)?;
    for part in [header, claims, signature] {
        // The alphabet is checked here for all three, padding and all; a dot too many fails it.
        if part.is_empty() || BASE64URL_NOPAD.decode(part.as_bytes()).is_err() {
            return Err(TokenError::Envelope);
        }
    }
    let header = decode(header, |detail| TokenError::Header { detail })?;
    Ok(Signed { header, message: message.as_bytes(), claims, signature })
}

fn decode<T: serde::de::DeserializeOwned>(
    part: &str,
    error: impl Fn(String) -> TokenError,
) -> Result<T, TokenError> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Envelope)?;
    serde_json::from_slice(&bytes).map_err(|e| error(e.to_string()))
}

impl Signed<'_> {
    /// The key that the token says signed it.
    pub fn kid(&self) -> Result<&str, TokenError> {
        self.header.kid.as_deref().ok_or(TokenError::NoKeyId)
    }

    /// Checks type, algorithm and signature under `key`, which the caller found
    /// by [`kid`](Self::kid), and returns the claims. They are authentic, but
    /// whether they hold here and now is for [`Claims::check`] to say.
    pub fn authenticate(&self, key: &VerifyingKey) -> Result<Claims, TokenError> {
        let typ = self.header.typ.as_deref().unwrap_or_default();
        let subtype =
            typ.get(..12).filter(|p| p.eq_ignore_ascii_case("application/")).map_or(typ, |_| &typ[12..]);
        if !subtype.eq_ignore_ascii_case("at+jwt") {
            return Err(TokenError::Type { found: typ.to_owned() });
        }
        if self.header.alg != "ES256" {
            return Err(TokenError::Algorithm {
                found: self.header.alg.clone(),
                kid: key.kid.clone(),
                wanted: "ES256".into(),
            });
        }
        match jsonwebtoken::crypto::verify(self.signature, self.message, &key.key, Algorithm::ES256) {
            Ok(true) => decode(self.claims, |detail| TokenError::Claims { detail }),
            Ok(false) | Err(_) => Err(TokenError::Signature),
        }
    }
}

impl Claims {
    /// Whether authentic claims hold here (`expected`) and `now`. No leeway: a
    /// token ends at the second `exp`, and clocks are kept by NTP.
    pub fn check(&self, expected: &Expected, now: UnixSeconds) -> Result<(), TokenError> {
        if self.iss != expected.issuer {
            return Err(TokenError::Issuer { found: self.iss.clone(), wanted: expected.issuer.clone() });
        }
        if !self.aud.contains(&expected.audience) {
            return Err(TokenError::Audience { wanted: expected.audience.clone() });
        }
        if now >= self.exp {
            return Err(TokenError::Expired { at: self.exp });
        }
        // A clock that is a little behind must not refuse what was minted this second.
        let soon = now + 5;
        if let Some(at) = self.nbf.filter(|nbf| *nbf > now) {
            return Err(TokenError::NotYetValid { at });
        }
        if self.iat > soon {
            return Err(TokenError::IssuedInFuture { at: self.iat });
        }
        if self.cnf.is_some() {
            return Err(TokenError::Binding);
        }
        Ok(())
    }
}

/// What a token says, with nothing proven: for people who look.
pub fn inspect(token: &str) -> Result<(serde_json::Value, serde_json::Value), TokenError> {
    let signed = read(token)?;
    let header = token.split('.').next().unwrap_or_default();
    Ok((
        decode(header, |detail| TokenError::Header { detail })?,
        decode(signed.claims, |detail| TokenError::Claims { detail })?,
    ))
}
