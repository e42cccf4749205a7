//! Certificates and private keys out of files: PEM (RFC 7468) or DER.

use std::path::Path;

use rcgen::KeyPair;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Certificate, PkiError};
use crate::fs;
use crate::secret::SecretBytes;

/// How large a file of certificates may be.
pub const MAX_FILE: u64 = 1 << 20;
/// A chain has a handful, a bundle of roots may have some more.
const MAX_CERTIFICATES: usize = 64;

/// All certificates in `bytes`, at least one. `origin` is what messages call them.
pub fn certificates(bytes: &[u8], origin: &str) -> Result<Vec<Certificate>, PkiError> {
    let marker = b"-----BEGIN ";
    if !bytes.windows(marker.len()).any(|window| window == marker) {
        let one = Certificate::parse(bytes)
            .map_err(|detail| PkiError::NotACertificate { origin: origin.to_owned(), detail })?;
        return Ok(vec![one]);
    }
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
    if found.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        let private_key = text.contains("PRIVATE KEY-----");
        return Err(PkiError::NoCertificate { origin: origin.to_owned(), private_key });
    }
    Ok(found)
}

/// The certificates in the PEM file at `path`, at least one, of `limit` bytes at most:
/// for TLS, which looks into them itself.
pub fn chain(path: &Path, limit: u64) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let pem = fs::read(path, limit)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose()).collect();
    let found =
        found.and_then(|found| if found.is_empty() { Err(PemError::NoItemsFound) } else { Ok(found) });
    found.map_err(|source| PkiError::Chain { path: path.to_owned(), source })
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

/// The private key in `bytes`: PKCS#8 (RFC 5958), or what OpenSSL wrote before it.
pub(super) fn private_key(bytes: &SecretBytes, origin: &str) -> Result<KeyPair, PkiError> {
    let refused = |detail| PkiError::Key { origin: origin.to_owned(), detail };
    let text = bytes.expose();
    let holds = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    if holds(b"ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(refused("it is encrypted"));
    }
    let key = if holds(b"-----BEGIN ") {
        // Sections other than keys, such as EC PARAMETERS or a certificate, are passed over.
        PrivateKeyDer::from_pem_slice(text).map_err(|_| refused("it is malformed PEM, or another thing"))?
    } else {
        PrivateKeyDer::try_from(text).map_err(|_| refused("it is neither PEM nor PKCS#8"))?.clone_key()
    };
    KeyPair::try_from(&key).map_err(|_| refused("it is malformed, or of a kind that signs no certificates"))
}
