//! An inference request: JSON, JSON with binary data behind it, or binary data alone.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::binary::{self, Data, Form};
use super::bounded::{Few, Members, Object, Small, Value};
use super::json::{self, Unread};
use super::path::{Path, Step};
use super::place::Document;
use super::scalar::Size;
use crate::pipeline::ApiError;
use crate::pipeline::MemoryPermit;
use crate::runtime::{DataType, RunError, Tensor, TensorSpec};
use crate::server::http::body::Held;
use crate::server::http::content_encoding::ContentCoding;
use crate::serving::Tensors;

/// Inputs or outputs of one request.
const MAX_TENSORS: usize = 1024;
/// Dimensions of one tensor: more than any model has.
const MAX_DIMENSIONS: usize = 32;

/// What the headers say of a request's body and of its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Media {
    pub(super) form: Form,
    /// How the body is compressed.
    pub(super) coding: Option<ContentCoding>,
    /// How the answer may be compressed.
    pub(super) wanted: Option<ContentCoding>,
}

impl Media {
    /// Refuses bodies in forms that are not read here, before they are read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let form = Form::of(headers)?;
        // `tritonclient` sends no type; `curl --data` says it sends a form. Both mean what
        // the other headers say.
        let foreign = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            match essence.as_str() {
                "application/json" | "application/x-www-form-urlencoded" | "" => false,
                "application/octet-stream" => form == Form::Json,
                _ => true,
            }
        });
        if foreign {
            return Err(ApiError::unsupported(
                "Content-Type must be application/json, or with Inference-Header-Content-Length application/octet-stream",
            ));
        }
        Ok(Self { form, coding: ContentCoding::of_body(headers)?, wanted: ContentCoding::wanted(headers) })
    }
}

/// What a client asks for, but for the inputs.
#[derive(Debug)]
pub(super) struct Inference {
    pub(super) id: Option<String>,
    /// Names; empty: all.
    pub(super) outputs: Vec<String>,
    pub(super) forms: OutputForms,
}

/// Which outputs are wanted in binary form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OutputForms {
    /// For each output that was asked for by name.
    named: Vec<bool>,
    /// For all, where none was.
    all: bool,
}

impl OutputForms {
    /// Whether the output at `position` of the answer is to be binary.
    pub(super) fn is_binary(&self, position: usize) -> bool {
        self.named.get(position).copied().unwrap_or(self.all)
    }
}

/// The whole of a request's JSON. All but the data is bounded as it is read.
#[derive(Default)]
struct Request<'a> {
    id: Option<Small<'a>>,
    parameters: Option<Small<'a>>,
    inputs: Option<Few<Members<Input<'a>>, MAX_TENSORS>>,
    outputs: Option<Few<Members<Output<'a>>, MAX_TENSORS>>,
}

impl<'de> Object<'de> for Request<'de> {
    const MEMBERS: &'static [&'static str] = &["id", "parameters", "inputs", "outputs"];

    fn member<V: Value<'de>>(&mut self, index: usize, value: V) -> Result<(), V::Error> {
        match index {
            0 => self.id = value.read()?,
            1 => self.parameters = value.read()?,
            2 => self.inputs = Some(value.read()?),
            _ => self.outputs = value.read()?,
        }
        Ok(())
    }

    fn lacks(&self) -> Option<&'static str> {
        self.inputs.is_none().then_some("inputs")
    }
}

#[derive(Default)]
struct Input<'a> {
    name: Option<Small<'a>>,
    shape: Option<Few<Size, MAX_DIMENSIONS>>,
    datatype: Option<Small<'a>>,
    parameters: Option<Small<'a>>,
    /// Read once the data type is known.
    data: Option<&'a RawValue>,
}

impl<'de> Object<'de> for Input<'de> {
    const MEMBERS: &'static [&'static str] = &["name", "shape", "datatype", "parameters", "data"];

    fn member<V: Value<'de>>(&mut self, index: usize, value: V) -> Result<(), V::Error> {
        match index {
            0 => self.name = Some(value.read()?),
            1 => self.shape = Some(value.read()?),
            2 => self.datatype = Some(value.read()?),
            3 => self.parameters = value.read()?,
            _ => self.data = value.read()?,
        }
        Ok(())
    }

    fn lacks(&self) -> Option<&'static str> {
        let there = [self.name.is_some(), self.shape.is_some(), self.datatype.is_some()];
        Self::MEMBERS.iter().zip(there).find(|(_, there)| !there).map(|(name, _)| *name)
    }
}

#[derive(Default)]
struct Output<'a> {
    name: Option<Small<'a>>,
    parameters: Option<Small<'a>>,
}

impl<'de> Object<'de> for Output<'de> {
    const MEMBERS: &'static [&'static str] = &["name", "parameters"];

    fn member<V: Value<'de>>(&mut self, index: usize, value: V) -> Result<(), V::Error> {
        match index {
            0 => self.name = Some(value.read()?),
            _ => self.parameters = value.read()?,
        }
        Ok(())
    }

    fn lacks(&self) -> Option<&'static str> {
        self.name.is_none().then_some("name")
    }
}

/// The parameters that mean something here; each stands where its extension puts it.
#[derive(Default)]
struct Parameters {
    /// Of an input: its data follows the JSON, so many bytes of it.
    binary_data_size: Option<Size>,
    /// Of an output: whether it is wanted in binary form.
    binary_data: Option<bool>,
    /// Of the request: the same for all outputs that do not say.
    binary_data_output: Option<bool>,
    classification: Option<IgnoredAny>,
    shared_memory_region: Option<IgnoredAny>,
}

impl<'de> Object<'de> for Parameters {
    const MEMBERS: &'static [&'static str] =
        &["binary_data_size", "binary_data", "binary_data_output", "classification", "shared_memory_region"];

    fn member<V: Value<'de>>(&mut self, index: usize, value: V) -> Result<(), V::Error> {
        match index {
            0 => self.binary_data_size = value.read()?,
            1 => self.binary_data = value.read()?,
            2 => self.binary_data_output = value.read()?,
            3 => self.classification = value.read()?,
            _ => self.shared_memory_region = value.read()?,
        }
        Ok(())
    }
}

impl Parameters {
    /// Those in `text`, if there are any, to which `path` leads.
    fn read(whole: Document<'_>, text: Option<Small<'_>>, path: &[Step]) -> Result<Self, ApiError> {
        let Some(Small(text)) = text else { return Ok(Self::default()) };
        let path = Path::of(&[path, &[Step::Member("parameters")]].concat());
        let Members(parameters): Members<Self> = whole.read_part(text.get().as_bytes(), path)?;
        if parameters.classification.is_some() || parameters.shared_memory_region.is_some() {
            return Err(ApiError::malformed(
                "the classification and shared memory extensions are not available",
            ));
        }
        Ok(parameters)
    }
}

/// The string in `text`, to which `path` leads.
fn string(whole: Document<'_>, text: Option<Small<'_>>, path: &[Step]) -> Result<String, ApiError> {
    // What is missing was refused as it was read.
    let Some(Small(text)) = text else { return Ok(String::new()) };
    whole.read_part(text.get().as_bytes(), Path::of(path))
}

/// Reads the request in `held` for a model that takes `specs`. The text and its tensors
/// both have their shares while both are there. The tensors are copies, so the text goes;
/// the larger of the two shares stays, with the tensors.
pub(super) fn read(form: Form, held: Held, specs: &[TensorSpec]) -> Result<(Inference, Tensors), ApiError> {
    let Held { bytes, mut memory } = held;
    let text = memory.bytes();
    let (request, inputs) = parse(form, &bytes, specs, &mut memory)?;
    drop(bytes);
    memory.shrink(text.max(memory.bytes() - text));
    Ok((request, Tensors::new(inputs, memory)))
}

/// Reads the request in `body`. What becomes of it is paid for from `memory` before it is there.
fn parse(
    form: Form,
    body: &[u8],
    specs: &[TensorSpec],
    memory: &mut MemoryPermit,
) -> Result<(Inference, Vec<Tensor>), ApiError> {
    let length = match form {
        Form::Json => body.len(),
        Form::Mixed(length) => length,
        Form::Raw => {
            let inputs = vec![binary::raw(specs, body, memory)?];
            let forms = OutputForms { named: Vec::new(), all: true };
            return Ok((Inference { id: None, outputs: Vec::new(), forms }, inputs));
        }
    };
    let (text, mut data) = binary::split(body, length)?;
    let whole = Document(text);
    let Members(request): Members<Request<'_>> = whole.read()?;
    let Few(inputs) = request.inputs.unwrap_or_default();
    let Few(outputs) = request.outputs.unwrap_or_default();
    let id = string(whole, request.id, &[Step::Member("id")])?;
    let parameters = Parameters::read(whole, request.parameters, &[])?;
    let all = parameters.binary_data_output.unwrap_or(false);
    let (mut wanted, mut named) = (Vec::with_capacity(outputs.len()), Vec::with_capacity(outputs.len()));
    for (index, Members(output)) in outputs.into_iter().enumerate() {
        let path = [Step::Member("outputs"), Step::Element(index)];
        let parameters = Parameters::read(whole, output.parameters, &path)?;
        wanted.push(string(whole, output.name, &[&path[..], &[Step::Member("name")]].concat())?);
        named.push(parameters.binary_data.unwrap_or(all));
    }
    let inputs = inputs.into_iter().enumerate().map(|(index, Members(input))| {
        let path = [Step::Member("inputs"), Step::Element(index)];
        tensor(whole, input, &path, &mut data, memory)
    });
    let inputs = inputs.collect::<Result<_, _>>()?;
    data.end()?;
    let forms = OutputForms { named, all };
    let id = Some(id).filter(|id| !id.is_empty());
    Ok((Inference { id, outputs: wanted, forms }, inputs))
}

/// The tensor that `input` is, to which `path` leads; binary data is taken from `rest`.
fn tensor(
    whole: Document<'_>,
    input: Input<'_>,
    path: &[Step],
    rest: &mut Data<'_>,
    memory: &mut MemoryPermit,
) -> Result<Tensor, ApiError> {
    let member = |name| [path, &[Step::Member(name)]].concat();
    let name = string(whole, input.name, &member("name"))?;
    let kind = string(whole, input.datatype, &member("datatype"))?;
    let parameters = Parameters::read(whole, input.parameters, path)?;
    let Few(shape) = input.shape.unwrap_or_default();
    let shape: Vec<usize> = shape.into_iter().map(|Size(size)| size).collect();
    let shown: String = name.chars().take(64).collect();
    let data_type: DataType =
        kind.parse().map_err(|_| ApiError::malformed(format!("input '{shown}' has an unknown datatype")))?;
    match (input.data, parameters.binary_data_size) {
        (Some(data), None) => {
            memory.grow(json::memory(data.get(), data_type, &shape))?;
            let (data, elements) = json::read(data.get(), data_type, &shape).map_err(|unread| {
                let (element, error) = match unread {
                    Unread::Text { element, error } => (element, error),
                    Unread::NoMemory => return ApiError::no_memory(),
                };
                let mut path = Path::of(&member("data"));
                if let Some(element) = element {
                    path.enter(Step::Element(element));
                }
                whole.unreadable(data.get().as_bytes(), &path, &error)
            })?;
            if Tensor::elements(&shape) != Some(elements) {
                return Err(RunError::Count { name, shape, elements }.into());
            }
            Ok(Tensor::new(name, shape, data)?)
        }
        (None, Some(Size(size))) => binary::tensor(&name, data_type, shape, rest.take(size, &shown)?, memory),
        (Some(_), Some(_)) => {
            Err(ApiError::malformed(format!("input '{shown}' has both data and binary_data_size")))
        }
        (None, None) => Err(ApiError::malformed(format!("input '{shown}' has no data"))),
    }
}

#[cfg(test)]
mod tests;
