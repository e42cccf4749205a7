//! Secure model serving in one binary. `docs/architecture.md` draws the layers;
//! `tests/layering.rs` holds the code to them.

pub mod clock;
pub mod crypto;
pub mod error;
pub mod fs;
pub mod keyring;
pub mod progress;
pub mod secret;
