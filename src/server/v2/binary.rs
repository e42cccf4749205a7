//! The binary tensor extension: how a body that is not all JSON is divided.

use axum::http::HeaderMap;
use axum::http::header::HeaderName;

use crate::pipeline::ApiError;
use crate::pipeline::MemoryPermit;
use crate::runtime::{DataType, NotElements, Tensor, TensorData, TensorSpec};

/// How long the JSON is that a body begins with.
pub(super) const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Bytes that tell a string's length.
const LENGTH: usize = 4;

/// How a body holds a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// It is JSON.
    Json,
    /// So many bytes of it are JSON, and the rest is data.
    Mixed(usize),
    /// It is the data of the one input that the model has.
    Raw,
}

impl Form {
    /// What the headers say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut lengths = headers.get_all(HEADER_LENGTH).iter();
        let Some(length) = lengths.next() else { return Ok(Self::Json) };
        // Digits and nothing else: `parse` alone would take a sign.
        let number = length
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        match number {
            _ if lengths.next().is_some() => {
                Err(ApiError::malformed("Inference-Header-Content-Length is there twice"))
            }
            None => Err(ApiError::malformed("Inference-Header-Content-Length must be a number of bytes")),
            Some(0) => Ok(Self::Raw),
            Some(length) => Ok(Self::Mixed(length)),
        }
    }
}

/// Divides a body after `length` bytes, the JSON, into that and the data.
pub(super) fn split(body: &[u8], length: usize) -> Result<(&[u8], Data<'_>), ApiError> {
    let (json, data) = body
        .split_at_checked(length)
        .ok_or_else(|| ApiError::malformed("Inference-Header-Content-Length is larger than the body"))?;
    Ok((json, Data(data)))
}

/// What follows the JSON: the data of the binary inputs, in their order.
pub(super) struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    /// The next `size` bytes, which are those of the input `name`.
    pub(super) fn take(&mut self, size: usize, name: &str) -> Result<&'a [u8], ApiError> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or_else(|| {
            ApiError::malformed(format!("the body ends before the binary data of input '{name}' does"))
        })?;
        self.0 = rest;
        Ok(taken)
    }

    /// Everything was taken.
    pub(super) fn end(self) -> Result<(), ApiError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(ApiError::malformed(format!("{left} bytes of the body belong to no input"))),
        }
    }
}

/// The tensor that `bytes` are, paid for from `memory`.
pub(super) fn tensor(
    name: &str,
    data_type: DataType,
    shape: Vec<usize>,
    bytes: &[u8],
    memory: &mut MemoryPermit,
) -> Result<Tensor, ApiError> {
    // A shape beyond all numbers has more elements than there are bytes.
    let count = Tensor::elements(&shape).unwrap_or(usize::MAX);
    // What has no room in the bytes is refused below, before it takes any memory.
    let content = count.checked_mul(data_type.element_size().unwrap_or(LENGTH));
    if let Some(content) = content.and_then(|least| bytes.len().checked_sub(least)) {
        memory.grow(data_type.memory(count, content))?;
    }
    let data = TensorData::from_bytes(data_type, count, bytes).map_err(|error| {
        let message = format!("the binary data of input '{name}' does not fit: {error}");
        match error {
            NotElements::Size { .. } => ApiError::invalid(message),
            NotElements::NoMemory => ApiError::no_memory(),
            NotElements::Bool | NotElements::String { .. } => ApiError::malformed(message),
        }
    })?;
    Ok(Tensor::new(name, shape, data)?)
}

/// The one input of a model whose inputs are `specs`, from a body that is nothing else.
/// Its shape is what the model says; one dimension of any size follows from the length
/// of the body. A string is the whole body, and no length comes before it.
pub(super) fn raw(specs: &[TensorSpec], body: &[u8], memory: &mut MemoryPermit) -> Result<Tensor, ApiError> {
    let [spec] = specs else {
        return Err(ApiError::invalid("a raw body is for models with exactly one input"));
    };
    let shape = shape_of(spec, body.len()).ok_or_else(|| {
        let message = format!(
            "the shape of input '{}', {:?} of {}, does not follow from a raw body of {} bytes",
            spec.name,
            spec.shape,
            spec.data_type,
            body.len()
        );
        ApiError::invalid(message)
    })?;
    match spec.data_type {
        DataType::Bytes => {
            memory.grow(DataType::Bytes.memory(1, body.len()))?;
            Ok(Tensor::new(&*spec.name, shape, TensorData::Bytes(vec![body.to_vec()]))?)
        }
        data_type => tensor(&spec.name, data_type, shape, body, memory),
    }
}

/// The shape that `spec` has in a body of `length` bytes, if there is exactly one.
fn shape_of(spec: &TensorSpec, length: usize) -> Option<Vec<usize>> {
    let is_free = |size: &i64| *size < 0;
    let fixed = spec.shape.iter().filter(|size| !is_free(size));
    let fixed = fixed.map(|size| usize::try_from(*size).ok()).try_fold(1usize, |n, d| n.checked_mul(d?))?;
    let free = match spec.data_type.element_size() {
        // One string, so every dimension is 1.
        None => (fixed == 1).then_some(1)?,
        Some(size) => {
            let unit = fixed.checked_mul(size)?;
            match spec.shape.iter().filter(|size| is_free(size)).count() {
                0 => (length == unit).then_some(0)?,
                1 => (length.checked_rem(unit)? == 0).then(|| length / unit)?,
                _ => return None,
            }
        }
    };
    spec.shape
        .iter()
        .map(|size| if is_free(size) { Some(free) } else { usize::try_from(*size).ok() })
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn form(values: &[&str]) -> Result<Form, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER_LENGTH, HeaderValue::from_str(value).unwrap());
        }
        Form::of(&headers).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn the_header_is_one_number() {
        assert_eq!(form(&[]), Ok(Form::Json));
        assert_eq!(form(&["0"]), Ok(Form::Raw));
        assert_eq!(form(&["123"]), Ok(Form::Mixed(123)));
        for value in ["", "-1", "+1", "1 0", "1.0", "1e3", "0x10", "10, 10", "ten", "18446744073709551616"] {
            assert!(form(&[value]).unwrap_err().contains("must be a number"), "{value}");
        }
        assert!(form(&["5", "5"]).unwrap_err().contains("twice"));
    }

    #[test]
    fn the_shape_of_a_raw_body_follows_from_its_length() {
        use DataType::{Bytes, Fp32, Int8};
        let shape = |data_type, shape: &[i64], length| {
            let spec =
                TensorSpec { name: "x".into(), data_type, shape: shape.into(), dimensions: Vec::new() };
            shape_of(&spec, length)
        };
        for (data_type, dimensions, length, expected) in [
            (Fp32, &[-1, 64][..], 512, Some(vec![2, 64])),
            (Fp32, &[-1, 64], 0, Some(vec![0, 64])),
            (Fp32, &[-1, 64], 511, None),
            (Fp32, &[2, -1, 3], 48, Some(vec![2, 2, 3])),
            (Fp32, &[2, 3], 24, Some(vec![2, 3])),
            (Fp32, &[2, 3], 28, None),
            (Fp32, &[], 4, Some(vec![])),
            (Fp32, &[], 8, None),
            (Int8, &[-1, -1], 4, None),
            // Any size would do.
            (Int8, &[0, -1], 0, None),
            (Int8, &[i64::MAX, i64::MAX], 1, None),
            (Bytes, &[1], 9, Some(vec![1])),
            (Bytes, &[-1], 9, Some(vec![1])),
            (Bytes, &[-1, 1], 0, Some(vec![1, 1])),
            (Bytes, &[2], 9, None),
        ] {
            assert_eq!(shape(data_type, dimensions, length), expected, "{data_type} {dimensions:?} {length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_body_is_divided_without_loss(body: Vec<u8>, length in 0..300usize, sizes: Vec<u8>) {
            let Ok((json, mut data)) = split(&body, length) else {
                proptest::prop_assert!(length > body.len());
                return Ok(());
            };
            let mut all = json.to_vec();
            for size in sizes {
                match data.take(usize::from(size), "x") {
                    Ok(taken) => all.extend(taken),
                    Err(_) => break,
                }
            }
            let left = body.len() - all.len();
            proptest::prop_assert_eq!(&all, &body[..all.len()]);
            proptest::prop_assert_eq!(data.end().is_ok(), left == 0);
        }

        #[test]
        fn a_raw_body_never_panics(body: Vec<u8>, shape: Vec<i64>, kind in 0..DataType::ALL.len()) {
            let spec = TensorSpec { name: "x".into(), data_type: DataType::ALL[kind], shape, dimensions: Vec::new() };
            let budget = crate::pipeline::Budget::new(1 << 20);
            if let Ok(tensor) = raw(&[spec], &body, &mut budget.take(0).unwrap()) {
                proptest::prop_assert_eq!(tensor.data_type(), DataType::ALL[kind]);
            }
        }
    }
}
