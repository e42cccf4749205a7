//! What RFC 5280 demands of a certificate by itself, and of it and its issuer
//! together. Path validation alone lets most of this pass.

use super::finding::{Check, Finding};
use super::{Certificate, Facts, Purpose, path};
use crate::clock::{UnixSeconds, rfc3339_signed};

const DAY: i64 = 24 * 3600;

const SUBJECT_KEY_ID: &str = "2.5.29.14";
const KEY_USAGE: &str = "2.5.29.15";
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

/// Extensions whose meaning is heeded here or by path validation.
const UNDERSTOOD: [&str; 5] =
    [KEY_USAGE, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS, NAME_CONSTRAINTS, EXTENDED_KEY_USAGE];

/// What a certificate is looked at as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// The one in question, for a purpose or for any.
    Leaf(Option<Purpose>),
    /// An authority with so many others between it and the leaf.
    Authority { below: usize },
}

/// Everything that is wrong with `certificate` at `at`, whose issuer is `issuer`
/// as far as that is known.
pub(super) fn check(
    certificate: &Certificate,
    role: Role,
    issuer: Option<&Certificate>,
    at: UnixSeconds,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let facts = &certificate.facts;
    let mut error = |check, detail: String| found.push(Finding::error(check, certificate, detail));
    envelope(facts, &mut error);
    times(facts, at, &mut error);
    extensions(facts, &mut error);
    match role {
        Role::Authority { below } => authority(facts, below, &mut error),
        Role::Leaf(purpose) if facts.ca => {
            authority(facts, 0, &mut error);
            if let Some(purpose) = purpose {
                let detail = format!("it is an authority's; a certificate for {} is none", purpose.usage());
                error(Check::BasicConstraints, detail);
            }
        }
        Role::Leaf(purpose) => leaf(facts, purpose, &mut error),
    }
    if let Some(issuer) = issuer {
        pair(certificate, issuer, &mut error);
    }
    if let Err((check, detail)) = path::strictly_encoded(certificate)
        && !found.iter().any(|finding| finding.check == check)
    {
        found.push(Finding::error(check, certificate, detail));
    }
    found.extend(warnings(certificate, issuer));
    found
}

type Report<'a> = dyn FnMut(Check, String) + 'a;

fn envelope(facts: &Facts, error: &mut Report<'_>) {
    if facts.version != 3 {
        error(Check::Version, format!("it has version {}, not 3", facts.version));
    }
    let magnitude = facts.serial.strip_prefix(&[0]).unwrap_or(&facts.serial);
    if facts.serial.first().is_some_and(|first| first & 0x80 != 0) {
        error(Check::Serial, "the serial number is negative".into());
    } else if magnitude.iter().all(|byte| *byte == 0) {
        error(Check::Serial, "the serial number is zero".into());
    } else if facts.serial.len() > 20 {
        error(Check::Serial, format!("the serial number has {} octets, more than 20", facts.serial.len()));
    }
    if !facts.signature_algorithms_agree {
        error(Check::SignatureAlgorithm, "its two signature algorithms differ".into());
    }
    if ["SHA-1", "MD5"].iter().any(|weak| facts.signature_algorithm.ends_with(weak)) {
        error(Check::SignatureAlgorithm, format!("{} can be forged", facts.signature_algorithm));
    }
    let key = &facts.key;
    match (key.algorithm.as_str(), key.bits) {
        ("RSA", Some(bits)) if bits >= 2048 => {}
        ("RSA", bits) => {
            error(Check::PublicKey, format!("an RSA key of {} bits is too short", bits.unwrap_or(0)));
        }
        ("P-256" | "P-384" | "P-521" | "Ed25519" | "ML-DSA-44" | "ML-DSA-65" | "ML-DSA-87", _) => {}
        (other, _) => error(Check::PublicKey, format!("a key of the kind '{other}' is not accepted")),
    }
}

fn times(facts: &Facts, at: UnixSeconds, error: &mut Report<'_>) {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    if facts.not_after < facts.not_before {
        error(Check::Validity, "it ends before it begins".into());
    }
    if !facts.times_encoded_well {
        error(Check::Validity, "a time through 2049 must be UTCTime, a later one GeneralizedTime".into());
    }
    if at < facts.not_before {
        error(Check::NotYetValid, format!("it begins {}", rfc3339_signed(facts.not_before)));
    }
    if at > facts.not_after {
        error(Check::Expired, format!("it ended {}", rfc3339_signed(facts.not_after)));
    }
}

fn extensions(facts: &Facts, error: &mut Report<'_>) {
    for (at, (oid, critical)) in facts.extensions.iter().enumerate() {
        if facts.extensions[..at].iter().any(|(earlier, _)| earlier == oid) {
            error(Check::DuplicateExtension, format!("extension {oid} is there twice"));
        }
        if *critical && !UNDERSTOOD.contains(&oid.as_str()) {
            error(Check::CriticalExtension, format!("critical extension {oid} is not understood"));
        }
    }
    for oid in &facts.unreadable {
        error(Check::UnreadableExtension, format!("extension {oid} cannot be read"));
    }
    for (oid, name) in
        [(SUBJECT_KEY_ID, "subjectKeyIdentifier"), (AUTHORITY_KEY_ID, "authorityKeyIdentifier")]
    {
        if facts.criticality(oid) == Some(true) {
            error(Check::Criticality, format!("{name} must not be critical"));
        }
    }
    if facts.criticality(NAME_CONSTRAINTS) == Some(false) {
        error(Check::Criticality, "nameConstraints must be critical".into());
    }
    if facts.criticality(NAME_CONSTRAINTS).is_some() && !facts.ca {
        error(Check::NameConstraints, "nameConstraints stand in no certificate but an authority's".into());
    }
    if !facts.ca && facts.path_length.is_some() {
        error(Check::BasicConstraints, "a path length stands in no certificate but an authority's".into());
    }
    if !facts.ca && facts.key_usages.is_some() && facts.allows("keyCertSign") {
        error(Check::KeyUsage, "keyCertSign stands in no certificate but an authority's".into());
    }
    // Two bytes of an empty SEQUENCE: no name at all.
    let anonymous = facts.subject_der.len() <= 2;
    if anonymous && facts.ca {
        error(Check::Subject, "an authority must have a name".into());
    } else if anonymous && facts.names.is_empty() {
        error(Check::Subject, "it names nobody".into());
    } else if anonymous && facts.criticality(SUBJECT_ALT_NAME) == Some(false) {
        error(Check::Criticality, "subjectAltName must be critical where the subject is empty".into());
    }
    if facts.issuer_der.len() <= 2 {
        error(Check::UnknownIssuer, "it names no issuer".into());
    }
}

fn authority(facts: &Facts, below: usize, error: &mut Report<'_>) {
    match facts.criticality(BASIC_CONSTRAINTS) {
        Some(true) => {}
        Some(false) => error(Check::Criticality, "basicConstraints of an authority must be critical".into()),
        None => error(Check::BasicConstraints, "it is no authority".into()),
    }
    if facts.criticality(BASIC_CONSTRAINTS).is_some() && !facts.ca {
        error(Check::BasicConstraints, "it is no authority".into());
    }
    if facts.key_usages.is_none() {
        error(Check::KeyUsage, "an authority must have keyUsage".into());
    } else if !facts.allows("keyCertSign") {
        error(Check::KeyUsage, "keyUsage does not allow keyCertSign".into());
    }
    if facts.subject_key_id.is_none() {
        error(Check::SubjectKeyId, "an authority must have a subjectKeyIdentifier".into());
    }
    if facts.path_length.is_some_and(|most| below > most as usize) {
        let most = facts.path_length.unwrap_or_default();
        error(Check::PathLength, format!("{below} authorities stand below it, at most {most} may"));
    }
}

fn leaf(facts: &Facts, purpose: Option<Purpose>, error: &mut Report<'_>) {
    let Some(purpose) = purpose else { return };
    match &facts.extended_key_usages {
        Some(usages) if usages.iter().any(|usage| usage == purpose.usage()) => {}
        // `anyExtendedKeyUsage` and no word at all are for anything, and so for nothing here.
        Some(usages) => {
            error(Check::Purpose, format!("it is for {}, not for {}", usages.join(", "), purpose.usage()));
        }
        None => error(Check::Purpose, format!("it does not say that it is for {}", purpose.usage())),
    }
    if !facts.allows("digitalSignature") {
        error(Check::KeyUsage, "keyUsage does not allow digitalSignature, which TLS needs".into());
    }
    if purpose == Purpose::Server && facts.hosts.is_empty() {
        error(Check::Subject, "no host name and no address is among its subjectAltNames".into());
    }
}

fn pair(certificate: &Certificate, issuer: &Certificate, error: &mut Report<'_>) {
    let (facts, above) = (&certificate.facts, &issuer.facts);
    match (&facts.authority_key_id, &above.subject_key_id) {
        (Some(named), Some(is)) if named != is => {
            error(Check::AuthorityKeyId, "authorityKeyIdentifier names another key than its issuer's".into());
        }
        (None, _) if !certificate.is_self_issued() => {
            error(Check::AuthorityKeyId, "it has no authorityKeyIdentifier".into());
        }
        _ => {}
    }
    if let Err(detail) = path::signed_by(certificate, issuer) {
        error(Check::Signature, detail.into());
    }
}

fn warnings(certificate: &Certificate, issuer: Option<&Certificate>) -> Vec<Finding> {
    let facts = &certificate.facts;
    let mut found = Vec::new();
    let mut warn = |check, detail: String| found.push(Finding::warning(check, certificate, detail));
    let days = facts.not_after.saturating_sub(facts.not_before) / DAY;
    if !facts.ca && days > 398 {
        warn(Check::Lifetime, format!("it lasts {days} days; clients may refuse more than 398"));
    }
    if issuer.is_some_and(|issuer| issuer.facts.not_after < facts.not_after) {
        warn(Check::Lifetime, "it outlives its issuer".into());
    }
    if facts.ca && facts.criticality(KEY_USAGE) == Some(false) {
        warn(Check::Criticality, "keyUsage should be critical".into());
    }
    if !facts.ca && facts.subject_key_id.is_none() {
        warn(Check::SubjectKeyId, "it has no subjectKeyIdentifier".into());
    }
    if facts.criticality(EXTENDED_KEY_USAGE).is_none() && !facts.ca {
        warn(Check::Purpose, "without extendedKeyUsage it is good for anything".into());
    }
    found
}
