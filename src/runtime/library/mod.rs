//! The library: finds it, installs it, proves that it is a known build, and loads it.

mod check;
pub mod environment;
mod error;
pub mod install;
pub mod pins;
pub mod search;
mod wheel;

pub use check::Library;
pub use environment::Runtime;
pub use error::{InstallError, RuntimeError};
