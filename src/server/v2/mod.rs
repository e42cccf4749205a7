//! The Open Inference Protocol, version 2, in JSON and with binary tensors.

mod binary;
mod bounded;
mod json;
mod path;
mod place;
mod request;
mod response;
mod scalar;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Serialize;

use self::request::Media;
use crate::auth::{Action, ModelId, Permit, SignedRequest};
use crate::process;
use crate::runtime::{Allowance, TensorSpec};
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::http::authn::{self, Caller};
use crate::server::http::body::{self, MemoryPermit};
use crate::server::http::buffer::Buffer;
use crate::server::http::content_encoding::{self, ContentCoding};
use crate::server::http::request_audit::{self, AuditContext};
use crate::server::offload;
use crate::serving::{Bounds, Model};
use crate::token::JwkSet;

/// Every route of the server. What is not named here does not exist; what is not
/// above the line needs a credential.
pub(super) fn router(app: &Arc<App>) -> Router {
    let named = Router::new()
        .route("/v2", get(server_metadata))
        .route("/v2/models/{model}", get(model_metadata))
        .route("/v2/models/{model}/versions/{version}", get(model_metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), authn::authenticate));
    Router::new()
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/.well-known/jwks.json", get(jwks))
        // ------------------------------------------------------------ open above
        .merge(named)
        .fallback(|| async { request_audit::refuse(ApiError::no_route()) })
        .method_not_allowed_fallback(|| async { request_audit::refuse(ApiError::method()) })
        .layer(middleware::from_fn_with_state(Arc::clone(app), request_audit::record))
        .with_state(Arc::clone(app))
}

/// The memory of an answer of this size or more goes back to the system at once.
const LARGE: usize = 16 << 20;

/// The model in a path, and perhaps a version.
#[derive(serde::Deserialize)]
struct Target {
    model: String,
    version: Option<String>,
}

async fn live() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "live": true }))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let ready = app.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &serde_json::json!({ "ready": ready }))
}

async fn jwks(State(app): State<Arc<App>>) -> Response {
    match app.trusted_snapshot() {
        Ok(snapshot) => json(StatusCode::OK, &JwkSet::new(&snapshot.keys, app.clock.unix())),
        Err(error) => request_audit::refuse(error),
    }
}

#[derive(Serialize)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    /// Only extensions that exist.
    extensions: [&'static str; 1],
}

async fn server_metadata(Extension(account): Extension<Arc<AuditContext>>) -> Response {
    account.decides("server-metadata", None);
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

async fn model_metadata(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(account): Extension<Arc<AuditContext>>,
    target: Result<Path<Target>, PathRejection>,
) -> Response {
    match permitted(&app, &caller, &account, "metadata", &[Action::Metadata], target) {
        Ok((_, model)) => {
            let metadata = ModelMetadata {
                name: model.id().as_str(),
                versions: [model.version()],
                platform: "onnxruntime_onnx",
                inputs: model.inputs().iter().map(Into::into).collect(),
                outputs: model.outputs().iter().map(Into::into).collect(),
            };
            json(StatusCode::OK, &metadata)
        }
        Err(error) => request_audit::refuse(error),
    }
}

async fn model_ready(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(account): Extension<Arc<AuditContext>>,
    target: Result<Path<Target>, PathRejection>,
) -> Response {
    // Whoever may run a model may know whether it runs.
    let actions = [Action::Metadata, Action::Infer];
    let model = permitted(&app, &caller, &account, "ready", &actions, target);
    match model.and_then(|(permit, model)| Ok((permit, model.require_ready().map(|()| model)?))) {
        Ok((_, model)) => {
            json(StatusCode::OK, &serde_json::json!({ "name": model.id().as_str(), "ready": true }))
        }
        Err(error) => request_audit::refuse(error),
    }
}

/// The permit for the first of `actions` that the caller may do, and its model.
fn permitted<'a>(
    app: &'a App,
    caller: &Caller,
    account: &AuditContext,
    asked: &'static str,
    actions: &[Action],
    target: Result<Path<Target>, PathRejection>,
) -> Result<(Permit, &'a Arc<Model>), ApiError> {
    account.decides(asked, None);
    // A path that is not UTF-8 names nothing.
    let Ok(Path(target)) = target else { return Err(ApiError::no_route()) };
    account.decides(asked, Some(&target.model));
    let id = ModelId::new(&target.model);
    let mut outcome = Err(ApiError::no_route());
    for action in actions {
        outcome = caller.principal.authorize(*action, &id).map_err(ApiError::from);
        if outcome.is_ok() {
            break;
        }
    }
    let permit = outcome?;
    let model = app.registry.get(&permit, target.version.as_deref())?;
    model.require_served()?;
    Ok((permit, model))
}

async fn infer(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(account): Extension<Arc<AuditContext>>,
    target: Result<Path<Target>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let allowed = permitted(&app, &caller, &account, "infer", &[Action::Infer], target)
        .and_then(|allowed| Ok((allowed.1.require_ready().map(|()| allowed)?, Media::of(&headers)?)));
    match allowed {
        Ok(((permit, model), media)) => {
            let asked = Asked { app: &app, caller: &caller, account: &account };
            let ran = run(&asked, permit, model, media, body).await;
            ran.unwrap_or_else(request_audit::refuse)
        }
        Err(error) => request_audit::refuse(error),
    }
}

/// A request on its way, its body not read yet.
struct Asked<'a> {
    app: &'a App,
    caller: &'a Caller,
    account: &'a AuditContext,
}

async fn run(
    asked: &Asked<'_>,
    permit: Permit,
    model: &Arc<Model>,
    media: Media,
    body: Body,
) -> Result<Response, ApiError> {
    let Asked { app, caller, account } = *asked;
    let held = body::read(app, caller.signed(), body).await?;
    account.received(held.bytes.len());
    caller.still_holds(app)?;
    let held = content_encoding::decode(app, held, media.coding).await?;
    caller.still_holds(app)?;
    let (size, patience) = (held.bytes.len(), app.limits.inference_timeout.0);
    let asked_of = Arc::clone(model);
    let read = move || request::read(media.form, held, asked_of.inputs());
    let (request, inputs) = offload::of_size(size, patience, read).await?;
    caller.still_holds(app)?;
    let memory = Mutex::new(MemoryPermit::of(&app.answer_memory, 0)?);
    let pay = move |bytes| memory.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes).is_ok();
    let bounds = Bounds { time: patience, answer: Allowance::new(app.limits.answer, pay) };
    let outputs = model.infer(permit, inputs, request.outputs, bounds).await?;
    caller.still_holds(app)?;
    let (named, id, forms) = (Arc::clone(model), request.id, request.forms);
    let size = response::size(&outputs);
    let buffer = Buffer::new(app.limits.answer, &app.answer_memory)?;
    // The outputs are freed there too.
    let write = move || {
        let answer = response::write(&named, id.as_deref(), &outputs, &forms, buffer);
        outputs.free();
        if size >= LARGE {
            process::release_freed_memory();
        }
        answer
    };
    let answer = offload::of_size(size, patience, write).await?;
    let wanted = media.wanted.filter(|_| caller.signed().is_none_or(SignedRequest::takes_compressed));
    let (body, coding) = content_encoding::encode(&app.answer_memory, answer.body, wanted, patience).await?;
    let mut response = answered(body, answer.header_length, coding);
    let model = Arc::clone(model);
    request_audit::demand(&mut response, move |_| Ok(model.require_served()?));
    Ok(response)
}

/// The response to an inference, of which `header_length` bytes are JSON where more
/// follows. That counts what it was before it was compressed.
fn answered(body: Bytes, header_length: Option<usize>, coding: Option<ContentCoding>) -> Response {
    let mut response = with_type(StatusCode::OK, body);
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

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Metadata has a JSON form whatever it holds.
    with_type(status, serde_json::to_vec(body).unwrap_or_default())
}

fn with_type(status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
