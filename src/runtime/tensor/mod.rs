//! Tensors as requests and answers carry them: typed and owned, so that a body
//! is parsed into the very memory that ONNX Runtime then reads.

mod tensor_bytes;
mod value;

use std::fmt;

use half::{bf16, f16};

use crate::runtime::data_type::DataType;
use crate::runtime::error::RunError;

pub use tensor_bytes::NotElements;
pub(super) use value::{Input, Output};

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
        $crate::runtime::of_type!($data_type, $elements, $elements)
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
}

/// How much memory the outputs of one run may take. It is asked before any is taken.
pub struct Allowance {
    limit: usize,
    pay: Box<dyn Fn(usize) -> bool + Send + Sync>,
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowance").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Allowance {
    /// Up to `limit` bytes, each part of which `pay` grants or refuses.
    pub fn new(limit: usize, pay: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        Self { limit, pay: Box::new(pay) }
    }

    /// Up to `limit` bytes.
    #[cfg(test)]
    pub(super) fn of(limit: usize) -> Self {
        Self::new(limit, |_| true)
    }

    pub(super) fn room(&self) -> Room<'_> {
        Room { allowed: self, left: self.limit }
    }
}

/// What is left of an allowance.
pub(super) struct Room<'a> {
    allowed: &'a Allowance,
    left: usize,
}

impl Room<'_> {
    /// An empty list with room for `count` elements, which are taken off.
    fn take<T>(&mut self, count: usize) -> Result<Vec<T>, RunError> {
        let bytes = count.checked_mul(size_of::<T>());
        let left = bytes.and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or(RunError::TooLarge { limit: self.allowed.limit })?;
        if !(self.allowed.pay)(bytes.unwrap_or_default()) {
            return Err(RunError::NoMemory);
        }
        let mut list = Vec::new();
        list.try_reserve_exact(count).map_err(|_| RunError::NoMemory)?;
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::data_type::UnknownDataType;

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
            let tensor = Tensor::new("s", vec![2], data).unwrap();
            let error = tensor.into_input(&ort::memory::MemoryInfo::default()).map(|_| ()).unwrap_err();
            assert!(matches!(error, RunError::NotText { element: 1, .. }), "{error}");
        }
    }
}
