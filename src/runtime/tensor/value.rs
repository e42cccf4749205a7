//! Tensors as values of ONNX Runtime: an input is a view of our elements, an output is
//! copied out of the library's memory.

#![expect(unsafe_code, reason = "the safe interface asks the library for the same facts again in each run")]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use half::{bf16, f16};
use ort::memory::MemoryInfo;
use ort::sys::{
    ONNXTensorElementDataType as Type, OrtMemoryInfo, OrtMemoryInfoDeviceType, OrtStatusPtr,
    OrtTensorTypeAndShapeInfo, OrtValue,
};
use ort::value::DynValue;
use ort::{AsPointer, api};

use super::{Room, Tensor, TensorData, each_type, of_type};
use crate::runtime::data_type::DataType;
use crate::runtime::error::RunError;

/// An input of a run: the library's value, and the elements that it reads.
pub(in crate::runtime) struct Input {
    name: String,
    value: Value,
    /// Behind the value, which is released first.
    _elements: TensorData,
}

enum Value {
    /// A view of the elements.
    View(Owned),
    /// Strings, which the library has copied.
    Text(DynValue),
}

impl Tensor {
    /// Hands the elements to ONNX Runtime; all but strings stay where they are. `place` is
    /// the description of our memory.
    pub(in crate::runtime) fn into_input(self, place: &MemoryInfo<'_>) -> Result<Input, RunError> {
        let Self { name, shape, mut data } = self;
        let element = element_type(data.data_type());
        let value = match &mut data {
            TensorData::Bytes(strings) => Value::Text(text(&name, shape, std::mem::take(strings))?),
            data => {
                let bytes = data.byte_len().unwrap_or_default();
                let start: *mut c_void = each_type!(
                    data,
                    data => data.as_mut_ptr().cast(),
                    strings => strings.as_mut_ptr().cast()
                );
                // SAFETY: the elements are initialized, and their buffer is moved into the
                // `Input` with the value, which is released before it. Nobody else uses them.
                Value::View(unsafe { Owned::view(place, start, bytes, &shape, element)? })
            }
        };
        Ok(Input { name, value, _elements: data })
    }
}

impl Input {
    /// The name of the input.
    pub(in crate::runtime) fn name(&self) -> &str {
        &self.name
    }

    /// The library's value, valid as long as `self`.
    pub(in crate::runtime) fn ptr(&self) -> *const OrtValue {
        match &self.value {
            Value::View(owned) => owned.0.as_ptr(),
            Value::Text(value) => value.ptr(),
        }
    }
}

/// The library's copy of `strings`.
fn text(name: &str, shape: Vec<usize>, strings: Vec<Vec<u8>>) -> Result<DynValue, RunError> {
    let mut texts = Vec::new();
    let reserved = texts.try_reserve_exact(strings.len());
    reserved.map_err(|_| RunError::NoInputMemory)?;
    for (element, bytes) in strings.into_iter().enumerate() {
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => texts.push(text),
            _ => return Err(RunError::NotText { name: name.to_owned(), element }),
        }
    }
    let value = ort::value::Tensor::from_string_array((shape, texts.as_slice()));
    value.map(ort::value::Value::into_dyn).map_err(|error| RunError::from_ort(&error))
}

/// A value of the library's that is ours to release.
struct Owned(NonNull<OrtValue>);

impl Owned {
    /// A tensor that reads `bytes` bytes at `start`.
    ///
    /// # Safety
    /// They are elements of the type `element`, and neither moved, changed nor freed while
    /// the value or any alias of it is there.
    unsafe fn view(
        place: &MemoryInfo<'_>,
        start: *mut c_void,
        bytes: usize,
        shape: &[usize],
        element: Type,
    ) -> Result<Self, RunError> {
        let shape = shape.iter().map(|n| i64::try_from(*n).map_err(|_| RunError::NoInputMemory));
        let shape = shape.collect::<Result<Vec<_>, _>>()?;
        let mut value = ptr::null_mut();
        // SAFETY: all arguments live through the call, which copies the shape; the caller
        // vouches for the elements.
        let made = unsafe {
            (api().CreateTensorWithDataAsOrtValue)(
                place.ptr(),
                start,
                bytes,
                shape.as_ptr(),
                shape.len(),
                element,
                &raw mut value,
            )
        };
        check(made).map_err(|error| RunError::from_ort(&error))?;
        NonNull::new(value).map(Self).ok_or_else(unexpected)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it is ours, and used no more.
        unsafe { (api().ReleaseValue)(self.0.as_ptr()) };
    }
}

/// An output of a run. It may share memory with inputs and weights, which `'r` borrows.
pub(in crate::runtime) struct Output<'r> {
    value: Owned,
    run: PhantomData<&'r ()>,
}

impl Output<'_> {
    /// Takes over what the library gave.
    ///
    /// # Safety
    /// The value is ours to release, and whatever it may share memory with lives for `'r`.
    pub(in crate::runtime) unsafe fn from_raw(value: *mut OrtValue) -> Option<Self> {
        Some(Self { value: Owned(NonNull::new(value)?), run: PhantomData })
    }

    /// Copies the output, which the model calls `name` and says to be of `data_type`. It
    /// takes what it needs off `room` before it allocates.
    pub(in crate::runtime) fn copy(
        &self,
        name: &str,
        data_type: DataType,
        room: &mut Room<'_>,
    ) -> Result<Tensor, RunError> {
        let shape = self.shape_of(element_type(data_type))?;
        let count = Tensor::elements(&shape).ok_or_else(unexpected)?;
        let data = of_type!(data_type, Element::copied(self, count, room)?, self.strings(count, room)?);
        Tensor::new(name, shape, data)
    }

    /// Its dimensions, if it is a tensor with elements of the type `expected`.
    fn shape_of(&self, expected: Type) -> Result<Vec<usize>, RunError> {
        let mut info = ptr::null_mut();
        // SAFETY: the value lives; the library checks that it is a tensor.
        let found = unsafe { (api().GetTensorTypeAndShape)(self.ptr(), &raw mut info) };
        check(found).map_err(|_| unexpected())?;
        let info = Info(info);
        let mut element = Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        let mut rank = 0;
        // SAFETY: the description lives until it is dropped.
        check(unsafe { (api().GetTensorElementType)(info.0, &raw mut element) })
            .map_err(|error| failed(&error))?;
        // SAFETY: as above.
        check(unsafe { (api().GetDimensionsCount)(info.0, &raw mut rank) })
            .map_err(|error| failed(&error))?;
        if element != expected {
            return Err(unexpected());
        }
        let mut dimensions = vec![0_i64; rank];
        // SAFETY: as above, and the list has the length that is given with it.
        check(unsafe { (api().GetDimensions)(info.0, dimensions.as_mut_ptr(), rank) })
            .map_err(|error| failed(&error))?;
        dimensions.into_iter().map(|n| usize::try_from(n).map_err(|_| unexpected())).collect()
    }

    /// Where its elements are, in memory that this process can read.
    fn start(&self) -> Result<*const c_void, RunError> {
        let mut place: *const OrtMemoryInfo = ptr::null();
        // SAFETY: the value lives, and is a tensor; the description lives as long as it.
        check(unsafe { (api().GetTensorMemoryInfo)(self.ptr(), &raw mut place) })
            .map_err(|error| failed(&error))?;
        let mut device = OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU;
        // SAFETY: both live through the call.
        unsafe { (api().MemoryInfoGetDeviceType)(place, &raw mut device) };
        if device != OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU {
            return Err(unexpected());
        }
        let mut start = ptr::null_mut();
        // SAFETY: the value lives, and is a tensor.
        check(unsafe { (api().GetTensorMutableData)(self.ptr(), &raw mut start) })
            .map_err(|error| failed(&error))?;
        Ok(start)
    }

    /// Its `count` elements.
    ///
    /// # Safety
    /// It is a tensor of `count` elements that have the size and alignment of `T`, and any
    /// bits are a `T`.
    unsafe fn elements<T>(&self, count: usize) -> Result<&[T], RunError> {
        // Without elements there may be no data.
        if count == 0 {
            return Ok(&[]);
        }
        let start = NonNull::new(self.start()?.cast_mut()).ok_or_else(unexpected)?;
        // SAFETY: so the caller says; the tensor is borrowed.
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr().cast(), count) })
    }

    /// Its `count` strings. The library's text is copied twice, and both times counted.
    fn strings(&self, count: usize, room: &mut Room<'_>) -> Result<Vec<Vec<u8>>, RunError> {
        let mut length = 0;
        // SAFETY: the value lives, and is a tensor of strings.
        check(unsafe { (api().GetStringTensorDataLength)(self.ptr(), &raw mut length) })
            .map_err(|error| failed(&error))?;
        let mut text: Vec<u8> = room.take(length)?;
        let mut starts: Vec<usize> = room.take(count)?;
        text.resize(length, 0);
        starts.resize(count, 0);
        // SAFETY: both lists have the lengths that are given with them.
        check(unsafe {
            let (text, starts) = (text.as_mut_ptr().cast(), starts.as_mut_ptr());
            (api().GetStringTensorContent)(self.ptr(), text, length, starts, count)
        })
        .map_err(|error| failed(&error))?;
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

    fn ptr(&self) -> *mut OrtValue {
        self.value.0.as_ptr()
    }
}

/// The description of a tensor, which is ours to release.
struct Info(*mut OrtTensorTypeAndShapeInfo);

impl Drop for Info {
    fn drop(&mut self) {
        // SAFETY: it is ours, and used no more.
        unsafe { (api().ReleaseTensorTypeAndShapeInfo)(self.0) };
    }
}

/// Elements that are copied out of a tensor of the library's.
trait Element: Sized {
    /// Copies the elements of `output`, which is a tensor of `count` of them.
    fn copied(output: &Output<'_>, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError>;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Element for $type {
            fn copied(output: &Output<'_>, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError> {
                let mut copy = room.take(count)?;
                // SAFETY: `copy` compared the type; any bits are a number.
                copy.extend_from_slice(unsafe { output.elements::<$type>(count)? });
                Ok(copy)
            }
        }
    )*};
}

numbers!(bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

impl Element for bool {
    /// Byte by byte: a kernel may have written what is no `bool`.
    fn copied(output: &Output<'_>, count: usize, room: &mut Room<'_>) -> Result<Vec<Self>, RunError> {
        let mut copy = room.take(count)?;
        // SAFETY: `copy` compared the type; a boolean takes a byte.
        let bytes = unsafe { output.elements::<u8>(count)? };
        copy.extend(bytes.iter().map(|byte| *byte != 0));
        Ok(copy)
    }
}

/// The library's name of a data type.
fn element_type(data_type: DataType) -> Type {
    data_type.to_ort().into()
}

/// The library gave what the model does not say that it gives.
fn unexpected() -> RunError {
    RunError::Failed { message: "an output is not of the type that the model names".into() }
}

fn failed(error: &ort::Error) -> RunError {
    RunError::Failed { message: error.to_string() }
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: it comes from the library, and is used no more.
    unsafe { ort::Error::result_from_status(status) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tensor::Allowance;

    #[test]
    fn booleans_are_false_or_true_whatever_a_kernel_wrote() {
        crate::runtime::testing::runtime();
        let read = |bytes: &mut [u8]| {
            let (start, shape) = (bytes.as_mut_ptr().cast(), [bytes.len()]);
            let kind = element_type(DataType::Bool);
            // SAFETY: the bytes outlive the value.
            let value = unsafe { Owned::view(&MemoryInfo::default(), start, bytes.len(), &shape, kind) };
            let output = Output { value: value.unwrap(), run: PhantomData };
            output.copy("y", DataType::Bool, &mut Allowance::of(100).room()).unwrap().data
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
    }

    #[test]
    fn an_output_of_another_type_is_refused() {
        crate::runtime::testing::runtime();
        let tensor = Tensor::new("x", vec![2], TensorData::Int32(vec![1, 2])).unwrap();
        let input = tensor.into_input(&MemoryInfo::default()).unwrap();
        let Value::View(value) = input.value else { panic!("numbers are viewed") };
        let output = Output { value, run: PhantomData };
        let copy = |data_type| output.copy("y", data_type, &mut Allowance::of(100).room());
        assert!(matches!(copy(DataType::Fp32), Err(RunError::Failed { .. })));
        assert_eq!(copy(DataType::Int32).unwrap().data(), &TensorData::Int32(vec![1, 2]));
    }
}
