//! What every HTTP protocol of the server shares: credentials and signatures in header
//! fields, bodies, their encodings, and the record of each request.

pub(super) mod authn;
pub(super) mod body;
pub(super) mod buffer;
pub(super) mod content_encoding;
pub(super) mod request_audit;
pub(super) mod signature;
