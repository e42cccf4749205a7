//! Work that combines several domains. A request goes in, a report comes out;
//! nothing here prints.

mod dev;
mod error;
mod init;
mod whole;

pub use dev::{DevHome, DevRequest, sample};
pub use error::HomeError;
pub use init::{InitReport, InitRequest, init};
pub use whole::{Whole, WholeError, restore};
