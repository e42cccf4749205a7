//! One key: what it is for, what state it is in, how it stands in the file.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::crypto::{digest, pem};
use crate::secret::SecretBytes;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// Signs access tokens.
    Token,
    /// Signs requests; has one owner.
    Request,
    /// Wraps the data keys of model files.
    Model,
    /// Signs model files.
    Signer,
    /// Signs certificates.
    Ca,
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "token",
            Self::Request => "request",
            Self::Model => "model",
            Self::Signer => "signer",
            Self::Ca => "ca",
        })
    }
}

/// The one algorithm that a key is used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA, P-256, SHA-256 (RFC 7518, section 3.4).
    ES256,
    /// HMAC with SHA-256 (RFC 9421, section 3.3.3).
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// C2SP chunked-encryption with AES-256-GCM and HKDF-SHA-512.
    #[serde(rename = "cobblestone-256")]
    Cobblestone256,
    /// RFC 8032.
    Ed25519,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ES256 => "ES256",
            Self::HmacSha256 => "hmac-sha256",
            Self::Cobblestone256 => "cobblestone-256",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// Where a key stands in its life. Only `revoked` is final from any state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, so that verifiers learn it; does not sign yet.
    Pending,
    /// Signs, wraps and verifies.
    Active,
    /// Verifies and unwraps until `verify_until`; makes nothing new.
    Retiring,
    /// Its time is over.
    Expired,
    /// Killed: accepted nowhere.
    Revoked,
}

impl KeyState {
    /// Whether what was made with the key is still accepted.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Retiring)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

impl FromStr for KeyUse {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "token" => Ok(Self::Token),
            "request" => Ok(Self::Request),
            "model" => Ok(Self::Model),
            "signer" => Ok(Self::Signer),
            _ => Err("a key is for token, request, model or signer".into()),
        }
    }
}

/// A public P-256 key as JSON Web Key (RFC 7517; RFC 7518, section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Key type: `EC`.
    pub kty: String,
    /// Curve: `P-256`.
    pub crv: String,
    /// Affine coordinate, base64url.
    pub x: String,
    /// Affine coordinate, base64url.
    pub y: String,
}

impl Jwk {
    /// The key with these affine coordinates.
    pub(super) fn p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: BASE64URL_NOPAD.encode(x),
            y: BASE64URL_NOPAD.encode(y),
        }
    }

    /// The thumbprint (RFC 7638), which serves as `kid`.
    pub fn thumbprint(&self) -> String {
        let Self { kty, crv, x, y } = self;
        let canonical = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#);
        BASE64URL_NOPAD.encode(&digest::sha256(&[canonical.as_bytes()]))
    }
}

/// A key of the keyring, its secret in the clear.
#[derive(Debug, Clone)]
pub struct Key {
    /// The name that people use; unique.
    pub id: String,
    /// The name on the wire: RFC 7638 thumbprint, key id of a model key, signer id, or the id.
    pub kid: String,
    /// What it may be used for.
    pub usage: KeyUse,
    /// What it is used with.
    pub algorithm: Algorithm,
    /// As written; [`state_at`](Self::state_at) tells what holds now.
    pub state: KeyState,
    /// When it was made.
    pub created: UnixSeconds,
    /// End of the `retiring` state; none: until revoked.
    pub verify_until: Option<UnixSeconds>,
    /// When it was revoked.
    pub revoked: Option<UnixSeconds>,
    /// Whether the secret is known to have leaked.
    pub compromised: bool,
    /// The only principal that may use a request key.
    pub owner: Option<String>,
    /// The public half, of a token key.
    pub public: Option<Jwk>,
    /// PKCS#8 DER of a token, signer or CA key; 32 bytes otherwise.
    pub secret: SecretBytes,
}

impl Key {
    /// The state at `now`: a retiring key expires by time alone.
    pub fn state_at(&self, now: UnixSeconds) -> KeyState {
        match (self.state, self.verify_until) {
            (KeyState::Retiring, Some(until)) if now >= until => KeyState::Expired,
            (state, _) => state,
        }
    }

    /// The key as those may know it who only verify.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        Self {
            id: self.id.clone(),
            kid: self.kid.clone(),
            owner: self.owner.clone(),
            public: self.public.clone(),
            secret: SecretBytes::default(),
            ..*self
        }
    }

    /// The secret as a file holds it: in PEM where it is one half of a pair, else in hex.
    pub fn export(&self) -> SecretBytes {
        SecretBytes::from(match self.usage {
            KeyUse::Token | KeyUse::Signer | KeyUse::Ca => pem::encode("PRIVATE KEY", self.secret.expose()),
            KeyUse::Request | KeyUse::Model => HEXLOWER.encode(self.secret.expose()) + "\n",
        })
    }

    /// Whether `name` is the key's id or kid.
    pub fn answers_to(&self, name: &str) -> bool {
        self.id == name || self.kid == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_agrees_with_an_independent_one() {
        // The P-256 key of RFC 7517, appendix A.1; its thumbprint by PyPI jwcrypto.
        let jwk = Jwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4".into(),
            y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM".into(),
        };
        assert_eq!(jwk.thumbprint(), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }
}
