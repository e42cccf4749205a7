//! What can go wrong with a model: at load, which its author can fix ([`ModelError`]), and
//! in a run, which its caller can fix ([`RunError`]).

use super::data_type::DataType;
use super::library::RuntimeError;
use crate::error::Diagnose;

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
