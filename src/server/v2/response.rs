//! An inference answer: JSON, and behind it the outputs that are wanted in binary form.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::request::OutputForms;
use crate::pipeline::{ApiError, Buffer, Class};
use crate::runtime::{DataType, Tensor, TensorData};
use crate::serving::Model;

#[derive(serde::Serialize)]
struct Document<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<Output<'a>>,
}

/// Has either parameters or data.
#[derive(serde::Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(serde::Serialize)]
struct Parameters {
    /// Bytes that the data takes after the JSON.
    binary_data_size: usize,
}

struct Data<'a>(&'a TensorData);

/// An answer.
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// How much of it is JSON, where binary data follows.
    pub(super) header_length: Option<usize>,
}

/// The answer of `model` to the request `id`, each output in the form that was asked for,
/// in `body`.
pub(super) fn write(
    model: &Model,
    id: Option<&str>,
    outputs: &[Tensor],
    forms: &OutputForms,
    mut body: Buffer,
) -> Result<Answer, ApiError> {
    let described = outputs.iter().enumerate().map(|(position, tensor)| {
        let size = || tensor.data().byte_len().ok_or_else(too_long);
        let binary_data_size = forms.is_binary(position).then(size).transpose()?;
        Ok(Output {
            name: tensor.name(),
            datatype: tensor.data_type().name(),
            shape: tensor.shape(),
            parameters: binary_data_size.map(|binary_data_size| Parameters { binary_data_size }),
            data: binary_data_size.is_none().then(|| Data(tensor.data())),
        })
    });
    let document = Document {
        model_name: model.id().as_str(),
        model_version: model.version(),
        id,
        outputs: described.collect::<Result<_, ApiError>>()?,
    };
    let sizes = document.outputs.iter().filter_map(|output| output.parameters.as_ref());
    let total = sizes.fold(0usize, |sum, parameters| sum.saturating_add(parameters.binary_data_size));
    // Room for all of it, so that the elements are copied once.
    body.reserve(total)?;
    if let Err(error) = serde_json::to_writer(&mut body, &document) {
        return Err(body.refusal().unwrap_or_else(|| {
            let message = format!("the answer has no JSON form: {error}");
            ApiError::new(Class::Unprocessable, "not_json", message)
        }));
    }
    let mut header_length = None;
    body.reserve(total)?;
    for (_, tensor) in outputs.iter().enumerate().filter(|(position, _)| forms.is_binary(*position)) {
        header_length.get_or_insert(body.len());
        tensor.data().write_bytes(body.bytes());
    }
    Ok(Answer { body: body.into_bytes(), header_length })
}

/// About how many bytes are written for `outputs`, at the most.
pub(super) fn size(outputs: &[Tensor]) -> usize {
    let text = |tensor: &Tensor| {
        let bytes = tensor.data().byte_len().unwrap_or(usize::MAX);
        // As text, and with what stands between them, elements take so many times as much.
        bytes.saturating_mul(match tensor.data().data_type() {
            DataType::Fp16 | DataType::Bf16 => 8,
            DataType::Bool | DataType::Bytes => 6,
            DataType::Int8 | DataType::Uint8 => 5,
            _ => 4,
        })
    };
    outputs.iter().map(text).fold(0, usize::saturating_add)
}

fn too_long() -> ApiError {
    let message = "the answer has no binary form: a string is longer than 4 GiB";
    ApiError::new(Class::Unprocessable, "not_binary", message)
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            TensorData::Bool(data) => data.serialize(serializer),
            TensorData::Int8(data) => data.serialize(serializer),
            TensorData::Int16(data) => data.serialize(serializer),
            TensorData::Int32(data) => data.serialize(serializer),
            TensorData::Int64(data) => data.serialize(serializer),
            TensorData::Uint8(data) => data.serialize(serializer),
            TensorData::Uint16(data) => data.serialize(serializer),
            TensorData::Uint32(data) => data.serialize(serializer),
            TensorData::Uint64(data) => data.serialize(serializer),
            TensorData::Fp32(data) => finite(serializer, data, |x| x.is_finite().then_some(*x)),
            TensorData::Fp64(data) => finite(serializer, data, |x| x.is_finite().then_some(*x)),
            TensorData::Fp16(data) => finite(serializer, data, |x| x.is_finite().then(|| x.to_f32())),
            TensorData::Bf16(data) => finite(serializer, data, |x| x.is_finite().then(|| x.to_f32())),
            TensorData::Bytes(data) => finite(serializer, data, |x| std::str::from_utf8(x).ok()),
        }
    }
}

/// Writes `data` through `form`; JSON knows neither NaN nor infinities nor bytes,
/// and to write something else in their place would be a wrong answer.
fn finite<'d, S: Serializer, T, U: Serialize>(
    serializer: S,
    data: &'d [T],
    form: impl Fn(&'d T) -> Option<U>,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(Some(data.len()))?;
    for value in data {
        let form = form(value)
            .ok_or_else(|| serde::ser::Error::custom("an output is NaN, infinite or not UTF-8"))?;
        seq.serialize_element(&form)?;
    }
    seq.end()
}
