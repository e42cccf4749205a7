//! What tensors consist of, under the names of the Open Inference Protocol.

use std::fmt;
use std::str::FromStr;

use ort::value::TensorElementType;

/// What a tensor consists of, by its name in the Open Inference Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DataType {
    Bf16,
    Bool,
    Bytes,
    Fp16,
    Fp32,
    Fp64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

impl DataType {
    /// Every data type.
    pub const ALL: [Self; 14] = [
        Self::Bf16,
        Self::Bool,
        Self::Bytes,
        Self::Fp16,
        Self::Fp32,
        Self::Fp64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
    ];

    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::Bool => "BOOL",
            Self::Bytes => "BYTES",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
        }
    }

    /// Bytes that one element takes, where all take the same.
    pub const fn element_size(self) -> Option<usize> {
        match self {
            Self::Bytes => None,
            Self::Bool | Self::Int8 | Self::Uint8 => Some(1),
            Self::Bf16 | Self::Fp16 | Self::Int16 | Self::Uint16 => Some(2),
            Self::Fp32 | Self::Int32 | Self::Uint32 => Some(4),
            Self::Fp64 | Self::Int64 | Self::Uint64 => Some(8),
        }
    }

    /// Bytes of memory that `count` elements take at most, up to the moment when ONNX Runtime
    /// has them; strings are `content` bytes together. Numbers stay where they are read to. A
    /// string becomes four things here, in `ort` and there, and three of them are copies.
    pub const fn memory(self, count: usize, content: usize) -> usize {
        const STRING: usize = 192;
        match self.element_size() {
            Some(size) => count.saturating_mul(size),
            None => count.saturating_mul(STRING).saturating_add(content.saturating_mul(3)),
        }
    }

    /// The data type of this code in `onnx.proto`, or the name of what has no
    /// counterpart in the protocol.
    pub(super) fn from_onnx(code: u64) -> Result<Self, String> {
        Ok(match code {
            1 => Self::Fp32,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::Bytes,
            9 => Self::Bool,
            10 => Self::Fp16,
            11 => Self::Fp64,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bf16,
            14 => return Err("COMPLEX64".into()),
            15 => return Err("COMPLEX128".into()),
            17 => return Err("FLOAT8E4M3FN".into()),
            18 => return Err("FLOAT8E4M3FNUZ".into()),
            19 => return Err("FLOAT8E5M2".into()),
            20 => return Err("FLOAT8E5M2FNUZ".into()),
            21 => return Err("UINT4".into()),
            22 => return Err("INT4".into()),
            other => return Err(format!("ONNX data type {other}")),
        })
    }

    /// The library's name of it.
    pub(super) const fn to_ort(self) -> TensorElementType {
        match self {
            Self::Bf16 => TensorElementType::Bfloat16,
            Self::Bool => TensorElementType::Bool,
            Self::Bytes => TensorElementType::String,
            Self::Fp16 => TensorElementType::Float16,
            Self::Fp32 => TensorElementType::Float32,
            Self::Fp64 => TensorElementType::Float64,
            Self::Int8 => TensorElementType::Int8,
            Self::Int16 => TensorElementType::Int16,
            Self::Int32 => TensorElementType::Int32,
            Self::Int64 => TensorElementType::Int64,
            Self::Uint8 => TensorElementType::Uint8,
            Self::Uint16 => TensorElementType::Uint16,
            Self::Uint32 => TensorElementType::Uint32,
            Self::Uint64 => TensorElementType::Uint64,
        }
    }

    /// The data type that the library calls `element`, if there is one.
    pub(super) fn from_ort(element: TensorElementType) -> Option<Self> {
        Self::ALL.into_iter().find(|data_type| data_type.to_ort() == element)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no data type of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown data type")]
pub struct UnknownDataType;

impl FromStr for DataType {
    type Err = UnknownDataType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|data_type| data_type.name() == name).ok_or(UnknownDataType)
    }
}
