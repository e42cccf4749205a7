//! Tensors as requests and answers carry them: typed and owned, so that a body
//! is parsed into the very memory that ONNX Runtime then reads.

mod tensor_bytes;

use std::fmt;
use std::ptr::NonNull;

use half::{bf16, f16};
use ort::AsPointer;
use ort::value::{DynValue, TensorElementType, ValueType};

use crate::runtime::data_type::DataType;
use crate::runtime::error::RunError;

pub use tensor_bytes::NotElements;

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

    /// Hands the elements to ONNX Runtime; all but strings stay where they are.
    pub(super) fn into_value(self) -> Result<(String, DynValue), RunError> {
        let Self { name, shape, data } = self;
        let value = each_type!(
            data,
            data => ort::value::Tensor::from_array((shape, data)).map(ort::value::Value::into_dyn),
            strings => {
                let mut texts = Vec::new();
                let reserved = texts.try_reserve_exact(strings.len());
                reserved.map_err(|_| RunError::NoInputMemory)?;
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

    /// Copies a result out of ONNX Runtime's memory. It takes what it needs off `room`
    /// before it allocates.
    pub(super) fn from_value(
        name: &str,
        data_type: DataType,
        value: &DynValue,
        room: &mut Room<'_>,
    ) -> Result<Self, RunError> {
        let ValueType::Tensor { ty, shape, .. } = value.dtype() else { return Err(unexpected()) };
        if DataType::from_ort(*ty) != Some(data_type) {
            return Err(unexpected());
        }
        let shape = shape.iter().map(|n| usize::try_from(*n).map_err(|_| unexpected()));
        let shape = shape.collect::<Result<Vec<_>, _>>()?;
        let count = Self::elements(&shape).ok_or_else(unexpected)?;
        let data = of_type!(data_type, Answer::copied(value, count, room)?, strings(value, count, room)?);
        Self::new(name, shape, data)
    }
}

/// The library gave what the model does not say that it gives.
fn unexpected() -> RunError {
    RunError::Failed { message: "an output is not of the type that the model names".into() }
}

fn failed(error: &ort::Error) -> RunError {
    RunError::Failed { message: error.to_string() }
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

/// The `count` strings of a tensor. The library's text is copied twice, and both times
/// counted.
#[expect(unsafe_code, reason = "the safe way allocates what the library says, however much that is")]
fn strings(value: &DynValue, count: usize, room: &mut Room<'_>) -> Result<Vec<Vec<u8>>, RunError> {
    let check = |status| {
        // SAFETY: it comes from the library, and is used no more.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))
    };
    let mut length = 0;
    // SAFETY: the value lives, and is a tensor of strings.
    check(unsafe { (ort::api().GetStringTensorDataLength)(value.ptr(), &raw mut length) })?;
    let mut text: Vec<u8> = room.take(length)?;
    let mut starts: Vec<usize> = room.take(count)?;
    text.resize(length, 0);
    starts.resize(count, 0);
    // SAFETY: both lists have the lengths that are given with them.
    check(unsafe {
        let (text, starts) = (text.as_mut_ptr().cast(), starts.as_mut_ptr());
        (ort::api().GetStringTensorContent)(value.ptr(), text, length, starts, count)
    })?;
    let mut strings: Vec<Vec<u8>> = room.take(count)?;
    let ends = starts.iter().skip(1).copied().chain([length]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let string = text.get(start..end).ok_or_else(unexpected)?;
        let mut copy = room.take(string.len())?;
        copy.extend_from_slice(string);
        strings.push(copy);
    }
    Ok(strings)
}

/// Elements that are copied out of a tensor of the library's.
trait Answer: Sized {
    fn copied(value: &DynValue, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError>;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Answer for $type {
            fn copied(value: &DynValue, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError> {
                let mut copy = room.take(count)?;
                if count > 0 {
                    let (_, data) = value.try_extract_tensor().map_err(|error| failed(&error))?;
                    copy.extend_from_slice(data.get(..count).ok_or_else(unexpected)?);
                }
                Ok(copy)
            }
        }
    )*};
}

numbers!(bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

impl Answer for bool {
    /// Byte by byte: a kernel may have written what is no `bool`.
    #[expect(unsafe_code, reason = "the library gives a tensor of booleans as nothing but booleans")]
    fn copied(value: &DynValue, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError> {
        let mut copy = room.take(count)?;
        let ValueType::Tensor { ty: TensorElementType::Bool, .. } = value.dtype() else {
            return Err(unexpected());
        };
        let tensor = value.upcast_ref();
        if !tensor.memory_info().is_cpu_accessible() {
            return Err(unexpected());
        }
        // Without elements there may be no data.
        let data = match NonNull::new(tensor.data_ptr().cast_mut().cast::<u8>()) {
            Some(data) => data,
            None if count == 0 => NonNull::dangling(),
            None => return Err(unexpected()),
        };
        // SAFETY: a boolean takes a byte, and the tensor, which is borrowed, has so many of them
        // at `data`; where there are none, any aligned address is good.
        let bytes = unsafe { std::slice::from_raw_parts(data.as_ptr(), count) };
        copy.extend(bytes.iter().map(|byte| *byte != 0));
        Ok(copy)
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
    #[expect(unsafe_code, reason = "safe code has no booleans that are none")]
    fn booleans_are_false_or_true_whatever_a_kernel_wrote() {
        use ort::memory::MemoryInfo;
        use ort::value::{Shape, TensorRefMut};
        crate::runtime::testing::runtime();
        let read = |bytes: &mut [u8]| {
            let shape = Shape::new([i64::try_from(bytes.len()).unwrap()]);
            // SAFETY: the bytes outlive the tensor.
            let tensor = unsafe {
                TensorRefMut::<bool>::from_raw(MemoryInfo::default(), bytes.as_mut_ptr().cast(), shape)
            };
            let value = tensor.unwrap().into_dyn();
            Tensor::from_value("y", DataType::Bool, &value, &mut Allowance::of(100).room()).unwrap().data
        };
        for (mut bytes, expected) in [
            (vec![0, 1, 2, 0x80, 0xfe, 0xff, 0], vec![false, true, true, true, true, true, false]),
            (vec![], vec![]),
        ] {
            let data = read(&mut bytes);
            let mut written = Vec::new();
            data.write_bytes(&mut written);
            assert!(written.iter().all(|byte| *byte <= 1), "{written:?}");
            assert_eq!(data, TensorData::Bool(expected));
        }
        let other = Tensor::new("y", vec![1], TensorData::Uint8(vec![1])).unwrap().into_value().unwrap().1;
        assert!(Tensor::from_value("y", DataType::Bool, &other, &mut Allowance::of(100).room()).is_err());
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
