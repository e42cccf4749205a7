//! Why a certificate could not be made, read or kept.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::form::{Form, beside};
use crate::clock::{UnixSeconds, rfc3339_signed};
use crate::error::{Diagnose, Kind, shell_path};
use crate::fs::FsError;

/// Why a certificate could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum PkiError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("a server certificate needs at least one name")]
    NoName,
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("{origin} holds no certificate: it is {}", form.noun())]
    NoCertificate { origin: String, form: Form, file: Option<PathBuf> },
    #[error("the authority has no certificate")]
    NoAuthority,
    #[error("{origin} is neither PEM nor a certificate in DER: {detail}")]
    NotACertificate { origin: String, detail: String },
    #[error("{origin} is malformed PEM: {detail}")]
    Pem { origin: String, detail: String },
    #[error("the certificates in '{}' stand in the wrong order: {detail}", path.display())]
    Order { path: PathBuf, detail: String, order: Vec<usize> },
    #[error("the first certificate in '{}' is that of an authority, '{subject}', not of a server", path.display())]
    AuthorityShown { path: PathBuf, subject: String },
    #[error("certificate {number} of {origin} is malformed: {detail}")]
    Malformed { origin: String, number: usize, detail: String },
    #[error("{origin} holds more than {limit} certificates")]
    TooMany { origin: String, limit: usize },
    #[error("{origin} holds no private key that can be used: it is {}", match form {
        Form::KeyPem => "malformed PEM",
        form => form.noun(),
    })]
    Key { origin: String, form: Form, file: Option<PathBuf> },
    #[error(
        "{origin} holds no private key that can be used: it is malformed, or of a kind that signs no certificates"
    )]
    KeyKind { origin: String },
    #[error("the key does not belong to the certificate of '{subject}'")]
    KeyMismatch { subject: String },
    #[error("'{subject}' cannot sign certificates: {reason}")]
    NotAnAuthority { subject: String, reason: &'static str },
    #[error("the name of the authority '{subject}' cannot be reproduced exactly in what it signs")]
    IssuerName { subject: String },
    #[error("'{subject}' is valid from {} to {}", rfc3339_signed(*from), rfc3339_signed(*until))]
    AuthorityTime { subject: String, from: i64, until: i64 },
    #[error("{holder} lies outside the names that '{subject}' may vouch for")]
    OutsideConstraints { holder: String, subject: String, permitted: String },
    #[error("the new certificate would not verify: {}", describe(.findings))]
    Unsound { findings: Vec<Finding> },
    #[error("{what} lasts {days} days, longer than {limit}")]
    TooLong { what: &'static str, days: u64, limit: u64, allowable: bool },
    #[error("{what} lasts less than a minute")]
    TooShort { what: &'static str },
    #[error("{what} would outlive '{issuer}', which ends {}", rfc3339_signed(*ends))]
    OutlivesIssuer { what: &'static str, issuer: String, ends: i64, left: u64 },
    #[error("the clock says {now} s since 1970, which no certificate can express")]
    Clock { now: UnixSeconds },
    #[error("the inventory '{}' is malformed", path.display())]
    Inventory { path: PathBuf, source: serde_json::Error },
    #[error("the inventory '{}' has version {version}, this program knows version 1", path.display())]
    InventoryVersion { path: PathBuf, version: u64 },
    #[error("cannot connect to {endpoint}")]
    Connect { endpoint: String, source: std::io::Error },
    #[error("{endpoint} did not show a certificate")]
    Handshake { endpoint: String, source: std::io::Error },
    #[error("cannot prepare a TLS connection to {endpoint}")]
    Tls { endpoint: String, source: rustls::Error },
}

fn describe(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The command that puts the certificates of `path` into `order`.
fn reorder(path: &Path, order: &[usize]) -> String {
    let parts: Vec<_> = order.iter().map(|number| format!("c[{number}]")).collect();
    let program = format!(
        "/-BEGIN/ {{ n++ }} {{ c[n] = c[n] $0 \"\\n\" }} END {{ printf \"%s\", {} }}",
        parts.join(" ")
    );
    let [from, to] = [path.to_owned(), beside(path, "ordered.pem")].map(|path| shell_path(&path));
    format!("`awk '{program}' {from} > {to}` puts them in order")
}

impl Diagnose for PkiError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoName | Self::TooLong { .. } | Self::TooShort { .. } => Kind::Usage,
            Self::Key { .. } | Self::KeyKind { .. } => Kind::Credential,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::NoName => "name the host or address that clients connect to".into(),
            Self::NoCertificate { form, file, .. } => form.to_certificates(file.as_deref()),
            Self::NotACertificate { .. } => {
                "a certificate in PEM begins with -----BEGIN CERTIFICATE-----".into()
            }
            Self::Pem { .. } | Self::Malformed { .. } => "is the file complete?".into(),
            Self::Order { path, order, .. } => reorder(path, order),
            Self::AuthorityShown { .. } => {
                "name a certificate that an authority issued; `sealserve cert issue` makes one, or `openssl req -x509 … \
                 -addext basicConstraints=critical,CA:FALSE`"
                    .into()
            }
            Self::TooMany { .. } => "name the certificates that matter, not a whole trust store".into(),
            Self::Key { form, file, .. } => form.to_key(file.as_deref()),
            Self::KeyKind { .. } => "name a key on P-256 or P-384, an RSA key, or an Ed25519 key".into(),
            Self::KeyMismatch { .. } => "certificate and key come in pairs; name those that were made together".into(),
            Self::NotAnAuthority { .. } => "name a certificate of an authority, such as issuing.pem".into(),
            Self::IssuerName { .. } => {
                "it repeats an attribute or holds several in one element; use an authority with a simpler name".into()
            }
            Self::AuthorityTime { .. } => "an authority signs only within its own time; check the clock".into(),
            Self::OutsideConstraints { permitted, .. } if permitted.is_empty() => {
                "its name constraints exclude them".into()
            }
            Self::OutsideConstraints { permitted, .. } => format!("it may vouch for {permitted} and what lies below"),
            Self::TooLong { allowable: true, .. } => {
                "clients may refuse it; pass --allow-long-lifetime if they do not".into()
            },
            Self::OutlivesIssuer { left, .. } => format!("pass --lifetime {}h, or renew the authority first", left / 3600),
            Self::Inventory { .. } | Self::InventoryVersion { .. } => {
                "restore it from a backup, or use a newer sealserve".into()
            }
            Self::Connect { .. } => "check host and port; a file of that name is written ./NAME".into(),
            Self::Handshake { .. } => "is it a TLS server?".into(),
            Self::Certificate(_)
            | Self::NoAuthority
            | Self::Unsound { .. }
            | Self::TooLong { .. }
            | Self::TooShort { .. }
            | Self::Clock { .. }
            | Self::Tls { .. } => return None,
        })
    }
}
