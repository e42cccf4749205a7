//! Why ONNX Runtime cannot be used or installed: errors that the operator can fix.

use std::io;
use std::path::PathBuf;

use super::pins::{DEFAULT_VERSION, Flavor};
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;
use crate::runtime::device::{Device, UnknownDevice};

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
            Self::UnknownFile { .. } => {
                format!("pass the wheel or the library of onnxruntime {DEFAULT_VERSION} from PyPI")
            }
            Self::Fs(error) => return error.hint(),
            Self::Unpack { .. } | Self::Io { .. } => return None,
        })
    }
}
