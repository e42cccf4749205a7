//! Credentials as requests carry them.

use std::fmt;

use bytes::Bytes;

use super::AuthError;

/// A credential as received. A request must carry exactly one, whatever its protocol.
#[derive(Clone)]
pub enum Credential {
    /// The value of an `Authorization` field.
    Authorization(Bytes),
    /// The value of an `X-Api-Key` field.
    ApiKey(Bytes),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorization(_) => "Authorization(..)",
            Self::ApiKey(_) => "ApiKey(..)",
        })
    }
}

/// The credential in an `Authorization` field: `Bearer` in any case, one or more spaces,
/// the credential (RFC 6750, section 2.1; RFC 9110, section 11.4).
pub(super) fn bearer(value: &[u8]) -> Result<&str, AuthError> {
    let text = std::str::from_utf8(value).map_err(|_| AuthError::Malformed)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let token = rest.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") {
        Err(AuthError::Scheme)
    } else if token.is_empty() || token.contains(' ') {
        Err(AuthError::Malformed)
    } else {
        Ok(token)
    }
}
