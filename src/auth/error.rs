//! Why a caller is refused.

use super::{Action, ApiKeyError};
use crate::signing::SigningError;
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
    #[error("the request is not signed")]
    Unsigned,
    #[error("the signature is refused: {0}")]
    Signature(#[from] SigningError),
    #[error("no request key '{id}' is in force")]
    UnknownRequestKey { id: String },
    #[error("request key '{id}' belongs to another principal")]
    NotOwner { id: String },
    #[error("the signature was made before the server can have started: it may have been accepted before")]
    TooSoon { wait: u64 },
    #[error("the signature was accepted before")]
    Replayed,
    #[error("more signed requests came with this key than can be told apart")]
    NoncesFull { wait: u64 },
    #[error("the request is signed for another server")]
    Misdirected,
    #[error("the body is not the one that was signed")]
    Digest,
    #[error("the credential does not allow '{action}' on this model")]
    Forbidden { action: Action },
}
