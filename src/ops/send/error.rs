//! Why there is no good answer.

use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::client::ClientError;
use crate::error::{Diagnose, Kind};
use crate::signing::SigningError;

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum SendError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the request cannot be sent")]
    Start { source: io::Error },
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("the answer is not proven to be the server's")]
    Response { source: SigningError },
    #[error("the answer's body is not the one that was signed")]
    ResponseBody,
    /// Somebody else's word, so nothing of it but the status is repeated.
    #[error("the server answered {} (its signature does not hold)", status.as_u16())]
    Forged { status: StatusCode, source: Box<Self> },
    #[error(
        "the server answered {}{}: {message}{}",
        status.as_u16(),
        if *proven { "" } else { " (not signed)" },
        code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default()
    )]
    Refused {
        status: StatusCode,
        message: String,
        code: Option<String>,
        /// What the server's audit log calls the request.
        request_id: Option<String>,
        retry_after: Option<Duration>,
        /// Whether this is the word of the server that holds the key.
        proven: bool,
    },
}

impl SendError {
    /// A status other than 2xx, with the words that came with it.
    pub(super) fn refused(
        status: StatusCode,
        retry_after: Option<Duration>,
        body: &[u8],
        proven: bool,
    ) -> Self {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let word = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(printable);
        let reason = || status.canonical_reason().unwrap_or("it gave no reason").to_lowercase();
        let (message, code) = (word("error").unwrap_or_else(reason), word("code"));
        Self::Refused { status, message, code, request_id: word("request_id"), retry_after, proven }
    }

    /// How long to wait before the attempt after number `attempts`, if one makes
    /// sense: nothing was sent, or the server asks to come again.
    pub(super) fn wait(&self, attempts: u32) -> Option<Duration> {
        let backoff = || Duration::from_millis(250).saturating_mul(1 << (attempts - 1).min(6));
        match self {
            Self::Client(error) if error.is_before_request() => Some(backoff()),
            Self::Refused { status, retry_after, .. }
                if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(status) =>
            {
                Some(retry_after.unwrap_or_else(backoff))
            }
            _ => None,
        }
    }
}

/// A server's words, fit for a terminal.
fn printable(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Diagnose for SendError {
    fn kind(&self) -> Kind {
        match self {
            Self::Client(error) => error.kind(),
            Self::Signing(error) => error.kind(),
            Self::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                Kind::Credential
            }
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Client(error) => return error.hint(),
            Self::Signing(error) => return error.hint(),
            Self::Response { source: SigningError::Unsigned } => {
                "the server signs no responses; --allow-unsigned-response takes them all the same".into()
            }
            Self::Response { .. } | Self::ResponseBody | Self::Forged { .. } => {
                "something between here and the server changes answers; nothing of it was printed".into()
            }
            Self::Refused { status, .. } if status.is_redirection() => {
                "redirects are not followed; use the URL of the server itself".into()
            }
            Self::Refused { retry_after: Some(wait), .. } => {
                format!("try again in {} s, or pass --retry", wait.as_secs())
            }
            Self::Refused { request_id: Some(id), .. } => {
                format!("the server's audit log tells more of this request: {id}")
            }
            _ => return None,
        })
    }
}
