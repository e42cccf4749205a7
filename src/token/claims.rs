//! What a token says.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;

/// The longest `scope` claim, in bytes.
pub(super) const SCOPE_LIMIT: usize = 4096;

/// The protected header (RFC 7515, section 4). Anything else in a header is
/// refused, so no `crit`, `b64`, `jwk`, `jku` or `x5u` is ever obeyed or ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `at+jwt` (RFC 9068, section 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Signature algorithm; must be that of the key.
    pub alg: String,
    /// RFC 7638 thumbprint of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// The claims of an access token (RFC 9068, section 2.2). Unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it names.
    pub sub: String,
    /// Whom it is for.
    pub aud: Audience,
    /// The client that asked for it.
    pub client_id: String,
    /// When it was issued.
    pub iat: UnixSeconds,
    /// When it ends.
    pub exp: UnixSeconds,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixSeconds>,
    /// Its own name.
    pub jti: String,
    /// What it allows, separated by single spaces; without it, nothing.
    #[serde(default)]
    pub scope: String,
    /// Proof-of-possession binding (RFC 7800). Whatever it holds must be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<serde_json::Value>,
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}
