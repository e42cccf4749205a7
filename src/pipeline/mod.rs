//! The request pipeline, independent of protocols: authentication, authorization, memory
//! budgets, re-checks, scheduling, statistics, and the audit record.
//!
//! A protocol is a codec around this module. For each request it
//! 1. opens a record ([`Core::begin`]);
//! 2. authenticates the credentials of the request ([`Record::authenticate`]);
//! 3. gets a permit for one action on one model ([`Call::permit`]);
//! 4. turns bytes into tensors ([`Call::offload`]), runs the model ([`Call::run`]), and turns
//!    tensors into bytes;
//! 5. closes the record ([`Record::close`]) before it sends the response.
//!
//! What always holds:
//! - Nothing runs without a [`Permit`](crate::auth::Permit), which only an authenticated caller
//!   gets.
//! - Credential and model are checked again wherever time has passed: after the body, after the
//!   queue, and before the response is sent.
//! - Each record is closed exactly once, even if the client goes away; every decision passes
//!   [`Statistics`].
//! - Memory whose size depends on a request is covered by a [permit](MemoryPermit) before it is
//!   allocated.

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
