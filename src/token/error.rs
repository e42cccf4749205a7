//! Why a token is not accepted. Messages never hold any part of the token but
//! its key id and the values of claims that are not secret.

use crate::clock::{UnixSeconds, rfc3339};
use crate::error::{Diagnose, Kind};

/// Why a token is not accepted, or could not be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum TokenError {
    #[error("the token is not three base64url parts")]
    Envelope,
    #[error("the token is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the token's header is malformed: {detail}")]
    Header { detail: String },
    #[error("the token's claims are malformed: {detail}")]
    Claims { detail: String },
    #[error("the token's type is '{found}', not 'at+jwt'")]
    Type { found: String },
    #[error("the token names no key (kid)")]
    NoKeyId,
    #[error("no key '{kid}' is accepted here")]
    UnknownKey { kid: String },
    #[error("the token's algorithm is '{found}', but key '{kid}' is for {wanted}")]
    Algorithm { found: String, kid: String, wanted: String },
    #[error("the token's signature does not verify")]
    Signature,
    #[error("the token's issuer is '{found}', not '{wanted}'")]
    Issuer { found: String, wanted: String },
    #[error("the token is not for audience '{wanted}'")]
    Audience { wanted: String },
    #[error("the token expired at {}", rfc3339(*at))]
    Expired { at: UnixSeconds },
    #[error("the token is not valid before {}", rfc3339(*at))]
    NotYetValid { at: UnixSeconds },
    #[error("the token was issued in the future, at {}", rfc3339(*at))]
    IssuedInFuture { at: UnixSeconds },
    #[error("the token is bound to a certificate, which this connection did not show")]
    Binding,
    #[error("'{scope}' is not a scope: model:<name>:infer, model:<name>:metadata or admin:*")]
    Scope { scope: String },
    #[error("{}", lifetime_text(*given, *limit))]
    Lifetime { given: u64, limit: u64 },
    #[error("the token's {field} must have 1 to {limit} bytes and no control characters")]
    Field { field: &'static str, limit: usize },
    #[error("the signing key cannot be used")]
    Key,
}

fn lifetime_text(given: u64, limit: u64) -> String {
    if given == 0 {
        "a token must be valid for 1 s at least".to_owned()
    } else {
        format!("a lifetime of {given} s is longer than the {limit} s that key rotation waits for")
    }
}

impl Diagnose for TokenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Field { .. } | Self::Scope { .. } | Self::Lifetime { .. } => Kind::Usage,
            Self::Key => Kind::Failed,
            _ => Kind::Negative,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Envelope | Self::TooLong { .. } => {
                "is it an access token, whole and without quotes?".into()
            }
            Self::Expired { .. } => "mint a new one with `sealserve token mint`".into(),
            Self::NotYetValid { .. } | Self::IssuedInFuture { .. } => {
                "compare the clocks of both machines".into()
            }
            Self::UnknownKey { .. } => "`sealserve key list` shows which keys are accepted".into(),
            Self::Lifetime { given: 0, .. } => "choose a longer --lifetime, such as 1h".into(),
            Self::Lifetime { .. } => "choose a shorter --lifetime".into(),
            _ => return None,
        })
    }
}
