//! The Open Inference Protocol, version 2, in JSON and with binary tensors.

mod binary;
mod bounded;
mod json;
mod path;
mod place;
mod request;
mod response;
mod scalar;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use self::request::Media;
use super::http::content_encoding::{self, ContentCoding};
use super::http::{body, finish, json, json_text};
use crate::auth::{Action, Permit};
use crate::pipeline::{ApiError, Buffer, Call, Caller, Record};
use crate::process;
use crate::runtime::TensorSpec;

/// The memory of an answer of this size or more goes back to the system at once.
const LARGE: usize = 16 << 20;

/// The model in a path, and perhaps a version.
#[derive(serde::Deserialize)]
pub(super) struct Target {
    model: String,
    version: Option<String>,
}

type TargetPath = Result<Path<Target>, PathRejection>;

#[derive(Serialize)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    /// Only extensions that exist.
    extensions: [&'static str; 1],
}

pub(super) async fn server_metadata(Extension(record): Extension<Arc<Record>>) -> Response {
    record.decides("server-metadata", None);
    let metadata = ServerMetadata {
        name: "sealserve",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data"],
    };
    json(StatusCode::OK, &metadata)
}

#[derive(Serialize)]
struct ModelMetadata<'a> {
    name: &'a str,
    versions: [&'a str; 1],
    platform: &'static str,
    inputs: Vec<TensorMetadata<'a>>,
    outputs: Vec<TensorMetadata<'a>>,
}

#[derive(Serialize)]
struct TensorMetadata<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [i64],
}

impl<'a> From<&'a TensorSpec> for TensorMetadata<'a> {
    fn from(spec: &'a TensorSpec) -> Self {
        Self { name: &spec.name, datatype: spec.data_type.name(), shape: &spec.shape }
    }
}

pub(super) async fn model_metadata(
    Extension(record): Extension<Arc<Record>>,
    Extension(caller): Extension<Caller>,
    target: TargetPath,
) -> Response {
    match permit(&record, &caller, "metadata", &[Action::Metadata], target) {
        Ok((_, call)) => {
            let model = call.model();
            let metadata = ModelMetadata {
                name: model.id().as_str(),
                versions: [model.version()],
                platform: "onnxruntime_onnx",
                inputs: model.inputs().iter().map(Into::into).collect(),
                outputs: model.outputs().iter().map(Into::into).collect(),
            };
            json(StatusCode::OK, &metadata)
        }
        Err(error) => finish::refuse(error),
    }
}

pub(super) async fn model_ready(
    Extension(record): Extension<Arc<Record>>,
    Extension(caller): Extension<Caller>,
    target: TargetPath,
) -> Response {
    // Whoever may run a model may know whether it runs.
    let actions = [Action::Metadata, Action::Infer];
    let call = permit(&record, &caller, "ready", &actions, target);
    match call.and_then(|(_, call)| Ok(call.model().require_ready().map(|()| call)?)) {
        Ok(call) => {
            json(StatusCode::OK, &serde_json::json!({ "name": call.model().id().as_str(), "ready": true }))
        }
        Err(error) => finish::refuse(error),
    }
}

/// A permit for the first of `actions` that `caller` may do, and the call that it is for.
fn permit<'r>(
    record: &'r Record,
    caller: &Caller,
    action: &'static str,
    actions: &[Action],
    target: TargetPath,
) -> Result<(Permit, Call<'r>), ApiError> {
    let Ok(Path(target)) = target else {
        // A path that is not UTF-8 names nothing.
        record.decides(action, None);
        return Err(ApiError::no_route());
    };
    Call::permit(record, caller, action, actions, (&target.model, target.version.as_deref()))
}

/// The model and version of an inference, where the path names them plainly: as they are, and
/// not percent-encoded.
pub(super) fn inference(head: &Parts) -> Option<(&str, Option<&str>)> {
    let path = head.uri.path().strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    if head.method != Method::POST || path.contains('%') {
        return None;
    }
    let (model, version) = match path.split_once('/') {
        None => (path, None),
        Some((model, rest)) => (model, Some(rest.strip_prefix("versions/")?)),
    };
    let is_segment = |text: &str| !text.is_empty() && !text.contains('/');
    (is_segment(model) && version.is_none_or(is_segment)).then_some((model, version))
}

/// An inference whose path is percent-encoded.
pub(super) async fn infer(
    Extension(record): Extension<Arc<Record>>,
    Extension(caller): Extension<Caller>,
    target: TargetPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(Path(Target { model, version })) = target else {
        record.decides(Action::Infer.name(), None);
        return finish::refuse(ApiError::no_route());
    };
    let answer = run(&record, &caller, (&model, version.as_deref()), &headers, body).await;
    answer.unwrap_or_else(finish::refuse)
}

/// The answer to an inference: reads the body, runs the model, writes what it answers.
pub(super) async fn run(
    record: &Record,
    caller: &Caller,
    target: (&str, Option<&str>),
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (permit, call) = Call::permit(record, caller, Action::Infer.name(), &[Action::Infer], target)?;
    let (core, model) = (record.core(), call.model());
    model.require_ready()?;
    let media = Media::of(headers)?;
    let held = body::read(core, caller.signed(), body).await?;
    record.received(held.bytes.len());
    call.still_holds()?;
    let held = content_encoding::decode(core, held, media.coding).await?;
    let (size, asked) = (held.bytes.len(), Arc::clone(model));
    let read = move || request::read(media.form, held, asked.inputs());
    let (request, inputs) = call.offload(size, read).await?;
    let outputs = call.run(permit, inputs, request.outputs).await?;
    let (named, id, forms) = (Arc::clone(model), request.id, request.forms);
    let size = response::size(&outputs);
    let buffer = Buffer::new(core.limits.answer, &core.answer_memory)?;
    // The outputs are freed there too.
    let write = move || {
        let answer = response::write(&named, id.as_deref(), &outputs, &forms, buffer);
        outputs.free();
        if size >= LARGE {
            process::release_freed_memory();
        }
        answer
    };
    let answer = call.offload(size, write).await?;
    let wanted = media.wanted.filter(|_| caller.signed().is_none_or(|signed| signed.takes_compressed()));
    let patience = core.limits.inference_timeout.0;
    let (body, coding) = content_encoding::encode(&core.answer_memory, answer.body, wanted, patience).await?;
    Ok(answered(body, answer.header_length, coding))
}

/// The response to an inference, of which `header_length` bytes are JSON where more
/// follows. That counts what it was before it was compressed.
fn answered(body: Bytes, header_length: Option<usize>, coding: Option<ContentCoding>) -> Response {
    let mut response = json_text(StatusCode::OK, body);
    let headers = response.headers_mut();
    if let Some(length) = header_length {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(binary::HEADER_LENGTH, HeaderValue::from(length));
    }
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_names_a_model_and_perhaps_a_version() {
        let named = |method: Method, path: &str| {
            let (head, ()) =
                axum::http::Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
            inference(&head).map(|(model, version)| (model.to_owned(), version.map(ToOwned::to_owned)))
        };
        let post = |path| named(Method::POST, path);
        assert_eq!(post("/v2/models/digits/infer"), Some(("digits".into(), None)));
        assert_eq!(post("/v2/models/digits/infer?x=1"), Some(("digits".into(), None)));
        assert_eq!(post("/v2/models/digits/versions/2/infer"), Some(("digits".into(), Some("2".into()))));
        assert_eq!(post("/v2/models/versions/infer"), Some(("versions".into(), None)));
        assert_eq!(named(Method::GET, "/v2/models/digits/infer"), None);
        for other in [
            "/v2/models//infer",
            "/v2/models/infer",
            "/v2/models/a/b/infer",
            "/v2/models/a/versions//infer",
            "/v2/models/a/versions/infer",
            "/v2/models/a/versions/1/2/infer",
            "/v2/models/a%2fb/infer",
            "/v2/models/a/infer/",
            "/v2/models/a/ready",
            "/V2/models/a/infer",
        ] {
            assert_eq!(post(other), None, "{other}");
        }
    }
}
