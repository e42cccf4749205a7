//! Errors of loading a model and of running it.

use crate::container::{ContainerError, Fault};
use crate::error::{Diagnose, Kind};
use crate::runtime::{ModelError, RunError};

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum LoadError {
    #[error("cannot open encrypted model '{model}'")]
    Container { model: String, source: ContainerError },
    #[error("'{file}' holds model '{found}', but is configured as '{wanted}'")]
    WrongModel { file: String, found: String, wanted: String },
    #[error("model '{model}' cannot be served")]
    Model { model: String, source: ModelError },
    #[error("cannot start a thread for model '{model}'")]
    Thread { model: String, source: std::io::Error },
}

impl LoadError {
    /// Whether no key here opens the file, or no trusted signer has signed it.
    pub fn is_refusal(&self) -> bool {
        use ContainerError as E;
        let Self::Container { source, .. } = self else { return false };
        matches!(source, E::NoKey { .. } | E::Fault { fault: Fault::Unsigned | Fault::Untrusted(_), .. })
    }
}

impl Diagnose for LoadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Container { source, .. } => source.kind(),
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Container { source, .. } => source.hint(),
            Self::Model { source, .. } => source.hint(),
            Self::WrongModel { .. } => Some(
                "correct name and version in sealserve.toml, or encrypt the model again under that name"
                    .into(),
            ),
            Self::Thread { .. } => None,
        }
    }
}

/// Why an inference failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ServingError {
    #[error("there is no such model here")]
    UnknownModel,
    #[error("there is no such version of this model here")]
    UnknownVersion,
    #[error("too many requests wait for this model")]
    QueueFull,
    #[error("the inference took too long")]
    Deadline,
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the model's worker has stopped")]
    Stopped,
    #[error("the model is busy with an operation that cannot be stopped")]
    Busy,
    #[error("the model was withdrawn")]
    Withdrawn,
}
