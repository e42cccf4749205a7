//! What to load, and how to run it.

use std::path::PathBuf;

use crate::container::SignaturePolicy;
use crate::runtime::Placement;

/// Where an encrypted model is.
#[derive(Debug, Clone)]
pub enum ModelSource {
    /// A file.
    File(PathBuf),
    /// A detached header and its payload.
    Detached {
        /// The header.
        header: PathBuf,
        /// The payload.
        payload: PathBuf,
    },
    /// The file's bytes.
    Memory(Vec<u8>),
}

/// What to load and how to run it.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// The name that clients use; the file's metadata must agree.
    pub name: String,
    /// The version; the file's metadata must agree.
    pub version: String,
    /// The encrypted model.
    pub source: ModelSource,
    /// Who must have signed it.
    pub signatures: SignaturePolicy,
    /// Where it runs.
    pub placement: Placement,
    /// Inferences at once. `None` means one for each core if the model is small and runs on the
    /// CPU, and otherwise one.
    pub sessions: Option<usize>,
    /// Sessions share repacked weights; only for models whose author is trusted.
    pub share_weights: bool,
    /// Threads within one inference.
    pub threads: usize,
    /// Inferences that may wait in the queue.
    pub queue: usize,
    /// Bytes that ONNX Runtime may take for the runs of one session.
    pub run_memory: Option<usize>,
}
