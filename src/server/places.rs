//! Checks the address and the files that a server needs, before it loads models, which can take
//! minutes.

use std::io;
use std::net::SocketAddr;

use super::{ServerError, control};
use crate::audit::AuditError;
use crate::config::{Config, Home};
use crate::fs::{self, FsError};

/// Checks that the server can write its files.
pub(super) fn require_places(home: &Home, config: &Config) -> Result<(), ServerError> {
    control::require_place(&home.control_socket())?;
    fs::require_writable_directory(&home.state())?;
    fs::require_writable(&config.audit.path).map_err(|error| match error {
        FsError::Io { path, source, .. } => AuditError::Open { path, source }.into(),
        other => ServerError::File(other),
    })
}

/// The error for an `address` on which the server cannot listen.
pub(super) fn not_listening(address: SocketAddr) -> impl FnOnce(io::Error) -> ServerError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => ServerError::PortTaken { address },
        _ => ServerError::Listen { address, source },
    }
}
