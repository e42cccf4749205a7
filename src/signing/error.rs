//! Why a signature is not accepted. Messages are safe to show: they hold names
//! and times, never a field's value or a MAC.

use crate::clock::{UnixSeconds, rfc3339};
use crate::error::{Diagnose, Kind};

/// Why a message's signature is not accepted, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum SigningError {
    #[error("the message is not signed")]
    Unsigned,
    #[error("the message has a {present} field without a {absent} field")]
    FieldMissing { present: &'static str, absent: &'static str },
    #[error("the {field} field is longer than {limit} bytes")]
    FieldTooLong { field: &'static str, limit: usize },
    #[error("the {field} field is malformed: {detail}")]
    FieldMalformed { field: &'static str, detail: String },
    #[error("there are more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("the {field} field names '{label}' twice")]
    LabelDuplicate { field: &'static str, label: String },
    #[error("no signature has the tag '{tag}'")]
    NoTag { tag: &'static str },
    #[error("several signatures have the tag '{tag}'")]
    SeveralTags { tag: &'static str },
    #[error("the Signature field holds no signature '{label}'")]
    LabelMissing { label: String },
    #[error("signature '{label}' is not the 32 bytes of an HMAC-SHA-256")]
    NotMac { label: String },
    #[error("the signature does not cover {component}")]
    ComponentMissing { component: String },
    #[error("the signature covers {component} twice")]
    ComponentDuplicate { component: String },
    #[error("the signature covers {component}, which is not supported")]
    ComponentUnsupported { component: String },
    #[error("the signature covers {component}, which the message does not have")]
    ComponentAbsent { component: String },
    #[error("{component} has a value that cannot be signed")]
    ComponentValue { component: String },
    #[error("the signature has no parameter '{parameter}'")]
    ParameterMissing { parameter: &'static str },
    #[error("the signature's parameter '{parameter}' must be {wanted}")]
    ParameterInvalid { parameter: &'static str, wanted: &'static str },
    #[error("the parameter '{parameter}' is given twice")]
    ParameterDuplicate { parameter: String },
    #[error("the signature has the parameter '{parameter}', which is not known")]
    ParameterUnknown { parameter: String },
    #[error("the signature expired at {}", rfc3339(*at))]
    Expired { at: UnixSeconds },
    #[error("the signature was created in the future, at {}", rfc3339(*at))]
    CreatedInFuture { at: UnixSeconds },
    #[error("the signature expires no later than it was created")]
    NoValidity,
    #[error("the signature is valid for {given} s, which is longer than {limit} s")]
    Window { given: u64, limit: u64 },
    #[error("the signature does not verify")]
    Mac,
    #[error("the Content-Digest field holds no sha-256 digest")]
    DigestMissing,
    #[error("the Content-Digest field's sha-256 is not the 32 bytes of a digest")]
    DigestMalformed,
    #[error("the response is signed with key '{found}', the request with '{wanted}'")]
    OtherKey { found: String, wanted: String },
    #[error("a key id has 1 to {limit} printable ASCII characters")]
    KeyId { limit: usize },
    #[error("the key from {origin} is not 64 hexadecimal digits")]
    KeyText { origin: String },
    #[error("key '{id}' is for {found}, not for requests")]
    KeyUse { id: String, found: String },
}

impl Diagnose for SigningError {
    fn kind(&self) -> Kind {
        match self {
            Self::KeyText { .. } | Self::KeyUse { .. } => Kind::Credential,
            Self::KeyId { .. } => Kind::Usage,
            _ => Kind::Negative,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Expired { .. } | Self::CreatedInFuture { .. } => {
                "sign it anew, and compare the clocks of both machines".into()
            }
            Self::Mac => "it was changed on its way, or signed with another key under the same id".into(),
            Self::ComponentAbsent { .. } => "it was lost on its way, or is not given here".into(),
            Self::ComponentMissing { component } => format!("have the client cover {component} too"),
            Self::DigestMissing => "have the client send `Content-Digest: sha-256=:…:`".into(),
            Self::KeyText { .. } => "`sealserve key create --use request --out FILE` makes one".into(),
            _ => return None,
        })
    }
}
