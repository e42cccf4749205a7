//! The TLS edge. It bounds what a connection may cost before a credential is seen: admission
//! and eviction, TLS, the plaintext stream between TLS and hyper, progress, and lingering. It
//! knows no routes.

pub(super) mod activity;
pub(super) mod admission;
pub(super) mod exchange;
mod frames;
pub(super) mod linger;
pub(super) mod socket;
pub(super) mod stream;
pub(super) mod tls;
