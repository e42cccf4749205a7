//! What a file is that holds no certificate or no private key in a form that is read
//! here, and the command that makes one of it.

use std::path::{Path, PathBuf};

use crate::error::shell_path;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text in UTF-8 behind a byte order mark.
    Utf8Mark,
    /// Text in UTF-16.
    Utf16,
    /// A PKCS#8 key under a passphrase, in PEM.
    EncryptedPkcs8,
    /// A key under a passphrase, as OpenSSL wrote it before PKCS#8.
    EncryptedLegacy,
    /// A PKCS#8 key under a passphrase, in DER.
    EncryptedDer,
    /// A private key in DER.
    KeyDer,
    /// A private key in PEM.
    KeyPem,
    /// A key and its certificates in one file, under a passphrase.
    Pkcs12,
    /// Certificates in a container of their own.
    Pkcs7,
    /// The same in DER.
    Pkcs7Der,
    /// A certificate in DER.
    CertificateDer,
    /// A certificate in PEM.
    CertificatePem,
    /// A request for a certificate.
    Request,
    /// A public key.
    PublicKey,
    /// A private key in the form of OpenSSH.
    OpenSsh,
    /// A key store of Java.
    Jks,
    /// No bytes at all.
    Empty,
    /// Something else.
    Unknown,
}

impl Form {
    /// What `bytes` are, as far as their beginning and their labels tell.
    pub fn of(bytes: &[u8]) -> Self {
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        match bytes {
            [] => Self::Empty,
            [0xef, 0xbb, 0xbf, ..] => Self::Utf8Mark,
            [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Self::Utf16,
            [0xfe, 0xed, 0xfe, 0xed, ..] => Self::Jks,
            [0x30, ..] => Self::of_der(bytes),
            _ if holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => Self::EncryptedPkcs8,
            _ if holds(b"Proc-Type: 4,ENCRYPTED") => Self::EncryptedLegacy,
            _ if holds(b"-----BEGIN OPENSSH PRIVATE KEY-----") => Self::OpenSsh,
            _ if holds(b"PRIVATE KEY-----") => Self::KeyPem,
            _ if holds(b"CERTIFICATE REQUEST-----") => Self::Request,
            _ if holds(b"-----BEGIN CERTIFICATE-----") => Self::CertificatePem,
            _ if holds(b"-----BEGIN PKCS7-----") => Self::Pkcs7,
            _ if holds(b"PUBLIC KEY-----") => Self::PublicKey,
            _ => Self::Unknown,
        }
    }

    /// What the first elements of a SEQUENCE tell.
    fn of_der(bytes: &[u8]) -> Self {
        match content(bytes) {
            // PFX: version 3, then a ContentInfo (RFC 7292, section 4).
            [2, 1, 3, 0x30, ..] => Self::Pkcs12,
            // PKCS#8 of either version, PKCS#1, SEC 1.
            [2, 1, 0, 0x30 | 2, ..] | [2, 1, 1, 0x30 | 4, ..] => Self::KeyDer,
            // ContentInfo of signedData (RFC 5652, section 5.1).
            [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2, ..] => Self::Pkcs7Der,
            inner @ [0x30, ..] => match content(inner) {
                // An algorithm of PKCS#5: EncryptedPrivateKeyInfo (RFC 5958, section 3).
                [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, ..] => Self::EncryptedDer,
                // The version of a certificate.
                [0xa0, 3, 2, 1, ..] => Self::CertificateDer,
                // The version of a CertificationRequestInfo (RFC 2986, section 4.1).
                [2, 1, 0, 0x30, ..] => Self::Request,
                [6, ..] => Self::PublicKey,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// What it is, as a noun.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Utf8Mark => "text that begins with a UTF-8 byte order mark",
            Self::Utf16 => "text in UTF-16",
            Self::EncryptedPkcs8 | Self::EncryptedLegacy => "an encrypted private key",
            Self::EncryptedDer => "an encrypted private key in DER",
            Self::KeyDer => "a private key in DER",
            Self::KeyPem => "a private key",
            Self::Pkcs12 => "a PKCS#12 file",
            Self::Pkcs7 | Self::Pkcs7Der => "a PKCS#7 file",
            Self::CertificateDer => "a certificate in DER",
            Self::CertificatePem => "a certificate",
            Self::Request => "a certificate request",
            Self::PublicKey => "a public key",
            Self::OpenSsh => "a private key in the form of OpenSSH",
            Self::Jks => "a Java key store",
            Self::Empty => "an empty file",
            Self::Unknown => "neither PEM nor DER",
        }
    }

    /// How to get a private key in PEM out of `file`.
    pub fn to_key(self, file: Option<&Path>) -> String {
        let (from, to) = names(file, "plain.key");
        match self {
            Self::EncryptedPkcs8 | Self::EncryptedLegacy => {
                format!("`openssl pkey -in {from} -out {to}` asks for the passphrase and decrypts it")
            }
            Self::EncryptedDer => {
                format!(
                    "`openssl pkcs8 -inform DER -in {from} -out {to}` asks for the passphrase and decrypts it"
                )
            }
            Self::KeyDer => format!("`openssl pkey -inform DER -in {from} -out {to}` writes it in PEM"),
            Self::Pkcs12 => {
                format!("`openssl pkcs12 -in {from} -nocerts -nodes -out {to}` takes the key out of it")
            }
            Self::Utf8Mark => format!("`(umask 077; tail -c +4 {from} > {to})` takes the mark away"),
            Self::Utf16 => format!("`(umask 077; iconv -f UTF-16 -t UTF-8 {from} > {to})` makes UTF-8 of it"),
            Self::OpenSsh => format!("`ssh-keygen -p -m PKCS8 -f {from}` changes its form, in place"),
            Self::Jks => {
                "export the key as PKCS#12 with `keytool -importkeystore -deststoretype PKCS12 …` first"
                    .into()
            }
            Self::CertificateDer | Self::CertificatePem => {
                "name the private key that belongs to it; are certificate and key swapped?".into()
            }
            Self::Request | Self::PublicKey => "name the private key that belongs to it".into(),
            Self::KeyPem => "is the file complete, and the key RSA, ECDSA or Ed25519?".into(),
            Self::Pkcs7 | Self::Pkcs7Der | Self::Empty | Self::Unknown => {
                "a private key in PEM begins with -----BEGIN PRIVATE KEY-----".into()
            }
        }
    }

    /// How to get certificates in PEM out of `file`.
    pub fn to_certificates(self, file: Option<&Path>) -> String {
        let (from, to) = names(file, "plain.pem");
        match self {
            Self::Utf8Mark => format!("`tail -c +4 {from} > {to}` takes the mark away"),
            Self::Utf16 => format!("`iconv -f UTF-16 -t UTF-8 {from} > {to}` makes UTF-8 of it"),
            Self::Pkcs12 => {
                format!("`openssl pkcs12 -in {from} -nokeys -out {to}` takes the certificates out of it")
            }
            Self::Pkcs7 => {
                format!("`openssl pkcs7 -in {from} -print_certs -out {to}` takes the certificates out of it")
            }
            Self::Pkcs7Der => {
                format!(
                    "`openssl pkcs7 -inform DER -in {from} -print_certs -out {to}` takes the certificates out of it"
                )
            }
            Self::EncryptedPkcs8
            | Self::EncryptedLegacy
            | Self::EncryptedDer
            | Self::KeyDer
            | Self::KeyPem
            | Self::OpenSsh => {
                "name the certificate that belongs to it; are certificate and key swapped?".into()
            }
            Self::Request => "name the certificate that was issued for it".into(),
            Self::Jks => {
                "export it as PKCS#12 with `keytool -importkeystore -deststoretype PKCS12 …` first".into()
            }
            Self::CertificateDer | Self::CertificatePem => "is the file complete?".into(),
            Self::PublicKey | Self::Empty | Self::Unknown => {
                "a certificate in PEM begins with -----BEGIN CERTIFICATE-----".into()
            }
        }
    }
}

/// The words of a shell for `file` and for what is made of it.
fn names(file: Option<&Path>, extension: &str) -> (String, String) {
    match file {
        Some(path) => (shell_path(path), shell_path(&beside(path, extension))),
        None => ("FILE".into(), format!("NEW.{extension}")),
    }
}

/// `path` with another extension.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    path.with_extension(extension)
}

/// What a DER element holds; nothing where its length makes no sense.
fn content(bytes: &[u8]) -> &[u8] {
    let skipped = match bytes {
        [_, length, ..] if *length < 0x80 => 2,
        // So many bytes of length follow; of an indefinite one, none.
        [_, length, ..] => 2 + usize::from(length & 0x7f),
        _ => bytes.len(),
    };
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_form(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            for bytes in [bytes.clone(), [&[0x30][..], &bytes].concat()] {
                let form = Form::of(&bytes);
                let file = Some(Path::new("-x"));
                let _ = (form.noun(), form.to_key(file), form.to_certificates(None));
            }
        }
    }

    #[test]
    fn what_a_hint_names_is_quoted_and_no_option() {
        let hint = Form::KeyDer.to_key(Some(Path::new("-my key.der")));
        assert_eq!(
            hint,
            "`openssl pkey -inform DER -in './-my key.der' -out './-my key.plain.key'` writes it in PEM"
        );
    }
}
