//! The TLS edge: from a TCP connection to requests with a checked head, and back. Whatever
//! a stranger makes the server hold is bounded here, before any credential is seen.

pub(super) mod accept;
pub(super) mod activity;
pub(super) mod admission;
mod connection;
mod exchange;
mod frames;
mod head;
pub(super) mod linger;
mod socket;
mod stream;
pub(super) mod tls;
