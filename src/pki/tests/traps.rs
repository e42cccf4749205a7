//! What rcgen does when it is left to itself, and what we have it do instead. Each
//! test fails when the trap is stepped into.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::*;
use crate::crypto::digest::sha256;
use crate::pki::authority::new_key;

#[test]
fn every_validity_is_the_one_of_its_profile_not_1975_to_4096() {
    for (certificate, _, lifetime) in every_kind(&authority()) {
        let facts = certificate.facts;
        let (from, until) = (NOW - 300, NOW + lifetime.as_secs());
        assert_eq!(facts.not_before, from.cast_signed(), "{}", facts.subject);
        assert_eq!(facts.not_after, until.cast_signed(), "{}", facts.subject);
        assert!(facts.times_encoded_well);
    }
}

#[test]
fn every_certificate_names_the_key_of_its_issuer() {
    for (certificate, issuer, _) in every_kind(&authority()) {
        assert!(certificate.facts.authority_key_id.is_some(), "{}", certificate.facts.subject);
        assert_eq!(certificate.facts.authority_key_id, issuer.facts.subject_key_id);
    }
}

#[test]
fn every_certificate_names_its_own_key() {
    for (certificate, _, _) in every_kind(&authority()) {
        // RFC 7093, section 2, method 1.
        let expected = &certificate.facts.key.pin[..20];
        assert_eq!(certificate.facts.subject_key_id.as_deref(), Some(expected));
    }
}

#[test]
fn an_issuer_keeps_the_key_identifier_that_it_has() {
    // Another method than ours, as other programs use.
    let mut params = foreign("CN=foreign");
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1, 2, 3, 4]);
    let issued = sign_with(params).unwrap();
    assert_eq!(issued.facts.authority_key_id, Some(vec![1, 2, 3, 4]));
}

#[test]
fn serial_numbers_are_twenty_random_octets_not_a_hash_of_the_key() {
    let authority = authority();
    let mut seen = std::collections::HashSet::new();
    for (certificate, _, _) in every_kind(&authority) {
        let facts = certificate.facts;
        assert_eq!(facts.serial.len(), 20, "{}", facts.subject);
        assert!(facts.serial[0] & 0x80 == 0 && facts.serial[0] != 0);
        let hash = sha256(&[&facts.key.raw]);
        assert_ne!(facts.serial[1..], hash[1..20]);
        assert!(seen.insert(facts.serial));
    }
    // The same key again has another number.
    let key = new_key().unwrap();
    let serial = |_| {
        let time = lifetime::Validity { not_before: NOW, not_after: NOW + 3600 };
        let params = profile::client(&"ann".parse().unwrap(), time).unwrap();
        authority.issuing.sign(&params, &key, Some(Purpose::Client), NOW).unwrap().facts.serial
    };
    assert_ne!(serial(0), serial(1));
}

#[test]
fn a_leaf_says_that_it_is_no_authority() {
    for (certificate, _, _) in &every_kind(&authority())[2..] {
        assert_eq!(certificate.facts.criticality("2.5.29.19"), Some(true), "{}", certificate.facts.subject);
        assert!(!certificate.facts.ca && certificate.facts.path_length.is_none());
    }
}

#[test]
fn keys_are_pkcs8_of_the_first_version() {
    let authority = authority();
    let names = ["a.models.example".parse().unwrap()];
    let issued = authority.issuing.issue(&leaf(Holder::Server(&names)), NOW).unwrap();
    let issued = KeyPair::from_pem(std::str::from_utf8(issued.key.expose()).unwrap()).unwrap();
    for key in [authority.root.key(), authority.issuing.key(), issued.serialize_der().into()] {
        // SEQUENCE, length in two bytes, INTEGER 0: OpenSSL 3.0 reads no version 1 here (RFC 5958).
        let der = key.expose();
        assert_eq!((der[0], &der[3..6]), (0x30, &[0x02, 0x01, 0x00][..]), "{:02x?}", &der[..8]);
    }
}

/// The parameters of an authority that another program made; `subject` is one
/// attribute after another.
fn foreign(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (at, attribute) in subject.split(", ").enumerate() {
        let (kind, value) = attribute.split_once('=').unwrap();
        let kind = match (kind, at) {
            ("CN", _) => DnType::CommonName,
            ("O", 0) => DnType::OrganizationName,
            // The same attribute, under a name that rcgen takes for another.
            _ => DnType::CustomDnType(vec![2, 5, 4, 10]),
        };
        params.distinguished_name.push(kind, value);
    }
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A client certificate by the authority with these parameters.
fn sign_with(params: CertificateParams) -> Result<Certificate, PkiError> {
    let key = new_key().unwrap();
    let certificate = Certificate::from_rcgen(&params.self_signed(&key).unwrap()).unwrap();
    let signer = Signer::assemble(vec![certificate], key)?;
    Ok(signer.issue(&leaf(Holder::Client(&"ann".parse().unwrap())), NOW)?.certificate)
}

#[test]
fn an_authority_that_may_not_sign_certificates_signs_none() {
    let mut params = foreign("CN=foreign");
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let refused = sign_with(params).unwrap_err();
    let PkiError::NotAnAuthority { reason, .. } = refused else { panic!("{refused}") };
    assert!(reason.contains("keyUsage"), "{reason}");
}

#[test]
fn an_authority_whose_name_repeats_an_attribute_signs_nothing() {
    assert!(sign_with(foreign("O=one, CN=foreign")).is_ok());
    let refused = sign_with(foreign("O=one, O=two, CN=foreign")).unwrap_err();
    assert!(matches!(refused, PkiError::IssuerName { .. }), "{refused}");
}

#[test]
fn issuer_and_subject_are_the_same_bytes_in_every_certificate() {
    for (certificate, issuer, _) in every_kind(&authority()) {
        assert_eq!(certificate.facts.issuer_der, issuer.facts.subject_der);
    }
}

/// What becomes of a leaf that is signed as `change` has it.
fn signed_wrongly(change: impl FnOnce(&mut CertificateParams)) -> PkiError {
    let authority = authority();
    let time = lifetime::Validity { not_before: NOW, not_after: NOW + 3600 };
    let mut params = profile::server(&["a.models.example".parse().unwrap()], time).unwrap();
    change(&mut params);
    let key = new_key().unwrap();
    authority.issuing.sign(&params, &key, Some(Purpose::Server), NOW).unwrap_err()
}

#[test]
fn what_would_not_verify_is_not_handed_out() {
    let unsound = |change: fn(&mut CertificateParams), check: Check| match signed_wrongly(change) {
        PkiError::Unsound { findings } => {
            assert!(findings.iter().any(|f| f.check == check), "{check:?}: {findings:?}");
        }
        other => panic!("{check:?}: {other}"),
    };
    unsound(|params| params.use_authority_key_identifier_extension = false, Check::AuthorityKeyId);
    unsound(|params| params.not_after = rcgen::date_time_ymd(2026, 1, 1), Check::Expired);
    unsound(|params| params.not_before = rcgen::date_time_ymd(2030, 1, 1), Check::NotYetValid);
    unsound(|params| params.extended_key_usages.clear(), Check::Purpose);
    unsound(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth], Check::Purpose);
    unsound(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement], Check::KeyUsage);
    unsound(|params| params.subject_alt_names.clear(), Check::Subject);
    let another_authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    };
    unsound(another_authority, Check::PathLength);
    let elsewhere = signed_wrongly(|params| {
        params.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
    });
    assert!(matches!(elsewhere, PkiError::OutsideConstraints { .. }), "{elsewhere}");
}
