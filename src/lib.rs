//! Secure model serving in one binary. `docs/architecture.md` draws the layers;
//! `tests/layering.rs` holds the code to them.

pub mod audit;
pub mod auth;
pub mod cli;
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod container;
pub mod crypto;
pub mod error;
pub mod fs;
pub mod keyring;
pub mod ops;
pub mod output;
pub mod pipeline;
pub mod pki;
pub mod process;
pub mod progress;
pub mod runtime;
pub mod secret;
pub mod server;
pub mod serving;
pub mod signing;
pub mod token;
