//! Finishes every request: completes, signs and records its response, or its error.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::Response;

use super::{error, signature};
use crate::audit::RequestId;
use crate::auth::ConnectionInfo;
use crate::pipeline::{ApiError, Record};
use crate::server::app::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request is refused.
pub(in crate::server) struct Refusal {
    error: ApiError,
    /// For a wrong method, the methods that the route has (RFC 9110, section 10.2.1).
    allow: Option<HeaderValue>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, allow: None }
    }
}

/// Returns `error` from an axum handler. [`outcome`] takes it out of the response again.
pub(in crate::server) fn refuse(error: ApiError) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(error);
    response
}

/// The response or error that an axum handler returned.
pub(in crate::server) fn outcome(mut response: Response) -> Result<Response, Refusal> {
    match response.extensions_mut().remove() {
        Some(error) => Err(Refusal { error, allow: response.headers_mut().remove(header::ALLOW) }),
        None => Ok(response),
    }
}

/// Turns `outcome` into the response that is sent, and records it. `head_only`: the response
/// to HEAD has no body, so the signature covers none.
pub(in crate::server) async fn complete(
    app: &App,
    record: &Record,
    head_only: bool,
    outcome: Result<Response, Refusal>,
) -> Response {
    let finisher = ResponseFinisher { app, record, head_only };
    let complete = match outcome {
        Ok(response) => finisher.complete(response).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    // Writing, compressing and signing took time: check the credential and the model again.
    let complete = complete.and_then(|response| Ok(record.still_holds().map(|()| response)?));
    let (mut response, error) = match complete {
        Ok(response) => (response, None),
        Err(refusal) => (finisher.refusal(&refusal).await, Some(refusal.error)),
    };
    // Record what is sent.
    let bytes = response.body().size_hint().exact().unwrap_or(0);
    if let Err(unrecorded) = record.close(error, response.status().as_u16(), bytes).await {
        response = finisher.refusal(&unrecorded.into()).await;
    }
    response
}

struct ResponseFinisher<'a> {
    app: &'a App,
    record: &'a Record,
    head_only: bool,
}

impl ResponseFinisher<'_> {
    /// Adds the fields that every response has, and the signature if the request was signed.
    async fn complete(&self, mut response: Response) -> Result<Response, ApiError> {
        add_fields(&mut response, self.record.id(), self.app.hsts);
        match self.record.signed() {
            Some(request) => {
                let core = &self.app.core;
                let (now, patience) = (core.clock.unix(), core.limits.inference_timeout.0);
                signature::sign(&request, response, self.head_only, now, patience).await
            }
            None => Ok(response),
        }
    }

    /// The error response. If it cannot be signed, it is sent unsigned.
    async fn refusal(&self, refusal: &Refusal) -> Response {
        if let Ok(response) = self.complete(self.bare(refusal)).await {
            return response;
        }
        let mut response = self.bare(refusal);
        add_fields(&mut response, self.record.id(), self.app.hsts);
        response
    }

    fn bare(&self, Refusal { error, allow }: &Refusal) -> Response {
        let mut response = error::response(error, self.record.id());
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
        response
    }
}

/// The fields that every response has.
fn add_fields<B>(response: &mut Response<B>, id: RequestId, hsts: bool) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_bytes(&id.digits()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// The whole response, as bytes of HTTP/1.1, to a request on `connection` that hyper could not
/// parse and refused with `status`.
pub(in crate::server) fn refuse_unparsed(
    app: &App,
    connection: &Arc<ConnectionInfo>,
    status: StatusCode,
) -> Vec<u8> {
    refuse_unread(app, connection, error::unparsed(status))
}

/// The whole response, as bytes of HTTP/1.1, for `error`. It closes the connection.
pub(in crate::server) fn refuse_unread(
    app: &App,
    connection: &Arc<ConnectionInfo>,
    error: ApiError,
) -> Vec<u8> {
    let record = app.core.begin(connection);
    let mut response = error::document(&error, record.id());
    add_fields(&mut response, record.id(), app.hsts);
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    record.close_unread(error, parts.status.as_u16());
    bytes
}
