//! The HTTPS server.
//!
//! The order of checks (design: caps, TLS, route, credential, revocation, rights,
//! memory, body, inference) is the order of the code: `accept` lets a connection
//! in, `gate` names the caller and judges the signature, `body` takes the nonce and
//! holds the bytes to the digest, `v2` turns a request into an inference. `follow` keeps what they rely on current,
//! and `models` says which models that leaves.

mod accept;
mod activity;
mod admission;
mod app;
mod body;
mod buffer;
mod check;
mod coding;
mod connection;
mod control;
mod edge;
mod error;
mod exchange;
mod fault;
mod follow;
mod followers;
mod frames;
mod gate;
mod head;
mod host;
mod ledger;
mod linger;
mod looks;
mod models;
mod places;
mod refusals;
mod run;
mod signature;
mod socket;
mod tls;
mod v2;
mod work;

pub use app::{KeyringStatus, Status};
pub use check::check;
pub use control::{ControlError, query};
pub use error::ServerError;
pub use run::{Options, run};

/// Whether the kernel keeps this process's memory off every disk.
pub fn memory_stays_in_memory() -> bool {
    host::require_no_swap().is_ok()
}
