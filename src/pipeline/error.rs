//! Errors of requests: a class, which each protocol maps to its own status codes; a stable code;
//! a short message, which reveals nothing that the caller may not know; and a detail for the
//! audit log.

use crate::auth::{ApiKeyError, AuthError};
use crate::runtime::RunError;
use crate::serving::ServingError;

/// The kind of error. Each protocol has one table from classes to its own status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request cannot be understood.
    Malformed,
    /// The caller is not authenticated.
    Unauthenticated,
    /// The caller is not authorized.
    Forbidden,
    /// The route or model does not exist.
    NotFound,
    /// The route does not have this method.
    WrongMethod,
    /// The request did not arrive in time.
    SlowRequest,
    /// Its body is too large.
    TooLarge,
    /// Its path is too long.
    PathTooLong,
    /// The body's media type is not supported.
    UnsupportedMedia,
    /// The body's content coding is not supported.
    UnsupportedEncoding,
    /// The request is for another server.
    Misdirected,
    /// The request is well formed but cannot be answered.
    Unprocessable,
    /// Too many requests.
    RateLimited,
    /// Its header fields are too large or too many.
    HeadersTooLarge,
    /// The server failed.
    Internal,
    /// The request needs something that is not implemented.
    Unimplemented,
    /// The server cannot answer now.
    Unavailable,
    /// The response was not ready in time.
    Deadline,
}

impl Class {
    /// Whether the audit log counts it as a failure, not as a denial.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Internal | Self::Unimplemented | Self::Unavailable | Self::Deadline
        )
    }
}

/// The error in a bearer challenge (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// There is no credential.
    Missing,
    /// There is more than one credential, or it is malformed.
    InvalidRequest,
    /// The credential is not accepted.
    InvalidToken,
    /// The credential does not allow the action.
    InsufficientScope,
}

/// A refused or failed request.
#[derive(Debug, Clone)]
pub struct ApiError {
    class: Class,
    code: &'static str,
    challenge: Option<Challenge>,
    wants_signature: bool,
    retry_after: Option<u64>,
    text: Box<Text>,
}

#[derive(Debug, Clone)]
struct Text {
    message: String,
    detail: Option<String>,
    reason: Option<&'static str>,
}

impl ApiError {
    /// An error of `class` with a stable `code`.
    pub fn new(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            code,
            challenge: None,
            wants_signature: false,
            retry_after: None,
            text: Box::new(Text { message: bounded(message.into()), detail: None, reason: None }),
        }
    }

    /// The kind of error.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message for the client.
    pub fn message(&self) -> &str {
        &self.text.message
    }

    /// The bearer challenge, if there is one.
    pub fn challenge(&self) -> Option<Challenge> {
        self.challenge
    }

    /// Whether the response says how to sign requests.
    pub fn wants_signature(&self) -> bool {
        self.wants_signature
    }

    /// After how many seconds the client may try again.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// The reason and the detail for the audit log. The reason can be more precise than the code
    /// that the client gets.
    pub fn into_record(self) -> (&'static str, String) {
        let Text { message, detail, reason } = *self.text;
        (reason.unwrap_or(self.code), detail.unwrap_or(message))
    }

    /// Sets the detail for the audit log, in place of the message.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.text.detail = Some(bounded(detail.into()));
        self
    }

    fn with_reason(mut self, reason: &'static str) -> Self {
        self.text.reason = Some(reason);
        self
    }

    fn challenged(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Every 401 needs a challenge; signatures have no authentication scheme of their own.
    fn unsigned(mut self) -> Self {
        self.wants_signature = true;
        self.challenged(Challenge::Missing)
    }

    fn retry_in(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(Class::Unavailable, code, message).retry_in(1)
    }

    /// The request cannot be understood.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(Class::Malformed, "malformed_request", message)
    }

    /// The inputs do not fit the model.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Class::Malformed, "invalid_input", message)
    }

    /// The body's media type is not supported.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Class::UnsupportedMedia, "unsupported_media_type", message)
    }

    /// The model failed.
    pub fn failed() -> Self {
        Self::new(Class::Internal, "inference_failed", "the inference failed")
    }

    /// The body has more than `limit` bytes.
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(Class::TooLarge, "body_too_large", format!("the body is larger than {limit} bytes"))
    }

    /// The body arrived too slowly.
    pub fn body_timeout() -> Self {
        Self::new(Class::SlowRequest, "body_timeout", "the body did not arrive in time")
    }

    /// There is no memory for the body.
    pub fn no_memory() -> Self {
        Self::unavailable("no_body_memory", "too many request bodies are in memory")
    }

    /// The answer has more than `limit` bytes.
    pub fn answer_too_large(limit: usize) -> Self {
        let message = format!("the answer is larger than {limit} bytes");
        Self::new(Class::Unprocessable, "answer_too_large", message)
    }

    /// There is no memory for the answer.
    pub fn no_answer_memory() -> Self {
        Self::unavailable("no_answer_memory", "there is no memory for the answer")
    }

    /// No core is free for the work.
    pub fn busy() -> Self {
        Self::unavailable("busy", "server busy")
    }

    /// The keyring is too old to check credentials.
    pub fn stale_keyring() -> Self {
        Self::unavailable("stale_keyring", "keyring unavailable; credentials cannot be checked")
    }

    /// The audit log cannot be written.
    pub fn unrecorded() -> Self {
        Self::unavailable("audit_unavailable", "the request cannot be recorded")
    }

    /// There is no route for this path.
    pub fn no_route() -> Self {
        Self::new(Class::NotFound, "no_such_route", "there is nothing at this path")
    }
}

/// Limits the length of `text`, which can quote the client.
fn bounded(mut text: String) -> String {
    const MOST: usize = 300;
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

/// The class and the challenge follow RFC 6750, section 3.
impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing | AuthError::Scheme => {
                let message = "a credential is required: a bearer token or an API key";
                Self::new(Class::Unauthenticated, "no_credential", message).challenged(Challenge::Missing)
            }
            // The same error in all cases, so that guessing reveals nothing.
            AuthError::ApiKey(error) => {
                Self::new(Class::Unauthenticated, "invalid_api_key", "the API key is not accepted")
                    .challenged(Challenge::InvalidToken)
                    .with_reason(match error {
                        ApiKeyError::Malformed(_) => "api_key_malformed",
                        ApiKeyError::Unknown { .. } => "api_key_unknown",
                        ApiKeyError::Secret { .. } => "api_key_wrong_secret",
                        ApiKeyError::Revoked { .. } => "api_key_revoked",
                        ApiKeyError::Expired { .. } => "api_key_expired",
                        ApiKeyError::Network { .. } => "api_key_wrong_network",
                    })
            }
            AuthError::Several => {
                Self::new(Class::Malformed, "several_credentials", "exactly one credential is required")
                    .challenged(Challenge::InvalidRequest)
            }
            AuthError::Malformed => Self::new(
                Class::Malformed,
                "malformed_credential",
                "Authorization must be 'Bearer' and a token or API key",
            )
            .challenged(Challenge::InvalidRequest),
            AuthError::Token(_) => {
                Self::new(Class::Unauthenticated, "invalid_token", "the token is not accepted")
                    .challenged(Challenge::InvalidToken)
            }
            AuthError::Unsigned => {
                Self::new(Class::Unauthenticated, "signature_required", "the request must be signed")
                    .unsigned()
            }
            // The caller is authenticated by now, so it may know what is wrong.
            AuthError::Signature(_) => {
                Self::new(Class::Unauthenticated, "invalid_signature", detail.clone()).unsigned()
            }
            AuthError::UnknownRequestKey { .. } | AuthError::NotOwner { .. } => {
                let message = "the signature is refused: its key is not yours";
                Self::new(Class::Unauthenticated, "invalid_signature", message).unsigned()
            }
            AuthError::Replayed => {
                Self::new(Class::Unauthenticated, "replayed_request", detail.clone()).unsigned()
            }
            AuthError::Misdirected => Self::new(
                Class::Misdirected,
                "misdirected_request",
                "the request is signed for another server",
            ),
            AuthError::Digest => {
                Self::new(Class::Malformed, "digest_mismatch", "the body is not the one that was signed")
            }
            AuthError::TooSoon { wait } => Self::new(
                Class::Unavailable,
                "just_started",
                "the server has just started: sign the request again",
            )
            .retry_in(wait),
            AuthError::NoncesFull { wait } => Self::new(
                Class::Unavailable,
                "too_many_signatures",
                "too many signed requests came with this key",
            )
            .retry_in(wait),
            AuthError::Forbidden { .. } => {
                Self::new(Class::Forbidden, "insufficient_scope", "the credential does not allow this")
                    .challenged(Challenge::InsufficientScope)
            }
        }
        .with_detail(detail)
    }
}

impl From<ServingError> for ApiError {
    fn from(error: ServingError) -> Self {
        use ServingError as E;
        let message = error.to_string();
        match error {
            E::UnknownModel | E::UnknownVersion => Self::new(Class::NotFound, "no_such_model", message),
            E::Run(error) => error.into(),
            E::QueueFull => Self::new(Class::RateLimited, "queue_full", message).retry_in(1),
            E::Deadline => Self::new(Class::Deadline, "deadline_exceeded", message),
            E::Stopped => Self::new(Class::Unavailable, "model_stopped", message),
            E::Busy => Self::new(Class::Unavailable, "model_busy", message).retry_in(1),
            E::Withdrawn => Self::new(Class::Unavailable, "model_withdrawn", message),
        }
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            // ONNX Runtime's message names the model's internals and can quote tensor elements. It
            // goes to the debug log only.
            RunError::Refused { .. } => {
                tracing::debug!(%message, "the model refused its inputs");
                Self::invalid("the model refuses these inputs")
            }
            RunError::TooLarge { limit } => Self::answer_too_large(limit),
            RunError::NoMemory => Self::no_answer_memory(),
            RunError::NoInputMemory => Self::no_memory(),
            // The library's message reveals too much of the model.
            RunError::OutOfMemory { .. } => {
                let told = "these inputs make the model need more memory than it may take";
                Self::new(Class::Unprocessable, "out_of_memory", told).with_detail(message)
            }
            error if error.is_callers_fault() => Self::invalid(message),
            _ => Self::failed().with_detail(message),
        }
    }
}
