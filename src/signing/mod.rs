//! Signed requests and responses: HTTP Message Signatures (RFC 9421) with
//! `hmac-sha256`, and Content-Digest (RFC 9530) with `sha-256`.
//! `docs/request-signing.md` describes the profile for those who write a client.
//!
//! What always holds:
//! - what changes the meaning of a message is covered, or the signature is refused;
//! - components and parameters are taken in the order in which they were received;
//! - nothing that can be read in two ways is read at all: repeated labels,
//!   components and parameters, several signatures with our tag;
//! - the algorithm comes from the key, never from the message;
//! - whoever brings a signature that is not ours is not taken for unsigned.

mod component;
mod digest;
mod error;
mod fields;
mod head;
mod input;
mod key;
mod request;
mod response;

use std::time::Duration;

use http::HeaderValue;

pub use digest::content_digest;
pub use error::SigningError;
pub use head::{RequestHead, ResponseHead};
pub use key::RequestKey;
pub use request::{Received, Signed, Validity, read, sign};
pub use response::{Binding, ReceivedResponse, sign_response, verify_response};

/// `tag` of a request's signature.
const REQUEST_TAG: &str = "sealserve";

/// `tag` of a response's signature.
const RESPONSE_TAG: &str = "sealserve-response";

/// The longest validity that can be configured.
pub const MAX_WINDOW: Duration = Duration::from_mins(5);

/// How far a client's clock may be ahead, in seconds.
pub const CLOCK_SKEW: u64 = 5;

/// The two fields that carry a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFields {
    /// Value of `Signature-Input`.
    pub input: HeaderValue,
    /// Value of `Signature`.
    pub signature: HeaderValue,
}

#[cfg(test)]
mod tests;
