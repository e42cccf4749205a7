//! Tensors as requests and answers carry them: typed and owned, so that a body
//! is parsed into the very memory that ONNX Runtime then reads.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use ort::value::{DynValue, TensorElementType};

use super::error::RunError;

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

    pub(super) fn from_ort(element: TensorElementType) -> Option<Self> {
        Some(match element {
            TensorElementType::Bfloat16 => Self::Bf16,
            TensorElementType::Bool => Self::Bool,
            TensorElementType::String => Self::Bytes,
            TensorElementType::Float16 => Self::Fp16,
            TensorElementType::Float32 => Self::Fp32,
            TensorElementType::Float64 => Self::Fp64,
            TensorElementType::Int8 => Self::Int8,
            TensorElementType::Int16 => Self::Int16,
            TensorElementType::Int32 => Self::Int32,
            TensorElementType::Int64 => Self::Int64,
            TensorElementType::Uint8 => Self::Uint8,
            TensorElementType::Uint16 => Self::Uint16,
            TensorElementType::Uint32 => Self::Uint32,
            TensorElementType::Uint64 => Self::Uint64,
            _ => return None,
        })
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

/// The elements of a tensor, the last dimension running fastest.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TensorData {
    Bf16(Vec<bf16>),
    Bool(Vec<bool>),
    /// Any bytes here; ONNX Runtime takes only UTF-8 without NUL.
    Bytes(Vec<Vec<u8>>),
    Fp16(Vec<f16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
}

/// Evaluates `$body` with `$data` bound to the elements, whatever their type,
/// and `$bytes` to those of strings.
macro_rules! each_type {
    ($value:expr, $data:ident => $body:expr, $bytes:ident => $strings:expr) => {
        match $value {
            TensorData::Bf16($data) => $body,
            TensorData::Bool($data) => $body,
            TensorData::Bytes($bytes) => $strings,
            TensorData::Fp16($data) => $body,
            TensorData::Fp32($data) => $body,
            TensorData::Fp64($data) => $body,
            TensorData::Int8($data) => $body,
            TensorData::Int16($data) => $body,
            TensorData::Int32($data) => $body,
            TensorData::Int64($data) => $body,
            TensorData::Uint8($data) => $body,
            TensorData::Uint16($data) => $body,
            TensorData::Uint32($data) => $body,
            TensorData::Uint64($data) => $body,
        }
    };
}

pub(super) use each_type;

/// The elements that `$elements` gives, whatever `$data_type` they are of; strings are
/// made by `$strings`, where that is another expression.
macro_rules! of_type {
    ($data_type:expr, $elements:expr) => {
        $crate::runtime::tensor::of_type!($data_type, $elements, $elements)
    };
    ($data_type:expr, $elements:expr, $strings:expr) => {
        match $data_type {
            $crate::runtime::DataType::Bf16 => $crate::runtime::TensorData::Bf16($elements),
            $crate::runtime::DataType::Bool => $crate::runtime::TensorData::Bool($elements),
            $crate::runtime::DataType::Bytes => $crate::runtime::TensorData::Bytes($strings),
            $crate::runtime::DataType::Fp16 => $crate::runtime::TensorData::Fp16($elements),
            $crate::runtime::DataType::Fp32 => $crate::runtime::TensorData::Fp32($elements),
            $crate::runtime::DataType::Fp64 => $crate::runtime::TensorData::Fp64($elements),
            $crate::runtime::DataType::Int8 => $crate::runtime::TensorData::Int8($elements),
            $crate::runtime::DataType::Int16 => $crate::runtime::TensorData::Int16($elements),
            $crate::runtime::DataType::Int32 => $crate::runtime::TensorData::Int32($elements),
            $crate::runtime::DataType::Int64 => $crate::runtime::TensorData::Int64($elements),
            $crate::runtime::DataType::Uint8 => $crate::runtime::TensorData::Uint8($elements),
            $crate::runtime::DataType::Uint16 => $crate::runtime::TensorData::Uint16($elements),
            $crate::runtime::DataType::Uint32 => $crate::runtime::TensorData::Uint32($elements),
            $crate::runtime::DataType::Uint64 => $crate::runtime::TensorData::Uint64($elements),
        }
    };
}

pub(crate) use of_type;

impl TensorData {
    /// What it consists of.
    pub const fn data_type(&self) -> DataType {
        match self {
            Self::Bf16(_) => DataType::Bf16,
            Self::Bool(_) => DataType::Bool,
            Self::Bytes(_) => DataType::Bytes,
            Self::Fp16(_) => DataType::Fp16,
            Self::Fp32(_) => DataType::Fp32,
            Self::Fp64(_) => DataType::Fp64,
            Self::Int8(_) => DataType::Int8,
            Self::Int16(_) => DataType::Int16,
            Self::Int32(_) => DataType::Int32,
            Self::Int64(_) => DataType::Int64,
            Self::Uint8(_) => DataType::Uint8,
            Self::Uint16(_) => DataType::Uint16,
            Self::Uint32(_) => DataType::Uint32,
            Self::Uint64(_) => DataType::Uint64,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, data => data.len(), strings => strings.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `count` elements that are zero, false or empty.
    pub fn zeros(data_type: DataType, count: usize) -> Self {
        of_type!(data_type, std::iter::repeat_with(Default::default).take(count).collect())
    }
}

/// A named tensor whose shape and data agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: TensorData,
}

impl Tensor {
    /// A tensor, or an error when `shape` does not have as many elements as `data`.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, data: TensorData) -> Result<Self, RunError> {
        let name = name.into();
        if Self::elements(&shape) != Some(data.len()) {
            return Err(RunError::Count { name, shape, elements: data.len() });
        }
        Ok(Self { name, shape, data })
    }

    /// How many elements a tensor of `shape` has, if that is a number.
    pub fn elements(shape: &[usize]) -> Option<usize> {
        shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
    }

    /// Name of the input or output.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// What it consists of.
    pub fn data_type(&self) -> DataType {
        self.data.data_type()
    }

    /// Its parts.
    pub fn into_parts(self) -> (String, Vec<usize>, TensorData) {
        (self.name, self.shape, self.data)
    }

    /// Hands the elements to ONNX Runtime; all but strings stay where they are.
    pub(super) fn into_value(self) -> Result<(String, DynValue), RunError> {
        let Self { name, shape, data } = self;
        let value = each_type!(
            data,
            data => ort::value::Tensor::from_array((shape, data)).map(ort::value::Value::into_dyn),
            strings => {
                let mut texts = Vec::with_capacity(strings.len());
                for (element, bytes) in strings.into_iter().enumerate() {
                    match String::from_utf8(bytes) {
                        Ok(text) if !text.contains('\0') => texts.push(text),
                        _ => return Err(RunError::NotText { name, element }),
                    }
                }
                ort::value::Tensor::from_string_array((shape, texts.as_slice())).map(ort::value::Value::into_dyn)
            }
        );
        match value {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(RunError::from_ort(&error)),
        }
    }

    /// Copies a result out of ONNX Runtime's memory.
    pub(super) fn from_value(name: &str, data_type: DataType, value: &DynValue) -> Result<Self, RunError> {
        let read = || -> ort::Result<(Vec<i64>, TensorData)> {
            let dimensions;
            let data = of_type!(
                data_type,
                {
                    let (shape, data) = value.try_extract_tensor()?;
                    dimensions = shape.to_vec();
                    data.to_vec()
                },
                {
                    let (shape, strings) = value.try_extract_strings()?;
                    dimensions = shape.to_vec();
                    strings.into_iter().map(String::into_bytes).collect()
                }
            );
            Ok((dimensions, data))
        };
        let (shape, data) = read().map_err(|error| RunError::Failed { message: error.to_string() })?;
        let shape = shape.into_iter().map(|n| usize::try_from(n).unwrap_or(0)).collect();
        Self::new(name, shape, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for data_type in DataType::ALL {
            assert_eq!(data_type.name().parse(), Ok(data_type));
            let zeros = TensorData::zeros(data_type, 3);
            assert_eq!((zeros.data_type(), zeros.len()), (data_type, 3));
        }
        assert_eq!("fp32".parse::<DataType>(), Err(UnknownDataType));
    }

    #[test]
    fn shape_and_data_must_agree() {
        let data = || TensorData::Fp32(vec![0.0; 6]);
        assert!(Tensor::new("x", vec![2, 3], data()).is_ok());
        assert!(Tensor::new("x", vec![], TensorData::Fp32(vec![1.0])).is_ok());
        assert!(Tensor::new("x", vec![0, 5], TensorData::Fp32(vec![])).is_ok());
        assert!(matches!(Tensor::new("x", vec![7], data()), Err(RunError::Count { .. })));
        // 2^32 x 2^32 is 0 in 64 bits.
        let huge = Tensor::new("x", vec![1 << 32, 1 << 32], TensorData::Fp32(vec![]));
        assert!(matches!(huge, Err(RunError::Count { .. })));
    }

    #[test]
    fn strings_that_onnx_runtime_cannot_take_are_named() {
        for bytes in [&b"\xff"[..], b"a\0b"] {
            let data = TensorData::Bytes(vec![b"fine".to_vec(), bytes.to_vec()]);
            let error = Tensor::new("s", vec![2], data).unwrap().into_value().map(|_| ()).unwrap_err();
            assert!(matches!(error, RunError::NotText { element: 1, .. }), "{error}");
        }
    }
}
