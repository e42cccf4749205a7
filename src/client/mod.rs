//! An HTTP client for one request at a time: over TLS with the server's certificate checked,
//! or in the clear to this machine.
//!
//! What must always hold:
//! - What is sent is what was given, byte for byte: there are no redirects, proxies, cookies
//!   or pools. A connection carries one request.
//! - Nothing is sent in the clear to another machine, whatever a name resolves to.
//! - Time and the length of an answer are bounded.
//! - An answer counts even if the server gives it before it has the whole request.

mod connect;
mod early;
mod error;
mod exchange;
mod target;

pub use connect::{Connection, Connector, Identity, Trust};
pub use error::ClientError;
pub use exchange::{exchange, message};
pub use target::Target;
