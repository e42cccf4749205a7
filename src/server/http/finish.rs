//! The end of every request: its response is completed, signed and written down, or what
//! failed is answered.

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

/// What a request is refused with.
pub(in crate::server) struct Refusal {
    error: ApiError,
    /// The methods that there are, where it has a wrong one (RFC 9110, section 10.2.1).
    allow: Option<HeaderValue>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, allow: None }
    }
}

/// The response of an axum handler that says `error`; [`outcome`] takes it apart again.
pub(in crate::server) fn refuse(error: ApiError) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(error);
    response
}

/// What an axum handler answered.
pub(in crate::server) fn outcome(mut response: Response) -> Result<Response, Refusal> {
    match response.extensions_mut().remove() {
        Some(error) => Err(Refusal { error, allow: response.headers_mut().remove(header::ALLOW) }),
        None => Ok(response),
    }
}

/// The response that goes out for `outcome`, and the record of it. Where only the head goes
/// out, which is so for HEAD, only that is signed.
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
    // To write, compress and sign an answer takes time.
    let complete = complete.and_then(|response| Ok(record.still_holds().map(|()| response)?));
    let (mut response, error) = match complete {
        Ok(response) => (response, None),
        Err(refusal) => (finisher.refusal(&refusal).await, Some(refusal.error)),
    };
    // What is written down is what goes out.
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
    /// Adds the fields that every response has, and the signature that is due.
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

    /// The response that says why; if it cannot be signed it is one all the same.
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
/// parse: it has a status for it and no more.
pub(in crate::server) fn refuse_unparsed(
    app: &App,
    connection: &Arc<ConnectionInfo>,
    status: StatusCode,
) -> Vec<u8> {
    refuse_unread(app, connection, error::unparsed(status))
}

/// The whole response, as bytes of HTTP/1.1, that says `error`; the connection closes.
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
