//! An inference answer in JSON.

use axum::http::StatusCode;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::runtime::{Tensor, TensorData};
use crate::server::fault::Fault;
use crate::serving::Model;

#[derive(serde::Serialize)]
struct Document<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<Output<'a>>,
}

#[derive(serde::Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    data: Data<'a>,
}

struct Data<'a>(&'a TensorData);

/// The answer of `model` to the request `id`.
pub(super) fn write(model: &Model, id: Option<&str>, outputs: &[Tensor]) -> Result<Vec<u8>, Fault> {
    let document = Document {
        model_name: model.id().as_str(),
        model_version: model.version(),
        id,
        outputs: outputs
            .iter()
            .map(|tensor| Output {
                name: tensor.name(),
                datatype: tensor.data_type().name(),
                shape: tensor.shape(),
                data: Data(tensor.data()),
            })
            .collect(),
    };
    serde_json::to_vec(&document).map_err(|error| {
        let message = format!("the answer has no JSON form: {error}");
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "not_json", message)
    })
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
