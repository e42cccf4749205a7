//! Content-Digest (RFC 9530) with `sha-256`.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::SigningError;
use super::fields::{Content, Value, dictionary, text};
use crate::crypto::digest::{Digest, sha256};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The Content-Digest of `body`.
pub fn content_digest(body: &[u8]) -> HeaderValue {
    of(&sha256(&[body]))
}

/// The Content-Digest that tells `digest`.
pub(super) fn of(digest: &Digest) -> HeaderValue {
    ascii(&format!("sha-256=:{}:", BASE64.encode(digest)))
}

/// A field of what is known to be printable ASCII.
pub(super) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The SHA-256 that the message claims of its body; `None` without a
/// Content-Digest. Other algorithms may stand beside it, but not instead.
pub(super) fn read_content_digest(headers: &HeaderMap) -> Result<Option<Digest>, SigningError> {
    let Some(text) = text(headers, &CONTENT_DIGEST, "Content-Digest")? else { return Ok(None) };
    let members = dictionary(&text, "Content-Digest")?;
    let sha256 = members.iter().find(|member| member.label.as_str() == "sha-256");
    match &sha256.ok_or(SigningError::DigestMissing)?.content {
        Content::Item(Value::ByteSequence(bytes)) => {
            bytes.as_slice().try_into().map(Some).map_err(|_| SigningError::DigestMalformed)
        }
        _ => Err(SigningError::DigestMalformed),
    }
}
