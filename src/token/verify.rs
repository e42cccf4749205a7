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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(json: &str) -> String {
        BASE64URL_NOPAD.encode(json.as_bytes())
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = read(&text);
            let _ = inspect(&text);
        }

        #[test]
        fn any_three_parts_are_read_without_panic(parts in proptest::array::uniform3(".{0,60}")) {
            let token = parts.map(|part| encoded(&part)).join(".");
            let _ = read(&token).and_then(|signed| signed.kid().map(ToOwned::to_owned));
            let _ = inspect(&token);
        }

        #[test]
        fn a_header_with_anything_more_is_refused(name in "[a-z0-9]{1,8}") {
            prop_assume!(!["typ", "alg", "kid"].contains(&name.as_str()));
            let header = format!(r#"{{"alg":"ES256","{name}":null}}"#);
            let token = format!("{}.{}.{}", encoded(&header), encoded("{}"), encoded("s"));
            let refused = matches!(read(&token), Err(TokenError::Header { .. }));
            prop_assert!(refused);
        }
    }

    #[test]
    fn an_envelope_is_three_parts_without_padding() {
        let (header, claims, signature) = (encoded(r#"{"alg":"ES256"}"#), encoded("{}"), encoded("s"));
        let whole = format!("{header}.{claims}.{signature}");
        assert!(read(&whole).is_ok());
        for bad in [
            String::new(),
            "..".into(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}."),
            format!(".{claims}.{signature}"),
            format!("{whole}.{signature}"),
            format!("{whole}="),
            format!("{whole}\n"),
            format!(" {whole}"),
            whole.replace('.', ".."),
        ] {
            assert!(matches!(read(&bad), Err(TokenError::Envelope)), "{bad:?}");
        }
        let long = format!("{header}.{claims}.{}", "A".repeat(MAX_LENGTH));
        assert!(matches!(read(&long), Err(TokenError::TooLong { .. })));
    }
}
