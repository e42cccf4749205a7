//! The TLS edge: what a connection may cost before any credential is seen. Admission and
//! eviction, TLS, the plaintext between TLS and hyper, the check of each request's head, and
//! the end of connections. Knows nothing of routes.

pub(super) mod activity;
pub(super) mod admission;
pub(super) mod exchange;
mod frames;
pub(super) mod linger;
pub(super) mod socket;
pub(super) mod stream;
pub(super) mod tls;
