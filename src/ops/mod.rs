//! Work that combines several domains. A request goes in, a report comes out;
//! nothing here prints.

mod dev;
mod error;
mod files;
mod init;
mod rotate;

pub use dev::{DevHome, DevRequest, sample};
pub use error::HomeError;
pub use files::{Found, find, sealed_for};
pub use init::{InitReport, InitRequest, init};
pub use rotate::{Item, Outcome, Reencrypted, reencrypt, rewrap};
