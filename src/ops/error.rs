//! What can go wrong with a home as a whole.

use std::path::PathBuf;

use super::ModelFilesError;
use crate::container::ContainerError;
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;
use crate::keyring::{KeyState, KeyringError};
use crate::pki::PkiError;
use crate::token::TokenError;

/// Why a home could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum HomeError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error("there is an authority already: its key '{key}' is in the keyring")]
    AuthorityExists { key: String },
    #[error("the home '{}' has no authority", home.display())]
    NoAuthority { home: PathBuf },
    #[error("the home's authority signs nothing any more: its key '{key}' is {state}")]
    AuthorityEnded { key: String, state: KeyState },
    #[error(transparent)]
    ModelFiles(#[from] ModelFilesError),
}

impl Diagnose for HomeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Keyring(error) => error.kind(),
            Self::Pki(error) => error.kind(),
            Self::ModelFiles(error) => error.kind(),
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::AuthorityExists { .. } => {
                Some("it was left as it is; --out-dir DIR makes one elsewhere".into())
            }
            Self::AuthorityEnded { .. } => Some(
                "make another with `sealserve cert ca create --out-dir DIR`, and name it with --ca-cert and --ca-key"
                    .into(),
            ),
            Self::NoAuthority { .. } => Some(
                "make one with `sealserve cert ca create`, or name one with --ca-cert and --ca-key".into(),
            ),
            Self::File(error) => error.hint(),
            Self::Keyring(error) => error.hint(),
            Self::Pki(error) => error.hint(),
            Self::Token(error) => error.hint(),
            Self::Container(error) => error.hint(),
            Self::ModelFiles(error) => error.hint(),
        }
    }
}
