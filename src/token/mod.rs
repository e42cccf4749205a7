//! Access tokens: JWTs after RFC 9068 (`at+jwt`), minted and verified strictly.
//!
//! What always holds: the algorithm comes from the key that `kid` names, never
//! from the token; nothing in the token can point at a key; every claim that
//! the profile requires is there once and is checked.

mod claims;
mod error;
mod fingerprint;
mod jwks;
mod mint;
mod verify;

pub use claims::{Audience, Claims, Header};
pub use error::TokenError;
pub use fingerprint::fingerprint;
#[cfg(test)]
pub(crate) use fingerprint::testing;
pub use jwks::{JwkSet, PublicJwk};
pub use mint::{Grant, SigningKey};
pub use verify::{Expected, Signed, VerifyingKey, inspect, read};

/// The longest token that is looked at, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;
