//! Secure model serving in one binary. `docs/architecture.md` draws the layers;
//! `tests/layering.rs` holds the code to them.

pub mod audit;
pub mod auth;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod error;
pub mod fs;
pub mod keyring;
pub mod pki;
pub mod progress;
pub mod secret;
pub mod token;
