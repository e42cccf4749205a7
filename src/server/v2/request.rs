//! An inference request: JSON, JSON with binary data behind it, or binary data alone.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::binary::{self, Data, Form};
use super::bounded::{Few, Object, Small};
use super::json;
use crate::runtime::{DataType, RunError, Tensor, TensorSpec};
use crate::server::body::{Held, Share};
use crate::server::coding::Coding;
use crate::server::fault::Fault;

/// Inputs or outputs of one request.
const MAX_TENSORS: usize = 1024;
/// Dimensions of one tensor: more than any model has.
const MAX_DIMENSIONS: usize = 32;

/// What the headers say of a request's body and of its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Media {
    pub(super) form: Form,
    /// How the body is compressed.
    pub(super) coding: Option<Coding>,
    /// How the answer may be compressed.
    pub(super) wanted: Option<Coding>,
}

impl Media {
    /// Refuses bodies in forms that are not read here, before they are read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
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
            return Err(Fault::unsupported(
                "the body must be application/json, or with Inference-Header-Content-Length application/octet-stream",
            ));
        }
        Ok(Self { form, coding: Coding::of_body(headers)?, wanted: Coding::wanted(headers) })
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Inference {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<Tensor>,
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

/// Unknown members are ignored, as clients of other servers send some. All but the data
/// is bounded as it is read.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    id: Option<Small<String>>,
    #[serde(default)]
    parameters: Option<Small<Parameters>>,
    #[serde(borrow)]
    inputs: Few<Object<Input<'a>>, MAX_TENSORS>,
    #[serde(default)]
    outputs: Option<Few<Object<Output>, MAX_TENSORS>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: Small<String>,
    shape: Few<usize, MAX_DIMENSIONS>,
    datatype: Small<String>,
    #[serde(default)]
    parameters: Option<Small<Parameters>>,
    /// Read once the data type is known.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: Small<String>,
    #[serde(default)]
    parameters: Option<Small<Parameters>>,
}

/// The parameters that mean something here; each stands where its extension puts it.
#[derive(Default, Deserialize)]
struct Parameters {
    /// Of an input: its data follows the JSON, so many bytes of it.
    #[serde(default)]
    binary_data_size: Option<u64>,
    /// Of an output: whether it is wanted in binary form.
    #[serde(default)]
    binary_data: Option<bool>,
    /// Of the request: the same for all outputs that do not say.
    #[serde(default)]
    binary_data_output: Option<bool>,
    #[serde(default)]
    classification: Option<IgnoredAny>,
    #[serde(default)]
    shared_memory_region: Option<IgnoredAny>,
}

/// Reads the request in `held` for a model that takes `specs`. The text and its tensors
/// both have their shares while both are there. The tensors are copies, so the text goes;
/// the larger of the two shares stays.
pub(super) fn read(form: Form, held: Held, specs: &[TensorSpec]) -> Result<(Inference, Share), Fault> {
    let Held { bytes, mut memory } = held;
    let text = memory.bytes();
    let request = parse(form, &bytes, specs, &mut memory)?;
    drop(bytes);
    memory.shrink(text.max(memory.bytes() - text));
    Ok((request, memory))
}

/// Reads the request in `body`. What becomes of it is paid for from `memory` before it is there.
fn parse(form: Form, body: &[u8], specs: &[TensorSpec], memory: &mut Share) -> Result<Inference, Fault> {
    let length = match form {
        Form::Json => body.len(),
        Form::Mixed(length) => length,
        Form::Raw => {
            let inputs = vec![binary::raw(specs, body, memory)?];
            let forms = OutputForms { named: Vec::new(), all: true };
            return Ok(Inference { id: None, inputs, outputs: Vec::new(), forms });
        }
    };
    let (text, mut data) = binary::split(body, length)?;
    let Object(document): Object<Document<'_>> = serde_json::from_slice(text)
        .map_err(|error| unreadable("the body is no inference request", &error))?;
    let Few(inputs) = document.inputs;
    let Few(outputs) = document.outputs.unwrap_or_default();
    let Small(parameters) = document.parameters.unwrap_or_default();
    let of_outputs = outputs.iter().filter_map(|Object(output)| output.parameters.as_ref());
    let of_inputs = inputs.iter().filter_map(|Object(input)| input.parameters.as_ref());
    let all = of_outputs.chain(of_inputs).map(|Small(parameters)| parameters);
    if all.chain([&parameters]).any(|p| p.classification.is_some() || p.shared_memory_region.is_some()) {
        return Err(Fault::malformed("the classification and shared memory extensions are not available"));
    }
    let binary = parameters.binary_data_output.unwrap_or(false);
    let is_binary = |Object(output): &Object<Output>| {
        output.parameters.as_ref().and_then(|Small(parameters)| parameters.binary_data).unwrap_or(binary)
    };
    let forms = OutputForms { named: outputs.iter().map(is_binary).collect(), all: binary };
    let inputs = inputs.into_iter().map(|Object(input)| tensor(input, &mut data, memory));
    let inputs = inputs.collect::<Result<_, _>>()?;
    data.end()?;
    Ok(Inference {
        id: document.id.map(|Small(id)| id).filter(|id| !id.is_empty()),
        inputs,
        outputs: outputs.into_iter().map(|Object(output)| output.name.0).collect(),
        forms,
    })
}

/// What serde says can quote a value. The caller may hear that; the log, which holds
/// no tensor, gets the place.
fn unreadable(message: &str, error: &serde_json::Error) -> Fault {
    let place = format!("{message} (line {}, column {})", error.line(), error.column());
    Fault::malformed(format!("{message}: {error}")).detail(place)
}

/// The tensor that `input` is; binary data is taken from `rest`.
fn tensor(input: Input<'_>, rest: &mut Data<'_>, memory: &mut Share) -> Result<Tensor, Fault> {
    let Input { name: Small(name), shape: Few(shape), datatype: Small(kind), parameters, data } = input;
    let shown: String = name.chars().take(64).collect();
    let data_type: DataType =
        kind.parse().map_err(|_| Fault::malformed(format!("input '{shown}' has an unknown datatype")))?;
    match (data, parameters.and_then(|Small(parameters)| parameters.binary_data_size)) {
        (Some(data), None) => {
            memory.grow(json::memory(data.get(), data_type, &shape))?;
            let (data, elements) = json::read(data.get(), data_type, &shape).map_err(|error| {
                unreadable(&format!("the data of input '{shown}' is no {data_type}"), &error)
            })?;
            if Tensor::elements(&shape) != Some(elements) {
                return Err(RunError::Count { name, shape, elements }.into());
            }
            Ok(Tensor::new(name, shape, data)?)
        }
        (None, Some(size)) => binary::tensor(&name, data_type, shape, rest.take(size, &shown)?, memory),
        (Some(_), Some(_)) => {
            Err(Fault::malformed(format!("input '{shown}' has both data and binary_data_size")))
        }
        (None, None) => Err(Fault::malformed(format!("input '{shown}' has no data"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::super::bounded::SMALL;
    use super::*;

    /// Parses where there is memory enough.
    fn parse(form: Form, body: &[u8], specs: &[TensorSpec]) -> Result<Inference, Fault> {
        let mut memory = Share::of(&Arc::new(Semaphore::new(1 << 20)), 0)?;
        super::parse(form, body, specs, &mut memory)
    }

    fn read(body: &str) -> Result<Inference, Fault> {
        parse(Form::Json, body.as_bytes(), &[])
    }

    fn refused(body: &str) -> String {
        read(body).unwrap_err().message
    }

    /// `json`, then `data`.
    fn mixed(json: &str, data: &[u8]) -> Result<Inference, Fault> {
        parse(Form::Mixed(json.len()), &[json.as_bytes(), data].concat(), &[])
    }

    fn input(name: &str, rest: &str) -> String {
        format!(r#"{{"name":"{name}","shape":[2],"datatype":"INT8",{rest}}}"#)
    }

    #[test]
    fn reads_flat_and_nested_data_in_any_order_of_members() {
        for body in [
            r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}"#,
            r#"{"inputs":[{"data":[[1,2],[3.0,4e0]],"datatype":"FP32","shape":[2,2],"name":"x"}],"id":"","unknown":7}"#,
        ] {
            let request = read(body).unwrap();
            assert_eq!(request.id, None);
            assert_eq!(request.inputs[0].data(), &crate::runtime::TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (body, part) in [
            ("", "no inference request"),
            ("{}", "missing field `inputs`"),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP31","data":[1]}]}"#, "unknown datatype"),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "no data"),
            (r#"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1]}]}"#, "elements"),
            (r#"{"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]}"#, "invalid value"),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e39]}]}"#, "out of range"),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e999]}]}"#, "out of range"),
            (
                r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}"#,
                "no inference request",
            ),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[128]}]}"#, "INT8"),
            (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1.5]}]}"#, "INT8"),
            (r#"{"inputs":[],"parameters":{"binary_data_output":1}}"#, "expected a boolean"),
            (r#"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}"#, "classification"),
            (r#"{"inputs":[],"inputs":[]}"#, "duplicate field"),
        ] {
            assert!(refused(body).contains(part), "{body}: {}", refused(body));
        }
    }

    #[test]
    fn tensors_are_paid_for_before_they_are_there() {
        let json = |datatype: &str, data: &str| {
            format!(r#"{{"inputs":[{{"name":"x","shape":[9],"datatype":"{datatype}",{data}}}]}}"#)
                .into_bytes()
        };
        let binary = |datatype: &str, data: &[u8]| {
            let head = json(datatype, &format!(r#""parameters":{{"binary_data_size":{}}}"#, data.len()));
            (Form::Mixed(head.len()), [&head[..], data].concat())
        };
        let raw = |data_type| [TensorSpec { name: "x".into(), data_type, shape: vec![-1] }];
        for ((form, body), specs, cost) in [
            ((Form::Json, json("INT64", r#""data":[1,1,1,1,1,1,1,1,1]"#)), vec![], 72),
            ((Form::Json, json("BYTES", r#""data":["","","","","","","","",""]"#)), vec![], 9 * 192 + 3 * 28),
            (binary("INT64", &[0; 72]), vec![], 72),
            (binary("BYTES", &[0; 36]), vec![], 9 * 192),
            (binary("BYTES", &[&[0; 32][..], &[2, 0, 0, 0, b'a', b'b']].concat()), vec![], 9 * 192 + 6),
            ((Form::Raw, vec![0; 72]), raw(DataType::Fp32).to_vec(), 72),
            ((Form::Raw, b"text".to_vec()), raw(DataType::Bytes).to_vec(), 192 + 12),
        ] {
            for left in [cost - 1, cost] {
                let pool = Arc::new(Semaphore::new(body.len() + left));
                let memory = Share::of(&pool, body.len()).unwrap();
                let held = Held { bytes: body.clone().into(), memory };
                match super::read(form, held, &specs) {
                    Ok((_, memory)) => {
                        assert_eq!(left, cost, "{form:?}");
                        assert_eq!(memory.bytes(), cost.max(body.len()));
                    }
                    Err(fault) => assert_eq!((left, fault.code), (cost - 1, "no_body_memory"), "{form:?}"),
                }
                assert_eq!(pool.available_permits(), body.len() + left);
            }
        }
    }

    #[test]
    fn everything_but_data_is_bounded() {
        let outputs =
            |count| format!(r#"{{"inputs":[],"outputs":[{}]}}"#, vec![r#"{"name":""}"#; count].join(","));
        assert_eq!(read(&outputs(MAX_TENSORS)).unwrap().outputs.len(), MAX_TENSORS);
        assert!(refused(&outputs(MAX_TENSORS + 1)).contains("more than 1024"));
        let input = r#"{"name":"x","shape":[0],"datatype":"FP32","data":[]}"#;
        let inputs = |count| format!(r#"{{"inputs":[{}]}}"#, vec![input; count].join(","));
        assert_eq!(read(&inputs(MAX_TENSORS)).unwrap().inputs.len(), MAX_TENSORS);
        assert!(refused(&inputs(MAX_TENSORS + 1)).contains("more than 1024"));
        let shape = |count| inputs(1).replace("[0]", &format!("[0{}]", ",1".repeat(count - 1)));
        assert_eq!(read(&shape(MAX_DIMENSIONS)).unwrap().inputs[0].shape().len(), MAX_DIMENSIONS);
        assert!(refused(&shape(MAX_DIMENSIONS + 1)).contains("more than 32"));
        for count in [SMALL - 2, SMALL - 1] {
            let text = "x".repeat(count);
            for body in [
                inputs(1).replace(r#""x""#, &format!(r#""{text}""#)),
                format!(r#"{{"inputs":[],"id":"{text}"}}"#),
                format!(r#"{{"inputs":[],"outputs":[{{"name":"{text}"}}]}}"#),
            ] {
                assert_eq!(read(&body).is_ok(), count == SMALL - 2);
                assert!(count == SMALL - 2 || refused(&body).contains("longer than 16384 bytes"));
            }
        }
    }

    #[test]
    fn no_error_quotes_a_long_string() {
        let text = format!(r#""{}""#, "\u{7f}".repeat(SMALL));
        let input = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
        for body in [
            text.clone(),
            format!(r#"{{"inputs":{text}}}"#),
            format!(r#"{{"inputs":[{text}]}}"#),
            format!(r#"{{"inputs":[],"outputs":{text}}}"#),
            format!(r#"{{"inputs":[],"outputs":[{text}]}}"#),
            format!(r#"{{"inputs":[],"parameters":{text}}}"#),
            format!(r#"{{"inputs":[],"parameters":{{"binary_data_output":{text}}}}}"#),
            format!(r#"{{"inputs":[{}]}}"#, input.replace("[1]", &text)),
            format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""data":[1]"#, &format!(r#""data":{text}"#))),
            format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""data":[1]"#, &format!(r#""data":[{text}]"#))),
            format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""FP32""#, &text)),
        ] {
            assert!(!refused(&body).contains("7f"), "{}", refused(&body));
        }
    }

    #[test]
    fn no_more_elements_are_kept_than_the_shape_has() {
        for (shape, kept) in [("[2]", 2), ("[3]", 3), ("[9]", 0), ("[18446744073709551615,2]", 0)] {
            let shape: Vec<usize> = serde_json::from_str(shape).unwrap();
            let (data, seen) = json::read("[1,[2,3]]", DataType::Fp64, &shape).unwrap();
            assert_eq!((data.len(), seen), (kept, 3), "{shape:?}");
        }
    }

    #[test]
    fn binary_data_belongs_to_its_inputs_in_their_order() {
        let binary = |name, size| input(name, &format!(r#""parameters":{{"binary_data_size":{size}}}"#));
        let json = format!(
            r#"{{"inputs":[{},{},{}]}}"#,
            binary("a", 2),
            input("b", r#""data":[5,6]"#),
            binary("c", 2)
        );
        let request = mixed(&json, &[1, 2, 3, 4]).unwrap();
        let data: Vec<_> =
            request.inputs.iter().map(|tensor| (tensor.name(), tensor.data().clone())).collect();
        let int8 = |values: [i8; 2]| crate::runtime::TensorData::Int8(values.into());
        assert_eq!(data, [("a", int8([1, 2])), ("b", int8([5, 6])), ("c", int8([3, 4]))]);
        for (data, part) in [
            (&[1, 2, 3, 4, 5][..], "1 bytes of the body belong to no input"),
            (&[1, 2, 3], "input 'c'"),
            (&[], "input 'a'"),
        ] {
            let message = mixed(&json, data).unwrap_err().message;
            assert!(message.contains(part), "{message}");
        }
        for (size, part) in [(1, "do not take 1 bytes"), (3, "do not take 3 bytes")] {
            let json = format!(r#"{{"inputs":[{}]}}"#, binary("a", size));
            let message = mixed(&json, &[1, 2, 3][..size]).unwrap_err().message;
            assert!(message.contains(part), "{message}");
        }
        let both = input("a", r#""data":[1,2],"parameters":{"binary_data_size":2}"#);
        assert!(mixed(&format!(r#"{{"inputs":[{both}]}}"#), &[1, 2]).unwrap_err().message.contains("both"));
        assert!(parse(Form::Mixed(9), b"{}", &[]).unwrap_err().message.contains("larger than the body"));
    }

    #[test]
    fn each_output_has_the_form_that_was_asked_for() {
        let forms = |rest: &str| {
            let request = read(&format!(r#"{{"inputs":[]{rest}}}"#)).unwrap();
            [0, 1].map(|position| request.forms.is_binary(position))
        };
        let outputs = |first, second| {
            format!(
                r#","outputs":[{{"name":"a","parameters":{{"binary_data":{first}}}}},{{"name":"b","parameters":{second}}}]"#
            )
        };
        let all = |binary| format!(r#","parameters":{{"binary_data_output":{binary}}}"#);
        for (rest, expected) in [
            (String::new(), [false, false]),
            (all("true"), [true, true]),
            (outputs("true", "{}"), [true, false]),
            (outputs("true", "null") + &all("false"), [true, false]),
            (outputs("false", "null") + &all("true"), [false, true]),
            (r#","outputs":null,"parameters":null"#.into(), [false, false]),
        ] {
            assert_eq!(forms(&rest), expected, "{rest}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        let data = "[".repeat(100_000);
        let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":{data}"#);
        assert!(read(&body).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            let _ = parse(Form::Json, &body, &[]);
        }

        #[test]
        fn never_panics_on_binary_data(
            data: Vec<u8>,
            shape: Vec<u32>,
            size: u64,
            length in 0..400usize,
            kind in 0..DataType::ALL.len(),
        ) {
            let datatype = DataType::ALL[kind];
            for size in [size, data.len() as u64] {
                let json = format!(
                    r#"{{"inputs":[{{"name":"x","shape":{shape:?},"datatype":"{datatype}","parameters":{{"binary_data_size":{size}}}}}]}}"#
                );
                let _ = mixed(&json, &data);
                let body = [json.as_bytes(), &data].concat();
                let _ = parse(Form::Mixed(length), &body, &[]);
            }
        }
    }
}
