//! Certificates and private keys out of files: PEM (RFC 7468) or DER.

use std::path::Path;

use rcgen::KeyPair;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::form::Form;
use super::{Certificate, PkiError};
use crate::fs;
use crate::secret::SecretBytes;

/// How large a file of certificates may be.
pub const MAX_FILE: u64 = 1 << 20;
/// A chain has a handful, a bundle of roots may have some more.
const MAX_CERTIFICATES: usize = 64;

/// All certificates in `bytes`, at least one. `origin` is what messages call them, and
/// `file` where they were read, if from a file.
pub fn certificates(bytes: &[u8], origin: &str, file: Option<&Path>) -> Result<Vec<Certificate>, PkiError> {
    let form = Form::of(bytes);
    let none = || PkiError::NoCertificate { origin: origin.to_owned(), form, file: file.map(Into::into) };
    let marker = b"-----BEGIN ";
    match form {
        // A reader of PEM would pass over the first section, without a word.
        Form::Utf8Mark | Form::Utf16 => return Err(none()),
        Form::CertificateDer => {}
        _ if bytes.windows(marker.len()).any(|window| window == marker) => {
            return sections(bytes, origin, none);
        }
        Form::Unknown => {}
        _ => return Err(none()),
    }
    let one = Certificate::parse(bytes)
        .map_err(|detail| PkiError::NotACertificate { origin: origin.to_owned(), detail })?;
    Ok(vec![one])
}

fn sections(bytes: &[u8], origin: &str, none: impl Fn() -> PkiError) -> Result<Vec<Certificate>, PkiError> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(bytes) {
        let der = der.map_err(|error| malformed_pem(&error, origin))?;
        let number = found.len() + 1;
        if number > MAX_CERTIFICATES {
            return Err(PkiError::TooMany { origin: origin.to_owned(), limit: MAX_CERTIFICATES });
        }
        found.push(Certificate::parse(&der).map_err(|detail| PkiError::Malformed {
            origin: origin.to_owned(),
            number,
            detail,
        })?);
    }
    let label = b"-----BEGIN CERTIFICATE-----";
    let begun = bytes.windows(label.len()).filter(|window| window == label).count();
    match found.len() {
        // What begins within a line is passed over.
        read if read < begun => {
            let detail = "a section does not begin at the start of a line".to_owned();
            Err(PkiError::Pem { origin: origin.to_owned(), detail })
        }
        0 => Err(none()),
        _ => Ok(found),
    }
}

/// The certificates in the file at `path`, at least one, of `limit` bytes at most: for TLS,
/// which looks into them itself.
pub fn chain(path: &Path, limit: u64) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let found = file(path, limit)?;
    Ok(found.iter().map(|certificate| certificate.der().to_vec().into()).collect())
}

/// The certificates in the file at `path`, at least one, of `limit` bytes at most.
pub fn file(path: &Path, limit: u64) -> Result<Vec<Certificate>, PkiError> {
    let bytes = fs::read(path, limit)?;
    certificates(bytes.expose(), &format!("'{}'", path.display()), Some(path))
}

fn malformed_pem(error: &PemError, origin: &str) -> PkiError {
    // Other variants print bytes of the file, or cannot come from a slice.
    let detail = match error {
        PemError::MissingSectionEnd { .. } => "a section has no end",
        PemError::IllegalSectionStart { .. } => "a section begins wrongly",
        _ => "a section is no base64",
    };
    PkiError::Pem { origin: origin.to_owned(), detail: detail.to_owned() }
}

/// The private key in `bytes`, in PEM: PKCS#8 (RFC 5958), or what OpenSSL wrote before it.
/// `origin` is what messages call it, and `file` where it was read, if from a file.
pub fn private_key_der(
    bytes: &SecretBytes,
    origin: &str,
    file: Option<&Path>,
) -> Result<PrivateKeyDer<'static>, PkiError> {
    let form = Form::of(bytes.expose());
    let refused = || PkiError::Key { origin: origin.to_owned(), form, file: file.map(Into::into) };
    match form {
        // Sections other than keys, such as EC PARAMETERS or a certificate, are passed over.
        Form::KeyPem => PrivateKeyDer::from_pem_slice(bytes.expose()).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

/// The same as a key that signs certificates, in PEM or DER.
pub(super) fn private_key(
    bytes: &SecretBytes,
    origin: &str,
    file: Option<&Path>,
) -> Result<KeyPair, PkiError> {
    let der = match Form::of(bytes.expose()) {
        Form::KeyDer => PrivateKeyDer::try_from(bytes.expose()).map(|key| key.clone_key()).ok(),
        _ => Some(private_key_der(bytes, origin, file)?),
    };
    let kind = || PkiError::KeyKind { origin: origin.to_owned() };
    KeyPair::try_from(&der.ok_or_else(kind)?).map_err(|_| kind())
}
