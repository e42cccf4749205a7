//! Errors of authentication and authorization.

use std::net::IpAddr;

use super::action::Action;
use crate::clock::{UnixSeconds, rfc3339};
use crate::keyring::NoApiKey;
use crate::signing::SigningError;
use crate::token::TokenError;

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum AuthError {
    #[error("the request has no credential")]
    Missing,
    #[error("the request has more than one credential")]
    Several,
    #[error("the Authorization header does not use the Bearer scheme")]
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
    #[error("the signature was made before the server started, so it may have been accepted already")]
    TooSoon { wait: u64 },
    #[error("the signature was accepted before")]
    Replayed,
    #[error("too many signed requests with this key; no nonce can be stored")]
    NoncesFull { wait: u64 },
    #[error("the request is signed for another server")]
    Misdirected,
    #[error("the body is not the one that was signed")]
    Digest,
    #[error("the credential does not allow '{action}' on this model")]
    Forbidden { action: Action },
}

/// Why an API key is not accepted. Messages contain no part of it but its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ApiKeyError {
    #[error(transparent)]
    Malformed(#[from] NoApiKey),
    #[error("there is no API key '{id}'")]
    Unknown { id: String },
    #[error("the secret is not that of API key '{id}'")]
    Secret { id: String },
    #[error("API key '{id}' was revoked at {}", rfc3339(*at))]
    Revoked { id: String, at: UnixSeconds },
    #[error("API key '{id}' expired at {}", rfc3339(*at))]
    Expired { id: String, at: UnixSeconds },
    #[error("API key '{id}' is not accepted from {}", place(*address))]
    Network { id: String, address: Option<IpAddr> },
}

fn place(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
}
