//! Where a server listens and writes: found out before the models are loaded, which can take
//! minutes.

use std::io;
use std::net::SocketAddr;

use super::{ServerError, control};
use crate::audit::AuditError;
use crate::config::{Config, Home};
use crate::fs::{self, FsError};

/// Fails where a file that a server writes cannot be written.
pub(super) fn require_places(home: &Home, config: &Config) -> Result<(), ServerError> {
    control::require_place(&home.control_socket())?;
    fs::require_writable_directory(&home.state())?;
    fs::require_writable(&config.audit.path).map_err(|error| match error {
        FsError::Io { path, source, .. } => AuditError::Open { path, source }.into(),
        other => ServerError::File(other),
    })
}

/// Why nothing can listen on `address`.
pub(super) fn not_listening(address: SocketAddr) -> impl FnOnce(io::Error) -> ServerError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => ServerError::PortTaken { address },
        _ => ServerError::Listen { address, source },
    }
}
