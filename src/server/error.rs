//! Errors that keep a server from starting or running.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::audit::AuditError;
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;
use crate::keyring::{KeyUse, KeyringError};
use crate::pki::PkiError;
use crate::runtime::RuntimeError;
use crate::serving::{LoadError, Refusal};
use crate::token::TokenError;

/// Why a server does not start, or stops.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ServerError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the configuration names no model")]
    NoModel,
    #[error("model '{model}' was opened, but {} key '{}' is {} now", refusal.usage, refusal.id, refusal.state)]
    Refused { model: String, refusal: Refusal },
    #[error("no model is left to serve: all of them are withdrawn")]
    AllWithdrawn,
    #[error("port {} of {} is taken", address.port(), address.ip())]
    PortTaken { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Certificate(#[from] PkiError),
    #[error("certificate '{}' and its key cannot be used", path.display())]
    Tls { path: PathBuf, source: rustls::Error },
    #[error("certificate '{}' has ended", path.display())]
    Expired { path: PathBuf },
    #[error("certificate '{}' is not valid yet", path.display())]
    NotYetValid { path: PathBuf },
    #[error("another server uses '{}'", path.display())]
    HomeBusy { path: PathBuf },
    #[error("cannot open the control socket '{}'", path.display())]
    Control { path: PathBuf, source: io::Error },
    #[error("memory of this machine can be written to disk: {detail}")]
    Swap { detail: String },
    #[error("the {file} is not followed any more: the thread that does has failed")]
    NotFollowed { file: &'static str },
    #[error("the limit of {limit} open files leaves none for connections: the server needs {needed} itself")]
    Descriptors { limit: u64, needed: u64 },
    #[error("cannot start the server")]
    Start { source: io::Error },
}

impl Diagnose for ServerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Keyring(error) => error.kind(),
            Self::Load(error) => error.kind(),
            Self::Refused { refusal, .. } if refusal.usage == KeyUse::Model => Kind::Credential,
            Self::AllWithdrawn => Kind::Credential,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Keyring(error) => return error.hint(),
            Self::Certificate(error) => return error.hint(),
            Self::Audit(error) => return error.hint(),
            Self::Runtime(error) => return error.hint(),
            Self::Load(error) => return error.hint(),
            Self::NoModel => "add a [[model]] with name and path to sealserve.toml".into(),
            Self::Refused { refusal, .. } if refusal.usage == KeyUse::Model => {
                "give its file another key with `sealserve model rewrap`, or `reencrypt` if this one leaked".into()
            }
            Self::Refused { .. } => "have another trusted signer sign it with `sealserve model sign`".into(),
            Self::AllWithdrawn => {
                "the keys that they hang on were revoked with --unload; give their files others, or name other models"
                    .into()
            }
            Self::PortTaken { .. } => {
                "stop the other program, or choose another address with --listen".into()
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a right of their own (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE); or choose another with --listen"
                    .into()
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; choose another with --listen".into()
            }
            Self::Control { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                "the path of a socket has 107 bytes at most: choose a shorter home with --home".into()
            }
            Self::HomeBusy { .. } => "stop it, or use another --home; `sealserve status` shows it".into(),
            Self::Tls { source: rustls::Error::InconsistentKeys(_), .. } => {
                "they do not belong together; `sealserve cert issue --server NAME… --force` makes a pair"
                    .into()
            }
            Self::Expired { .. } => {
                "`sealserve cert issue --server NAME… --force` makes another; a server that runs takes it up".into()
            }
            Self::NotYetValid { .. } => "compare the clock with that of whoever issued it".into(),
            Self::NotFollowed { .. } => {
                "what stands above it on stderr says where; start the server again, and report it".into()
            }
            Self::Swap { .. } => {
                "turn swap off for the service (systemd: MemorySwapMax=0), or set allow_swap = true".into()
            }
            _ => return None,
        })
    }
}
