//! Where a model runs: what was asked for, and what was chosen.

use std::fmt;
use std::str::FromStr;

/// The device that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The first GPU when it can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This GPU, or none.
    Cuda(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no device: expected auto, cpu or cuda:N")]
pub struct UnknownDevice(String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // ONNX Runtime counts devices in an i32.
        let cuda = || text.strip_prefix("cuda:")?.parse().ok().filter(|n| i32::try_from(*n).is_ok());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => cuda().map(Self::Cuda).ok_or_else(|| UnknownDevice(text.to_owned())),
        }
    }
}

/// The device that was chosen, which is known to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The CPU.
    Cpu,
    /// This GPU.
    Cuda(u32),
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// Says in words why CUDA could not be had, from what ONNX Runtime said.
pub(super) fn what_is_missing(index: u32, message: &str) -> String {
    if let Some(library) = missing_library(message) {
        return if library.starts_with("libcuda.so") {
            format!("the NVIDIA driver ({library}) is not installed")
        } else {
            format!("the library {library} cannot be loaded")
        };
    }
    // cudaErrorNoDevice, cudaErrorInvalidDevice, cudaErrorInsufficientDriver
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if says(&["no CUDA-capable device", "CUDA failure 100", "CUDA error cudaErrorNoDevice"]) {
        "this machine has no CUDA device".to_owned()
    } else if says(&["invalid device ordinal", "CUDA failure 101", "cudaErrorInvalidDevice"]) {
        format!("there is no CUDA device {index}")
    } else if says(&["driver version is insufficient", "CUDA failure 35"]) {
        "the NVIDIA driver is older than CUDA 13 needs (580)".to_owned()
    } else {
        message.lines().next().unwrap_or("unknown reason").to_owned()
    }
}

/// The library that the dynamic loader says it did not find.
fn missing_library(message: &str) -> Option<&str> {
    let before = message.split(": cannot open shared object file").next().filter(|b| *b != message)?;
    before.rsplit([' ', '\n', '\'', '"']).next().map(|path| path.rsplit('/').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_back_and_others_refused() {
        for text in ["auto", "cpu", "cuda:0", "cuda:7"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "cuda:4294967295", "CPU"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("expected auto, cpu or cuda:N"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let loader = |library| {
            format!(
                "Failed to load library /x/libonnxruntime_providers_cuda.so with error: \
                 {library}: cannot open shared object file: No such file or directory"
            )
        };
        assert_eq!(
            what_is_missing(0, &loader("libcudnn.so.9")),
            "the library libcudnn.so.9 cannot be loaded"
        );
        assert!(what_is_missing(0, &loader("libcuda.so.1")).contains("NVIDIA driver"));
        let failure = "CUDA failure 101: invalid device ordinal ; GPU=3 ; hostname=h";
        assert_eq!(what_is_missing(3, failure), "there is no CUDA device 3");
        assert_eq!(what_is_missing(0, "something\nelse"), "something");
    }
}
