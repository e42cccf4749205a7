//! Why a caller is refused.

use super::{Action, ApiKeyError};
use crate::token::TokenError;

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum AuthError {
    #[error("the request brings no credential")]
    Missing,
    #[error("the request brings more than one credential")]
    Several,
    #[error("the Authorization header has another scheme than Bearer")]
    Scheme,
    #[error("the Authorization header is not 'Bearer' and a token or API key")]
    Malformed,
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the credential does not allow '{action}' on this model")]
    Forbidden { action: Action },
}
