//! Why a server cannot be reached, or gives no whole answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::error::{Diagnose, Kind};
use crate::fs::FsError;
use crate::pki::PkiError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ClientError {
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
}

impl ClientError {
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

    /// Whether it failed before anything of the request was sent, so that another attempt
    /// is safe and makes sense.
    pub fn is_before_request(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::Handshake { .. })
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

impl Diagnose for ClientError {
    fn kind(&self) -> Kind {
        match self {
            Self::Url { .. } | Self::Plain => Kind::Usage,
            Self::Certificate(error) => error.kind(),
            Self::ClientCertificate { .. } => Kind::Credential,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Certificate(error) => return error.hint(),
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
            Self::Connect { .. } => "is the server running, and is the URL right?".into(),
            Self::Unanswered { .. } => {
                "is the body too large for it? A request with a small one may tell what it refuses".into()
            }
            Self::Timeout { .. } | Self::ConnectTimeout { .. } => "allow more with --timeout".into(),
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
