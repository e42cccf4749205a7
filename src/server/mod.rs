//! The HTTPS server.
//!
//! The order of checks (caps, TLS, route, credential, revocation, rights, memory, body,
//! inference) is the order of the code: `edge` admits a connection, `http::authn`
//! authenticates the caller and verifies the signature, `http::body` takes the nonce and
//! checks the digest, `v2` turns a request into an inference. `reload` keeps the keyring and
//! the certificate current, and `models` withdraws what they no longer allow.

mod accept;
mod app;
mod check;
mod connection;
mod control;
mod edge;
mod error;
mod health;
mod http;
mod jwks;
mod models;
mod places;
mod reload;
mod router;
mod run;
mod swap;
mod v2;
mod watchdog;

pub use app::{KeyringStatus, ModelReport, Status};
pub use check::check;
pub use control::{ControlError, query};
pub use error::ServerError;
pub use run::{Options, run};

/// Whether the kernel cannot write this process's memory to swap.
pub fn memory_stays_in_memory() -> bool {
    swap::require_no_swap().is_ok()
}
