//! Why there is no good answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use rustls::{AlertDescription, CertificateError};

use crate::error::{Diagnose, Kind};
use crate::fs::FsError;
use crate::pki::PkiError;
use crate::signing::SigningError;

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum SendError {
    #[error("the URL cannot be used: {detail}")]
    Url { detail: String },
    #[error("http is not encrypted: it needs --insecure, and a loopback address")]
    Plain,
    #[error(transparent)]
    File(#[from] FsError),
    #[error(transparent)]
    Certificate(#[from] PkiError),
    #[error("client certificate '{}' and its key cannot be used", path.display())]
    Identity { path: PathBuf, source: rustls::Error },
    #[error("a certificate in '{}' cannot be trusted", path.display())]
    Root { path: PathBuf, source: rustls::Error },
    #[error("this system trusts no certificate")]
    NoRoots,
    #[error("TLS cannot be set up")]
    Tls { source: rustls::Error },
    #[error("the request cannot be sent")]
    Start { source: io::Error },
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("cannot connect to {authority}")]
    Connect { authority: String, source: io::Error },
    #[error("cannot connect to {authority} within {limit:?}")]
    ConnectTimeout { authority: String, limit: Duration },
    #[error("the certificate of {authority} is not trusted")]
    Untrusted { authority: String, source: rustls::Error },
    #[error("the TLS handshake with {authority} failed")]
    Handshake { authority: String, source: io::Error },
    #[error("{authority} refused the client certificate")]
    ClientCertificate { authority: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the exchange with {authority} failed")]
    Exchange { authority: String, source: hyper::Error },
    #[error("{authority} closed the connection before it had the whole request, and gave no answer")]
    Unanswered { authority: String, source: hyper::Error },
    #[error("{authority} broke its answer off")]
    Cut { authority: String },
    #[error("{authority} did not answer within {limit:?}")]
    Timeout { authority: String, limit: Duration },
    #[error("the answer is larger than {limit} bytes")]
    ResponseTooLarge { limit: usize },
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

    pub(super) fn handshake(authority: &str, source: io::Error) -> Self {
        let authority = authority.to_owned();
        match tls_error(&source) {
            Some(error @ rustls::Error::InvalidCertificate(_)) => {
                Self::Untrusted { authority, source: error.clone() }
            }
            Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
                Self::ClientCertificate { authority, source: Box::new(source) }
            }
            _ => Self::Handshake { authority, source },
        }
    }

    /// In TLS 1.3 a client certificate is refused after the handshake is over for us.
    /// `closed`: the server had stopped taking the request.
    pub(super) fn exchange(authority: &str, source: hyper::Error, closed: bool) -> Self {
        let authority = authority.to_owned();
        match tls_error(&source) {
            Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
                Self::ClientCertificate { authority, source: Box::new(source) }
            }
            _ if closed => Self::Unanswered { authority, source },
            _ => Self::Exchange { authority, source },
        }
    }

    /// How long to wait before the attempt after number `attempts`, if one makes
    /// sense: nothing was sent, or the server asks to come again.
    pub(super) fn wait(&self, attempts: u32) -> Option<Duration> {
        let backoff = || Duration::from_millis(250).saturating_mul(1 << (attempts - 1).min(6));
        match self {
            Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::Handshake { .. } => Some(backoff()),
            Self::Refused { status, retry_after, .. }
                if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(status) =>
            {
                Some(retry_after.unwrap_or_else(backoff))
            }
            _ => None,
        }
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    [
        A::AccessDenied,
        A::BadCertificate,
        A::CertificateExpired,
        A::CertificateRequired,
        A::CertificateRevoked,
        A::CertificateUnknown,
        A::UnknownCA,
        A::UnsupportedCertificate,
    ]
    .contains(&alert)
}

/// A server's words, fit for a terminal.
fn printable(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Diagnose for SendError {
    fn kind(&self) -> Kind {
        match self {
            Self::Url { .. } | Self::Plain => Kind::Usage,
            Self::Signing(error) => error.kind(),
            Self::Certificate(error) => error.kind(),
            Self::ClientCertificate { .. } => Kind::Credential,
            Self::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                Kind::Credential
            }
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Certificate(error) => return error.hint(),
            Self::Signing(error) => return error.hint(),
            Self::Untrusted { source, .. } => match source {
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                ) => "use the name that stands in the certificate".into(),
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => "name the server's CA with --cacert".into(),
                _ => return None,
            },
            Self::NoRoots => "name the server's CA with --cacert".into(),
            Self::ClientCertificate { .. } => {
                "give a valid one with --client-cert and --client-key; it may have expired or been revoked"
                    .into()
            }
            Self::Response { source: SigningError::Unsigned } => {
                "the server signs no responses; --allow-unsigned-response takes them all the same".into()
            }
            Self::Response { .. } | Self::ResponseBody | Self::Forged { .. } => {
                "something between here and the server changes answers; nothing of it was printed".into()
            }
            Self::Connect { .. } => "is the server running, and is the URL right?".into(),
            Self::Unanswered { .. } => {
                "is the body too large for it? A request with a small one may tell what it refuses".into()
            }
            Self::Timeout { .. } | Self::ConnectTimeout { .. } => "allow more with --timeout".into(),
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

/// What TLS said, if that is why `error` happened.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error keeps what it wraps beside `source`, which skips it.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
