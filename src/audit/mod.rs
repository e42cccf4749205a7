//! The record of decisions: JSON lines, each with the hash of the one before.
//! Never a tensor, never a secret.

mod event;
mod log;

pub use event::{Actor, Event, RequestId, Verdict};
pub use log::{AuditError, Log, Mode};
