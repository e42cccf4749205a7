//! What can go wrong, by who can mend it: the operator ([`RuntimeError`],
//! [`InstallError`]), the author of a model ([`ModelError`]), or the caller of a
//! model ([`RunError`]).

use std::io;
use std::path::PathBuf;

use super::data_type::DataType;
use super::device::{Device, UnknownDevice};
use super::pins::Flavor;
use super::wire::Malformed;
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;

/// Why ONNX Runtime cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum RuntimeError {
    #[error("cannot find ONNX Runtime (libonnxruntime.so) in {}", looked.join(", "))]
    NotFound { looked: Vec<String> },
    #[error("there is no ONNX Runtime library at '{}' ({origin})", path.display())]
    NoSuchLibrary { path: PathBuf, origin: &'static str },
    #[error("cannot {action} '{}'", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("'{}' is no known build of ONNX Runtime (SHA-256 {sha256})", path.display())]
    Unpinned { path: PathBuf, sha256: String },
    #[error("'{}' changed while it was being loaded", path.display())]
    Changed { path: PathBuf },
    #[error("'{}' may lie beside ONNX Runtime, but is no part of the pinned build", path.display())]
    Foreign { path: PathBuf },
    #[error("cannot load ONNX Runtime: telemetry is not disabled (ORT_DISABLE_TELEMETRY is not 1)")]
    Telemetry,
    #[error("cannot load ONNX Runtime: ORT_LOAD_CONFIG_FROM_MODEL lets a model choose the options")]
    ConfigFromModel,
    #[error("cannot load ONNX Runtime from '{}': {message}", path.display())]
    Load { path: PathBuf, message: String },
    #[error("ONNX Runtime was loaded from '{}' already; one process loads one library", loaded.display())]
    AlreadyLoaded { loaded: PathBuf },
    #[error("cannot use device {device}: {missing}")]
    Device { device: Device, missing: String },
    #[error(transparent)]
    UnknownDevice(#[from] UnknownDevice),
    #[error(transparent)]
    File(#[from] FsError),
}

impl RuntimeError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Diagnose for RuntimeError {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownDevice(_) => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { .. } => {
                "run `sealserve runtime install`, or name the library with --runtime or ORT_DYLIB_PATH".into()
            }
            Self::Unpinned { .. } => {
                "run `sealserve runtime install` for one that is known, or pass --insecure to trust this one"
                    .into()
            }
            Self::Changed { .. } => "see who else can write there; then try again".into(),
            Self::Foreign { .. } => "remove it, or run `sealserve runtime install --cuda` elsewhere".into(),
            Self::Telemetry => "set ORT_DISABLE_TELEMETRY=1 before the program starts".into(),
            Self::ConfigFromModel => "unset ORT_LOAD_CONFIG_FROM_MODEL".into(),
            Self::Load { .. } => {
                "this program loads ONNX Runtime 1.29 to 1.31; see `sealserve runtime list`".into()
            }
            Self::Device { missing, .. } if missing.contains("driver") || missing.contains("CUDA device") => {
                "see what `nvidia-smi` says; or pass --device cpu".into()
            }
            Self::Device { .. } => "run `sealserve runtime install --cuda`; or pass --device cpu".into(),
            Self::NoSuchLibrary { .. }
            | Self::Io { .. }
            | Self::AlreadyLoaded { .. }
            | Self::UnknownDevice(_)
            | Self::File(_) => return None,
        })
    }
}

/// Why ONNX Runtime cannot be installed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum InstallError {
    #[error("no build of ONNX Runtime for {flavor} on {arch} is known")]
    NoRelease { flavor: Flavor, arch: String },
    #[error("cannot run '{}'", python.display())]
    NoPython { python: PathBuf, source: io::Error },
    #[error("'{} -m pip' does not work: this Python has no pip", python.display())]
    NoPip { python: PathBuf },
    #[error("cannot download '{file}' with pip ({status})\n{stderr}")]
    Pip { file: &'static str, status: String, stderr: String },
    #[error("'{}' is not the expected file: SHA-256 is {found}, not {expected}", path.display())]
    WrongDigest { path: PathBuf, expected: String, found: String },
    #[error("'{}' is neither a known wheel nor a known library of ONNX Runtime (SHA-256 {sha256})", path.display())]
    UnknownFile { path: PathBuf, sha256: String },
    #[error("cannot unpack '{member}' from '{}'", path.display())]
    Unpack { path: PathBuf, member: &'static str, source: io::Error },
    #[error("cannot {action} '{}'", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl InstallError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Diagnose for InstallError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRelease { .. } => {
                "build ONNX Runtime 1.29 or later yourself, and name it with --runtime and --insecure".into()
            }
            Self::NoPython { .. } | Self::NoPip { .. } => {
                "install Python 3 with pip, or fetch the wheel on another machine and pass --from FILE".into()
            }
            Self::Pip { file, .. } => format!(
                "check the network and pip's settings, or fetch {file} on another machine and pass --from FILE"
            ),
            Self::WrongDigest { .. } => {
                "the file is damaged, or someone replaced it; nothing was installed".into()
            }
            Self::UnknownFile { .. } => format!(
                "pass the wheel or the library of onnxruntime {} from PyPI",
                super::pins::DEFAULT_VERSION
            ),
            Self::Fs(error) => return error.hint(),
            Self::Unpack { .. } | Self::Io { .. } => return None,
        })
    }
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ModelError {
    #[error("not an ONNX model")]
    NotOnnx,
    #[error("a model in ONNX Runtime's own format (ORT) is not accepted")]
    OrtFormat,
    #[error("the model's graphs are nested too deeply")]
    TooDeep,
    #[error("tensor '{tensor}' has its data in '{location}', which is no member of the model's archive")]
    ExternalData { tensor: String, location: String },
    #[error("tensor '{tensor}' has its data in '{location}', but {what}")]
    ExternalRange { tensor: String, location: String, what: &'static str },
    #[error("tensor '{tensor}' claims to be at an address in memory")]
    MemoryAddress { tensor: String },
    #[error("external data that must come inside makes the model exceed the 2 GiB of a message")]
    TooLargeInside,
    #[error("{role} '{name}' is a {found}, which no request can carry")]
    UnsupportedType { role: &'static str, name: String, found: String },
    #[error("ONNX Runtime refuses the model: {message}")]
    Refused { message: String },
    #[error("the model takes {taken} bytes before its first run, but run_memory is {limit}")]
    RunMemory { limit: usize, taken: u64 },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl From<Malformed> for ModelError {
    fn from(Malformed: Malformed) -> Self {
        Self::NotOnnx
    }
}

impl Diagnose for ModelError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOnnx => "export the model to ONNX, and encrypt that file".into(),
            Self::OrtFormat => "serve the ONNX file that it was converted from".into(),
            Self::ExternalData { .. } => {
                "put the model's files into one archive, or save the model with its data inside".into()
            }
            Self::UnsupportedType { .. } => {
                format!("inputs and outputs are tensors of {}", DataType::ALL.map(DataType::name).join(", "))
            }
            Self::TooLargeInside => {
                "weights stay outside as initializers of the main graph, where all inputs have a shape".into()
            }
            Self::RunMemory { .. } => "set a larger run_memory for this model in sealserve.toml".into(),
            Self::Runtime(error) => return error.hint(),
            Self::TooDeep
            | Self::ExternalRange { .. }
            | Self::MemoryAddress { .. }
            | Self::Refused { .. } => return None,
        })
    }
}

/// Why a model did not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum RunError {
    #[error("input '{name}' of shape {shape:?} cannot have {elements} elements")]
    Count { name: String, shape: Vec<usize>, elements: usize },
    #[error("element {element} of input '{name}' is not UTF-8 text without NUL")]
    NotText { name: String, element: usize },
    #[error("unknown input '{name}': the inputs are {expected}")]
    UnknownInput { name: String, expected: String },
    #[error("input '{name}' is missing")]
    MissingInput { name: String },
    #[error("input '{name}' is given twice")]
    DuplicateInput { name: String },
    #[error("unknown output '{name}': the outputs are {expected}")]
    UnknownOutput { name: String, expected: String },
    #[error("output '{name}' is asked for twice")]
    DuplicateOutput { name: String },
    #[error("input '{name}' has data type {found}: expected {expected}")]
    WrongType { name: String, found: DataType, expected: DataType },
    #[error("input '{name}' has shape {found:?}: expected {expected:?} (-1 is any size)")]
    WrongShape { name: String, found: Vec<usize>, expected: Vec<i64> },
    #[error(
        "dimension '{dimension}' is {expected} in input '{first}' and {found} in input '{name}': the model wants one size"
    )]
    UnequalSizes { dimension: String, first: String, expected: usize, name: String, found: usize },
    #[error("the model refuses these inputs: {message}")]
    Refused { message: String },
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("there is no memory for the answer")]
    NoMemory,
    #[error("there is no memory for the inputs")]
    NoInputMemory,
    #[error("these inputs make the model need more memory than it may take: {message}")]
    OutOfMemory { message: String },
    #[error("the run was stopped")]
    Interrupted,
    #[error("the run failed: {message}")]
    Failed { message: String },
}

impl RunError {
    /// Whether the caller can mend it by sending something else.
    pub fn is_callers_fault(&self) -> bool {
        !matches!(self, Self::Interrupted | Self::NoMemory | Self::NoInputMemory | Self::Failed { .. })
    }

    /// ONNX Runtime has one code for inputs that do not fit; the rest is its own.
    pub(super) fn from_ort(error: &ort::Error) -> Self {
        let message = error.message().to_owned();
        match error.code() {
            ort::ErrorCode::InvalidArgument => Self::Refused { message },
            _ if is_memory(&message) => Self::OutOfMemory { message },
            _ => Self::Failed { message },
        }
    }
}

/// What the library says where an arena may not take more.
const LIMITED: &str = "is smaller than requested bytes";

/// What stands between the node, whose name is the model's, and what happened.
const CAUSE: &str = "Status Message: ";

/// Whether the library says that it could not allocate what the inputs ask for, or that
/// their sizes are no number. It has no code for either.
fn is_memory(message: &str) -> bool {
    let cause = message.rsplit(CAUSE).next().unwrap_or_default();
    [LIMITED, "Failed to allocate memory", "bad_alloc", "bad allocation", "Integer overflow"]
        .iter()
        .any(|part| cause.contains(part))
}

impl Diagnose for RunError {}
