//! An inference request in JSON.

use std::borrow::Cow;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json;
use crate::runtime::{DataType, Tensor};
use crate::server::fault::Fault;

const BINARY_HEADER: HeaderName = HeaderName::from_static("inference-header-content-length");
/// Inputs or outputs of one request.
const MAX_TENSORS: usize = 1024;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Inference {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<Tensor>,
    /// Names; empty: all.
    pub(super) outputs: Vec<String>,
}

/// Unknown members are ignored, as clients of other servers send some.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(borrow, default)]
    outputs: Vec<Output<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<usize>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    /// Read once the data type is known.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: Parameters,
}

/// The parameters that would change the answer's form.
#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data: bool,
    #[serde(default)]
    binary_data_output: bool,
    #[serde(default)]
    classification: Option<u64>,
    #[serde(default)]
    shared_memory_region: Option<String>,
}

/// Refuses bodies in forms that are not read here, before they are read.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Fault> {
    let unsupported =
        |message: &str| Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message);
    if headers.contains_key(BINARY_HEADER) {
        return Err(unsupported("the binary tensor extension is not available; send tensors as JSON"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported("compressed bodies are not available"));
    }
    // `tritonclient` sends none; `curl --data` says it sends a form. Both mean JSON here.
    let foreign = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        !matches!(essence.as_str(), "application/json" | "application/x-www-form-urlencoded" | "")
    });
    if foreign { Err(unsupported("the body must be application/json")) } else { Ok(()) }
}

/// Reads the request in `body`.
pub(super) fn parse(body: &[u8]) -> Result<Inference, Fault> {
    let document: Document<'_> = serde_json::from_slice(body)
        .map_err(|error| unreadable("the body is no inference request", &error))?;
    let binary = document.parameters.binary_data_output
        || document.outputs.iter().any(|output| output.parameters.binary_data);
    if binary {
        return Err(Fault::malformed("the binary tensor extension is not available; ask for JSON outputs"));
    }
    let other = document
        .outputs
        .iter()
        .map(|output| &output.parameters)
        .chain([&document.parameters])
        .any(|p| p.classification.is_some() || p.shared_memory_region.is_some());
    if other {
        return Err(Fault::malformed("the classification and shared memory extensions are not available"));
    }
    if document.inputs.len() > MAX_TENSORS || document.outputs.len() > MAX_TENSORS {
        return Err(Fault::malformed(format!("there are more than {MAX_TENSORS} tensors")));
    }
    Ok(Inference {
        id: document.id.filter(|id| !id.is_empty()),
        inputs: document.inputs.into_iter().map(tensor).collect::<Result<_, _>>()?,
        outputs: document.outputs.into_iter().map(|output| output.name.into_owned()).collect(),
    })
}

/// What serde says can quote a value. The caller may hear that; the log, which holds
/// no tensor, gets the place.
fn unreadable(message: &str, error: &serde_json::Error) -> Fault {
    let place = format!("{message} (line {}, column {})", error.line(), error.column());
    Fault::malformed(format!("{message}: {error}")).detail(place)
}

fn tensor(input: Input<'_>) -> Result<Tensor, Fault> {
    let Input { name, shape, datatype, data } = input;
    let shown = || name.chars().take(64).collect::<String>();
    let data_type: DataType = datatype
        .parse()
        .map_err(|_| Fault::malformed(format!("input '{}' has an unknown datatype", shown())))?;
    let data = data.ok_or_else(|| Fault::malformed(format!("input '{}' has no data", shown())))?;
    let data = json::read(data.get(), data_type, &shape)
        .map_err(|error| unreadable(&format!("the data of input '{}' is no {data_type}", shown()), &error))?;
    Ok(Tensor::new(name.into_owned(), shape, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        parse(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn reads_flat_and_nested_data_in_any_order_of_members() {
        for body in [
            r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}"#,
            r#"{"inputs":[{"data":[[1,2],[3.0,4e0]],"datatype":"FP32","shape":[2,2],"name":"x"}],"id":"","unknown":7}"#,
        ] {
            let request = parse(body.as_bytes()).unwrap();
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
            (r#"{"inputs":[],"parameters":{"binary_data_output":true}}"#, "binary"),
            (r#"{"inputs":[],"inputs":[]}"#, "duplicate field"),
        ] {
            assert!(refused(body).contains(part), "{body}: {}", refused(body));
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        let data = "[".repeat(100_000);
        assert!(
            parse(
                format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":{data}"#).as_bytes()
            )
            .is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            let _ = parse(&body);
        }
    }
}
