//! Work that combines several domains. A request goes in, a report comes out;
//! nothing here prints.

mod dev;
mod init;

pub use dev::{DevError, DevHome, DevRequest, sample};
pub use init::{InitError, InitReport, InitRequest, init};
