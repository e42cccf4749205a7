//! The one table from errors to what a client sees. The message is short and
//! tells nothing that the caller may not know; the detail goes to the audit log.

use axum::body::Body as AxumBody;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::response::Response;
use serde::Serialize;

use crate::auth::{ApiKeyError, AuthError};
use crate::runtime::RunError;
use crate::serving::ServingError;

/// A refused or failed request.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// For the audit log only.
    pub(super) detail: Option<String>,
    /// For the audit log only, in the place of the code: what a client is not told apart.
    pub(super) reason: Option<&'static str>,
    /// Fields of the response that say how to do better.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Tells how to sign (RFC 9421, section 5.1).
const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");
/// What [`crate::signing`] demands, with what every request has.
const WANTED: &str = r#"sig=("@method" "@authority" "@path" "@query" "content-digest");created;expires;nonce;keyid;tag="sealserve""#;

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    request_id: &'a str,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = bounded(message.into());
        Self { status, code, message, detail: None, reason: None, headers: Vec::new() }
    }

    /// What the audit log says in the place of the message.
    pub(super) fn detail(mut self, detail: String) -> Self {
        self.detail = Some(bounded(detail));
        self
    }

    fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The response has this field too.
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn challenge(self, challenge: &'static str) -> Self {
        self.with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// A 401 needs a challenge, and signatures have no scheme of their own.
    fn wants_signature(self) -> Self {
        self.challenge(r#"Bearer realm="sealserve""#).with(ACCEPT_SIGNATURE, HeaderValue::from_static(WANTED))
    }

    fn retry(self) -> Self {
        self.retry_in(1)
    }

    fn retry_in(self, seconds: u64) -> Self {
        self.with(RETRY_AFTER, seconds.into())
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_input", message)
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// RFC 9110, section 15.5.16: the answer says which codings there are.
    pub(super) fn unsupported_coding() -> Self {
        let message = "the body must be compressed once, with gzip or deflate, or not at all";
        Self::unsupported(message).with(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))
    }

    pub(super) fn failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", "the inference failed")
    }

    /// RFC 6585, section 5.
    pub(super) fn headers_too_large() -> Self {
        let message = "the request line and the header fields are too large, or the fields too many";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", message)
    }

    /// RFC 9112, section 6.1.
    pub(super) fn unsupported_transfer_encoding() -> Self {
        let message = "the only Transfer-Encoding here is chunked";
        Self::new(StatusCode::NOT_IMPLEMENTED, "unsupported_transfer_encoding", message)
    }

    /// The refusal of a request of which no more is known than that it has this status.
    pub(super) fn unparsed(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::headers_too_large(),
            StatusCode::URI_TOO_LONG => Self::new(status, "uri_too_long", "the path is too long"),
            _ => Self::malformed("the request is not valid HTTP"),
        }
    }

    pub(super) fn https_required() -> Self {
        let message = "this port speaks HTTPS: the URL must begin with https://";
        Self::new(StatusCode::BAD_REQUEST, "https_required", message)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(super) fn body_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")
    }

    pub(super) fn no_memory() -> Self {
        let message = "too many request bodies are in memory";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_body_memory", message).retry()
    }

    pub(super) fn answer_too_large(limit: usize) -> Self {
        let message = format!("the answer is larger than {limit} bytes");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "answer_too_large", message)
    }

    pub(super) fn no_answer_memory() -> Self {
        let message = "there is no memory for the answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_answer_memory", message).retry()
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the processor has other work").retry()
    }

    pub(super) fn stale_keyring() -> Self {
        let message = "the server cannot tell which credentials are valid";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stale_keyring", message).retry()
    }

    pub(super) fn unrecorded() -> Self {
        let message = "the request cannot be recorded";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", message).retry()
    }

    pub(super) fn unsigned_response() -> Self {
        let message = "the response could not be signed";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unsigned_response", message)
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing at this path")
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has another method")
    }

    /// The response, naming the request.
    pub(super) fn response(&self, request_id: &str) -> Response {
        self.document(request_id).map(AxumBody::from)
    }

    /// The response, its body as it is on the wire.
    pub(super) fn document(&self, request_id: &str) -> Response<Vec<u8>> {
        let body = Body { error: &self.message, code: self.code, request_id };
        let mut response = Response::new(serde_json::to_vec(&body).unwrap_or_default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.headers.iter().cloned());
        response
    }
}

/// Messages can quote what the client sent, at any length; answers and the log
/// take this much.
fn bounded(mut text: String) -> String {
    const MOST: usize = 300;
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

/// RFC 6750, section 3: the status and the challenge say what to mend.
impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing | AuthError::Scheme => {
                let message = "a credential is required: a bearer token or an API key";
                Self::new(StatusCode::UNAUTHORIZED, "no_credential", message)
                    .challenge(r#"Bearer realm="sealserve""#)
            }
            // One answer for all: whoever tries keys learns nothing about any of them.
            AuthError::ApiKey(error) => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "the API key is not accepted")
                    .challenge(r#"Bearer realm="sealserve", error="invalid_token""#)
                    .reason(match error {
                        ApiKeyError::Malformed(_) => "api_key_malformed",
                        ApiKeyError::Unknown { .. } => "api_key_unknown",
                        ApiKeyError::Secret { .. } => "api_key_wrong_secret",
                        ApiKeyError::Revoked { .. } => "api_key_revoked",
                        ApiKeyError::Expired { .. } => "api_key_expired",
                        ApiKeyError::Network { .. } => "api_key_wrong_network",
                    })
            }
            AuthError::Several => Self::new(
                StatusCode::BAD_REQUEST,
                "several_credentials",
                "exactly one credential is required",
            )
            .challenge(r#"Bearer realm="sealserve", error="invalid_request""#),
            AuthError::Malformed => Self::new(
                StatusCode::BAD_REQUEST,
                "malformed_credential",
                "Authorization must be 'Bearer' and a token or API key",
            )
            .challenge(r#"Bearer realm="sealserve", error="invalid_request""#),
            AuthError::Token(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_token", "the token is not accepted")
                    .challenge(r#"Bearer realm="sealserve", error="invalid_token""#)
            }
            AuthError::Unsigned => {
                Self::new(StatusCode::UNAUTHORIZED, "signature_required", "the request must be signed")
                    .wants_signature()
            }
            // What a signature lacks is no secret to the caller, who is known by now.
            AuthError::Signature(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_signature", detail.clone()).wants_signature()
            }
            AuthError::UnknownRequestKey { .. } | AuthError::NotOwner { .. } => {
                let message = "the signature is refused: its key is not yours";
                Self::new(StatusCode::UNAUTHORIZED, "invalid_signature", message).wants_signature()
            }
            AuthError::Replayed => {
                Self::new(StatusCode::UNAUTHORIZED, "replayed_request", detail.clone()).wants_signature()
            }
            AuthError::Misdirected => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected_request",
                "the request is signed for another server",
            ),
            AuthError::Digest => Self::new(
                StatusCode::BAD_REQUEST,
                "digest_mismatch",
                "the body is not the one that was signed",
            ),
            AuthError::TooSoon { wait } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "just_started",
                "the server has just started: sign the request again",
            )
            .retry_in(wait),
            AuthError::NoncesFull { wait } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_signatures",
                "too many signed requests came with this key",
            )
            .retry_in(wait),
            AuthError::Forbidden { .. } => {
                Self::new(StatusCode::FORBIDDEN, "insufficient_scope", "the credential does not allow this")
                    .challenge(r#"Bearer realm="sealserve", error="insufficient_scope""#)
            }
        }
        .detail(detail)
    }
}

impl From<ServingError> for ApiError {
    fn from(error: ServingError) -> Self {
        use ServingError as E;
        let message = error.to_string();
        match error {
            E::UnknownModel | E::UnknownVersion => Self::new(StatusCode::NOT_FOUND, "no_such_model", message),
            E::Run(error) => error.into(),
            E::QueueFull => Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message).retry(),
            E::Deadline => Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", message),
            E::Stopped => Self::new(StatusCode::SERVICE_UNAVAILABLE, "model_stopped", message),
            E::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "model_busy", message).retry(),
            E::Withdrawn => Self::new(StatusCode::SERVICE_UNAVAILABLE, "model_withdrawn", message),
        }
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            // What ONNX Runtime says names the model's insides, and can quote an element
            // of a tensor: it is for an operator who looks for it, not for the audit log.
            RunError::Refused { .. } => {
                tracing::debug!(%message, "the model refused its inputs");
                Self::invalid("the model refuses these inputs")
            }
            RunError::TooLarge { limit } => Self::answer_too_large(limit),
            RunError::NoMemory => Self::no_answer_memory(),
            RunError::NoInputMemory => Self::no_memory(),
            // What the library says of it tells more of the model than a caller may know.
            RunError::OutOfMemory { .. } => {
                let told = "these inputs make the model need more memory than it may take";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_memory", told).detail(message)
            }
            error if error.is_callers_fault() => Self::invalid(message),
            _ => Self::failed().detail(message),
        }
    }
}
