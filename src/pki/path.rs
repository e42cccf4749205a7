//! Ways from a certificate to an authority that is trusted.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::finding::Check;
use super::{Certificate, Name, Purpose};
use crate::clock::UnixSeconds;

/// No private PKI is deeper, and no public one either.
const DEPTH: usize = 8;

/// The way up from the first of `chain` by names and signatures, through the others
/// of `chain` to one of `anchors`, as far as it can be followed. A way that ends at
/// an anchor is preferred.
pub(super) fn upwards<'a>(
    chain: &'a [Certificate],
    anchors: &'a [Certificate],
) -> (Vec<&'a Certificate>, bool) {
    let Some(first) = chain.first() else { return (Vec::new(), false) };
    let mut way = vec![first];
    let is_anchor = |certificate: &Certificate| anchors.contains(certificate);
    while let Some(last) = way.last().copied() {
        if is_anchor(last) && last.facts.ca {
            return (way, true);
        }
        let issuers = anchors.iter().chain(&chain[1..]);
        let mut named = issuers.filter(|issuer| issuer.facts.subject_der == last.facts.issuer_der);
        // Another authority of the same name may stand before the right one.
        let next = named.clone().find(|issuer| signed_by(last, issuer).is_ok()).or_else(|| named.next());
        match next {
            Some(next) if way.len() < DEPTH && !way.contains(&next) => way.push(next),
            _ => return (way, false),
        }
    }
    (way, false)
}

/// Whether the key of `issuer` signed `certificate`.
pub(super) fn signed_by(certificate: &Certificate, issuer: &Certificate) -> Result<(), &'static str> {
    let malformed = "it cannot be read";
    let (_, parsed) = X509Certificate::from_der(certificate.der()).map_err(|_| malformed)?;
    let algorithm = {
        use x509_parser::asn1_rs::{Any, FromDer};
        // The second element of the outer SEQUENCE.
        let outer = Any::from_der(certificate.der()).map_err(|_| malformed)?.1;
        let (rest, _) = Any::from_der(outer.data).map_err(|_| malformed)?;
        Any::from_der(rest).map_err(|_| malformed)?.1.data
    };
    let key = &issuer.facts.key;
    let fitting = provider().signature_verification_algorithms.all.iter().filter(|candidate| {
        candidate.signature_alg_id().as_ref() == algorithm
            && candidate.public_key_alg_id().as_ref() == key.algorithm_der
    });
    let mut outcome =
        Err("it is signed with an algorithm that is not accepted, or does not fit its issuer's key");
    for candidate in fitting {
        let message = parsed.tbs_certificate.as_ref();
        match candidate.verify_signature(&key.raw, message, &parsed.signature_value.data) {
            Ok(()) => return Ok(()),
            Err(_) => outcome = Err("the signature is not by its issuer's key"),
        }
    }
    outcome
}

/// Validates a way from the leaf that is the first of `chain` (RFC 5280, section 6).
pub(super) fn validate(
    chain: &[Certificate],
    anchors: &[Certificate],
    purpose: Option<Purpose>,
    at: UnixSeconds,
) -> Result<(), (Check, String)> {
    let der = |certificate: &Certificate| CertificateDer::from(certificate.der().to_vec());
    let all: Vec<_> = chain.iter().map(der).collect();
    let roots: Vec<_> = anchors.iter().map(der).collect();
    // What is no anchor by its form is none.
    let roots: Vec<_> = roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let Some((first, rest)) = all.split_first() else {
        return Err((Check::Malformed, "there is no certificate".into()));
    };
    let leaf = EndEntityCert::try_from(first).map_err(|error| verdict(&error))?;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
    let algorithms = provider().signature_verification_algorithms.all;
    leaf.verify_for_usage(algorithms, &roots, rest, time, Usage(purpose), None, None)
        .map(drop)
        .map_err(|error| verdict(&error))
}

/// Whether `certificate` is DER to the letter. What tells us what it says is lenient.
pub(super) fn strictly_encoded(certificate: &Certificate) -> Result<(), (Check, String)> {
    let der = CertificateDer::from(certificate.der());
    EndEntityCert::try_from(&der).map(drop).map_err(|error| verdict(&error))
}

/// Whether `leaf` is good for the host `name`.
pub(super) fn answers_to(leaf: &Certificate, name: &Name) -> bool {
    let der = CertificateDer::from(leaf.der().to_vec());
    let Ok(name) = ServerName::try_from(name.to_string()) else { return false };
    EndEntityCert::try_from(&der).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(&name).is_ok())
}

pub(super) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The purpose in question, or any.
struct Usage(Option<Purpose>);

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        match self.0 {
            Some(Purpose::Server) => KeyUsage::server_auth().validate(usages),
            Some(Purpose::Client) => KeyUsage::client_auth().validate(usages),
            None => usages.into_iter().try_for_each(|usage| usage.map(drop)),
        }
    }
}

/// webpki's reason under a name of ours.
fn verdict(error: &Error) -> (Check, String) {
    let (check, detail) = match error {
        Error::CaUsedAsEndEntity => (Check::BasicConstraints, "it is an authority"),
        Error::CertExpired { .. } => (Check::Expired, "a certificate on the way has ended"),
        Error::CertNotValidYet { .. } => (Check::NotYetValid, "a certificate on the way has not begun"),
        Error::CertNotValidForName(_) => (Check::Name, "it is for other names"),
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => {
            (Check::Purpose, "it, or an authority above it, is for another purpose")
        }
        Error::EndEntityUsedAsCa => (Check::BasicConstraints, "its issuer is no authority"),
        Error::InvalidCertValidity => (Check::Validity, "a certificate on the way ends before it begins"),
        Error::InvalidSerialNumber => (Check::Serial, "the serial number is malformed"),
        Error::InvalidSignatureForPublicKey => (Check::Signature, "the signature is not by its issuer's key"),
        Error::NameConstraintViolation
        | Error::MalformedNameConstraint
        | Error::InvalidNetworkMaskConstraint
        | Error::MaximumNameConstraintComparisonsExceeded => {
            (Check::NameConstraints, "an authority above it may not vouch for its names")
        }
        Error::PathLenConstraintViolated => (Check::PathLength, "too many authorities stand in between"),
        Error::SignatureAlgorithmMismatch => {
            (Check::SignatureAlgorithm, "its two signature algorithms differ")
        }
        Error::UnknownIssuer => (Check::UnknownIssuer, "no way leads to an authority that is trusted"),
        Error::UnsupportedCertVersion => (Check::Version, "it does not have version 3"),
        Error::UnsupportedCriticalExtension => {
            (Check::CriticalExtension, "a critical extension is not understood")
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            (Check::SignatureAlgorithm, "it is signed with an algorithm that is not accepted")
        }
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => {
            (Check::UnknownIssuer, "the way up is too long or too winding")
        }
        _ => return (Check::Malformed, format!("it is malformed: {error}")),
    };
    (check, detail.to_owned())
}
