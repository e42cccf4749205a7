//! Shared by all HTTP codecs: checks of a request's head, credentials and signatures in header
//! fields, bodies and their encodings, and the form of responses and errors.

pub(super) mod authn;
pub(super) mod body;
pub(super) mod content_encoding;
pub(super) mod error;
pub(super) mod finish;
pub(super) mod head;
pub(super) mod signature;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A response of `status` whose body is the JSON of `document`.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response {
    // These documents always have a JSON form.
    json_text(status, serde_json::to_vec(document).unwrap_or_default())
}

/// A response of `status` whose body is JSON text.
pub(super) fn json_text(status: StatusCode, text: impl IntoResponse) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
