//! Errors over HTTP: the table from classes to status codes, the JSON body of every error, and
//! the errors that only exist in HTTP.

use axum::body::Body as AxumBody;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::response::Response;
use serde::Serialize;

use crate::audit::RequestId;
use crate::pipeline::{ApiError, Challenge, Class};

/// Says how requests must be signed (RFC 9421, section 5.1).
const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");
/// The components that [`crate::signing`] requires of every request.
const WANTED: &str = r#"sig=("@method" "@authority" "@path" "@query" "content-digest");created;expires;nonce;keyid;tag="sealserve""#;

/// The status code for errors of `class`.
pub(in crate::server) fn status(class: Class) -> StatusCode {
    match class {
        Class::Malformed => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Class::SlowRequest => StatusCode::REQUEST_TIMEOUT,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::PathTooLong => StatusCode::URI_TOO_LONG,
        Class::UnsupportedMedia | Class::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Class::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Class::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Class::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Class::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Class::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Class::Deadline => StatusCode::GATEWAY_TIMEOUT,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    request_id: RequestId,
}

/// The response to the request `id` that failed with `error`.
pub(in crate::server) fn response(error: &ApiError, id: RequestId) -> Response {
    document(error, id).map(AxumBody::from)
}

/// The same, with the body as bytes.
pub(in crate::server) fn document(error: &ApiError, id: RequestId) -> Response<Vec<u8>> {
    let body = Body { error: error.message(), code: error.code(), request_id: id };
    let mut response = Response::new(serde_json::to_vec(&body).unwrap_or_default());
    *response.status_mut() = status(error.class());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(challenge) = error.challenge() {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(bearer(challenge)));
    }
    if error.wants_signature() {
        headers.insert(ACCEPT_SIGNATURE, HeaderValue::from_static(WANTED));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if error.class() == Class::UnsupportedEncoding {
        // RFC 9110, section 15.5.16.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    }
    response
}

/// RFC 6750, section 3.
fn bearer(challenge: Challenge) -> &'static str {
    match challenge {
        Challenge::Missing => r#"Bearer realm="sealserve""#,
        Challenge::InvalidRequest => r#"Bearer realm="sealserve", error="invalid_request""#,
        Challenge::InvalidToken => r#"Bearer realm="sealserve", error="invalid_token""#,
        Challenge::InsufficientScope => r#"Bearer realm="sealserve", error="insufficient_scope""#,
    }
}

/// RFC 9110, section 15.5.6.
pub(in crate::server) fn wrong_method() -> ApiError {
    ApiError::new(Class::WrongMethod, "method_not_allowed", "this path has another method")
}

/// RFC 6585, section 5.
pub(in crate::server) fn headers_too_large() -> ApiError {
    let message = "the request line and the header fields are too large, or the fields too many";
    ApiError::new(Class::HeadersTooLarge, "headers_too_large", message)
}

/// RFC 9112, section 6.1.
pub(in crate::server) fn unsupported_transfer_encoding() -> ApiError {
    let message = "the only Transfer-Encoding here is chunked";
    ApiError::new(Class::Unimplemented, "unsupported_transfer_encoding", message)
}

/// RFC 9110, section 15.5.16: the response lists the supported codings.
pub(in crate::server) fn unsupported_coding() -> ApiError {
    let message = "the body must be compressed once, with gzip or deflate, or not at all";
    ApiError::new(Class::UnsupportedEncoding, "unsupported_media_type", message)
}

/// The response must be signed and cannot be.
pub(in crate::server) fn unsigned_response() -> ApiError {
    ApiError::new(Class::Internal, "unsigned_response", "the response could not be signed")
}

/// A plain HTTP request on the TLS port.
pub(in crate::server) fn https_required() -> ApiError {
    let message = "this port speaks HTTPS: the URL must begin with https://";
    ApiError::new(Class::Malformed, "https_required", message)
}

/// The error for a request that hyper refused with `status`.
pub(in crate::server) fn unparsed(status: StatusCode) -> ApiError {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => headers_too_large(),
        StatusCode::URI_TOO_LONG => ApiError::new(Class::PathTooLong, "uri_too_long", "the path is too long"),
        _ => ApiError::malformed("the request is not valid HTTP"),
    }
}
