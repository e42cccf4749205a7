//! The Open Inference Protocol, version 2, in JSON.

mod json;
mod request;
mod response;

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::app::App;
use super::body;
use super::fault::Fault;
use super::gate::{self, Account, Caller};
use crate::auth::{Action, ModelId, Permit};
use crate::runtime::TensorSpec;
use crate::serving::Model;
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
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), gate::authenticate));
    Router::new()
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/.well-known/jwks.json", get(jwks))
        // ------------------------------------------------------------ open above
        .merge(named)
        .fallback(|| async { refused("route", Fault::no_route()) })
        .method_not_allowed_fallback(|| async { refused("route", Fault::method()) })
        .layer(middleware::from_fn_with_state(Arc::clone(app), gate::record))
        .with_state(Arc::clone(app))
}

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
        Err(fault) => refused("jwks", fault),
    }
}

#[derive(Serialize)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    /// Only extensions that exist.
    extensions: [&'static str; 0],
}

async fn server_metadata() -> Response {
    let metadata = ServerMetadata { name: "sealserve", version: env!("CARGO_PKG_VERSION"), extensions: [] };
    accounted(json(StatusCode::OK, &metadata), Account { action: "server-metadata", ..Account::default() })
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
    Path(target): Path<Target>,
) -> Response {
    let account = Account::on("metadata", &target.model);
    match permitted(&app, &caller, &[Action::Metadata], &target) {
        Ok((_, model)) => {
            let metadata = ModelMetadata {
                name: model.id().as_str(),
                versions: [model.version()],
                platform: "onnxruntime_onnx",
                inputs: model.inputs().iter().map(Into::into).collect(),
                outputs: model.outputs().iter().map(Into::into).collect(),
            };
            accounted(json(StatusCode::OK, &metadata), account)
        }
        Err(fault) => gate::refuse(fault, account),
    }
}

async fn model_ready(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(target): Path<Target>,
) -> Response {
    let account = Account::on("ready", &target.model);
    // Whoever may run a model may know whether it runs.
    match permitted(&app, &caller, &[Action::Metadata, Action::Infer], &target) {
        Ok((_, model)) => {
            let body = serde_json::json!({ "name": model.id().as_str(), "ready": true });
            accounted(json(StatusCode::OK, &body), account)
        }
        Err(fault) => gate::refuse(fault, account),
    }
}

/// The permit for the first of `actions` that the caller may do, and its model.
fn permitted<'a>(
    app: &'a App,
    caller: &Caller,
    actions: &[Action],
    target: &Target,
) -> Result<(Permit, &'a Arc<Model>), Fault> {
    let id = ModelId::new(&target.model);
    let mut outcome = Err(Fault::no_route());
    for action in actions {
        outcome = caller.principal.authorize(*action, &id).map_err(Fault::from);
        if outcome.is_ok() {
            break;
        }
    }
    let permit = outcome?;
    let model = app.registry.get(&permit, target.version.as_deref())?;
    Ok((permit, model))
}

async fn infer(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(target): Path<Target>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut account = Account::on("infer", &target.model);
    match run(&app, &caller, &target, &headers, body, &mut account).await {
        Ok(answer) => accounted(answer, account),
        Err(fault) => gate::refuse(fault, account),
    }
}

async fn run(
    app: &App,
    caller: &Caller,
    target: &Target,
    headers: &HeaderMap,
    body: Body,
    account: &mut Account,
) -> Result<Response, Fault> {
    let allowed = permitted(app, caller, &[Action::Infer], target)
        .and_then(|allowed| request::check_headers(headers).map(|()| allowed));
    let (permit, model) = match allowed {
        Ok(allowed) => allowed,
        Err(fault) => {
            body::drain(body).await;
            return Err(fault);
        }
    };
    let held = body::read(app, body).await?;
    account.request_bytes = held.bytes.len() as u64;
    let request = request::parse(&held.bytes)?;
    // The tensors are copies: the text can go before the model runs. Its share of
    // the memory stays taken, as the tensors are of its size.
    let _memory = held.release();
    let outputs =
        model.infer(permit, request.inputs, request.outputs, app.limits.inference_timeout.0).await?;
    let answer = response::write(model, request.id.as_deref(), &outputs)?;
    Ok(with_type(StatusCode::OK, answer))
}

impl Account {
    fn on(action: &'static str, model: &str) -> Self {
        // The path is the caller's text; the log keeps a bounded piece of it.
        Self { action, model: Some(model.chars().take(128).collect()), ..Self::default() }
    }
}

fn refused(action: &'static str, fault: Fault) -> Response {
    gate::refuse(fault, Account { action, ..Account::default() })
}

fn accounted(mut response: Response, account: Account) -> Response {
    response.extensions_mut().insert(account);
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Metadata has a JSON form whatever it holds.
    with_type(status, serde_json::to_vec(body).unwrap_or_default())
}

fn with_type(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
