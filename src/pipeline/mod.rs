//! The way of a request, whatever protocol brings it: who calls, what they may do, what it
//! may take, whether all that still holds, and what is written down.
//!
//! A protocol is a codec around this module. For each request it
//! 1. opens a record ([`Core::begin`]);
//! 2. hands over the credentials that the request brings ([`Record::authenticate`]);
//! 3. asks for what it wants ([`Call::permit`]);
//! 4. turns bytes into tensors ([`Call::offload`]), runs the model ([`Call::run`]), and turns
//!    tensors into bytes;
//! 5. closes the record ([`Record::close`]) before the answer goes out.
//!
//! What always holds:
//! - Nothing runs without a [`Permit`](crate::auth::Permit), which only a caller that
//!   authenticated gets.
//! - Caller and model are judged again wherever time has passed: after the body, after the
//!   queue, and when the answer goes out.
//! - Each record is closed exactly once, also where its client has gone; every decision
//!   passes [`Statistics`].
//! - What a request makes the server hold is paid for from a [budget](MemoryPermit) before it
//!   is there.

mod anonymous_denials;
mod buffer;
mod call;
mod caller;
mod core;
mod error;
mod keyring;
mod memory;
mod offload;
mod record;
mod refresh;
mod statistics;

pub use self::core::Core;
pub use anonymous_denials::AnonymousDenials;
pub use buffer::Buffer;
pub use call::Call;
pub use caller::{Caller, Presented};
pub use error::{ApiError, Challenge, Class};
pub use keyring::{KeyringHealth, KeyringState, Snapshot};
pub use memory::{Budget, MemoryPermit};
pub use offload::{PIECE, of_size, run as offload};
pub use record::Record;
pub use refresh::{INTERVAL, Refresh};
pub use statistics::{Decision, ModelCounts, Statistics};
