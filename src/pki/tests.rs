//! What the module as a whole holds. `tests/pki.rs` asks OpenSSL and GnuTLS.

mod defects;
mod traps;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::UnixSeconds;
use crate::secret::SecretBytes;

const NOW: UnixSeconds = 1_800_000_000;

fn authority() -> Authority {
    let permitted = ["models.example".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    let request = AuthorityRequest {
        title: "test",
        limits: &Limits::new(&permitted, true),
        root_lifetime: None,
        issuing_lifetime: None,
    };
    Authority::create(&request, NOW).unwrap()
}

fn leaf(holder: Holder<'_>) -> LeafRequest<'_> {
    LeafRequest { holder, lifetime: None, usual: None, allow_long: false }
}

/// One certificate of each kind, the issuer of each, and how long it lasts.
fn every_kind(authority: &Authority) -> [(Certificate, Certificate, Duration); 4] {
    let names = ["a.models.example".parse().unwrap(), "10.1.2.3".parse().unwrap()];
    let issue = |holder| authority.issuing.issue(&leaf(holder), NOW).unwrap().certificate;
    let root = authority.root.certificate().clone();
    let issuing = authority.issuing.certificate().clone();
    [
        (root.clone(), root.clone(), lifetime::ROOT),
        (issuing.clone(), root, lifetime::INTERMEDIATE),
        (issue(Holder::Server(&names)), issuing.clone(), lifetime::SERVER),
        (issue(Holder::Client(&"john.doe".parse().unwrap())), issuing, lifetime::CLIENT),
    ]
}

fn ask<'a>(chain: &'a [Certificate], anchors: &'a [Certificate]) -> Question<'a> {
    Question { chain, anchors, purpose: None, named: None, impostor: false, at: NOW }
}

#[test]
fn every_kind_verifies_for_its_purpose_without_a_word() {
    let authority = authority();
    let root = [authority.root.certificate().clone()];
    for (certificate, issuer, _) in every_kind(&authority) {
        let verdict = verify(&ask(&[certificate.clone(), issuer], &root));
        assert!(verdict.findings.is_empty(), "{}: {:?}", certificate.facts.subject, verdict.findings);
    }
}

#[test]
fn an_authority_comes_out_of_pem_and_signs_the_same() {
    let authority = authority();
    let pem = authority.issuing.certificate().pem() + &authority.root.certificate().pem();
    let chain = certificates(pem.as_bytes(), "pem", None).unwrap();
    for key in [authority.issuing.key(), authority.issuing.key_pem()] {
        let loaded = Signer::load(chain.clone(), &key, "key", None).unwrap();
        let principal = "ann".parse().unwrap();
        let client = loaded.issue(&leaf(Holder::Client(&principal)), NOW).unwrap();
        assert_eq!(client.certificate.facts.principal, Some(principal));
        // The root is not sent along.
        assert_eq!(certificates(client.chain.as_bytes(), "chain", None).unwrap().len(), 2);
    }
}

#[test]
fn a_key_signs_in_no_name_but_its_own() {
    let (one, other) = (authority(), authority());
    let load = |certificate: &Certificate, key: &SecretBytes| {
        Signer::load(vec![certificate.clone()], key, "key", None).map(drop).unwrap_err()
    };
    let mismatch = load(one.issuing.certificate(), &other.issuing.key());
    assert!(matches!(mismatch, PkiError::KeyMismatch { .. }), "{mismatch}");
    let names = ["a.models.example".parse().unwrap()];
    let server = one.issuing.issue(&leaf(Holder::Server(&names)), NOW).unwrap();
    let refused = load(&server.certificate, &server.key);
    let PkiError::NotAnAuthority { reason, .. } = refused else { panic!("{refused}") };
    assert!(reason.contains("basicConstraints"), "{reason}");
    for key in [&b""[..], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\0\x01"] {
        let refused = load(one.issuing.certificate(), &key.to_vec().into());
        assert!(matches!(refused, PkiError::Key { .. } | PkiError::KeyKind { .. }), "{refused}");
    }
}

#[test]
fn names_beyond_the_constraints_are_not_vouched_for() {
    let authority = authority();
    for name in ["other.example", "xmodels.example", "11.0.0.1", "::1", "*.other.example"] {
        let names = ["a.models.example".parse().unwrap(), name.parse().unwrap()];
        let refused = authority.issuing.issue(&leaf(Holder::Server(&names)), NOW).map(drop).unwrap_err();
        let PkiError::OutsideConstraints { permitted, .. } = &refused else { panic!("{name}: {refused}") };
        assert_eq!(permitted, "10.0.0.0/8, models.example");
    }
}

#[test]
fn pem_and_der_are_told_apart_and_nothing_else_is_read() {
    let certificate = authority().root.certificate().clone();
    let read = |bytes: &[u8]| certificates(bytes, "input", None).map(|found| found.len());
    assert_eq!(read(certificate.der()).unwrap(), 1);
    let pem = certificate.pem();
    assert_eq!(read(format!("Bag Attributes\n    x: y\n{pem}\ntext\n{pem}").as_bytes()).unwrap(), 2);
    let cut = &certificate.der()[..certificate.der().len() - 1];
    let trailing = [certificate.der(), b"x"].concat();
    for bytes in [b"hello".as_slice(), cut, &trailing, &vec![0x30; 100_000]] {
        assert!(matches!(read(bytes), Err(PkiError::NotACertificate { .. })));
    }
    assert!(Certificate::parse(&vec![0x30; 65_537]).unwrap_err().contains("larger than 65536"));
    let half = &pem[..pem.len() - 30];
    let dirty = pem.replace("MII", "M!I");
    for text in [half, dirty.as_str()] {
        assert!(matches!(read(text.as_bytes()), Err(PkiError::Pem { .. })), "{text}");
    }
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(read((pem.clone() + wrong).as_bytes()), Err(PkiError::Malformed { number: 2, .. })));
    assert!(matches!(read(pem.repeat(65).as_bytes()), Err(PkiError::TooMany { .. })));
    assert!(matches!(read(b""), Err(PkiError::NoCertificate { form: Form::Empty, .. })));
    // A reader that passes over a first line would take the second certificate for the first.
    let marked = format!("\u{feff}{pem}{pem}");
    assert!(matches!(read(marked.as_bytes()), Err(PkiError::NoCertificate { form: Form::Utf8Mark, .. })));
    assert!(matches!(read(format!(" {pem}{pem}").as_bytes()), Err(PkiError::Pem { .. })));
    let key = authority().root.key_pem();
    let refused = read(key.expose());
    assert!(matches!(refused, Err(PkiError::NoCertificate { form: Form::KeyPem, .. })));
}

/// Where an authority is in question, no path validation reads it to the letter.
#[test]
fn an_encoding_that_only_a_lenient_reader_takes_does_not_verify() {
    let root = authority().root.certificate().clone();
    let mut der = root.der().to_vec();
    // The tag of the outer signatureAlgorithm, which no signature covers.
    let at = der.windows(4).rposition(|window| window == [0x30, 0x0a, 0x06, 0x08]).unwrap();
    der[at] = 0x70;
    let changed = Certificate::parse(&der).unwrap();
    let verdict = verify(&ask(&[changed], &[root]));
    assert_eq!(verdict.findings.iter().map(|found| found.check).collect::<Vec<_>>(), [Check::Malformed]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(certificates(&bytes, "bytes", None).is_err());
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            data_encoding::BASE64.encode(&bytes)
        );
        prop_assert!(certificates(pem.as_bytes(), "pem", None).is_err());
        prop_assert!(read::private_key(&bytes.into(), "key", None).is_err());
    }

    /// No bit of a certificate can be changed without notice, nor bring us down.
    #[test]
    fn a_certificate_with_one_bit_changed_does_not_verify(
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        kind in 0..4_usize,
    ) {
        static MADE: std::sync::LazyLock<(Vec<Certificate>, Vec<Certificate>)> =
            std::sync::LazyLock::new(|| {
                let authority = authority();
                let kinds = every_kind(&authority).map(|(certificate, _, _)| certificate);
                (kinds.to_vec(), vec![authority.root.certificate().clone()])
            });
        let (kinds, root) = &*MADE;
        let mut der = kinds[kind].der().to_vec();
        let at = at.index(der.len());
        der[at] ^= 1_u8 << bit;
        if let Ok(changed) = Certificate::parse(&der) {
            let verdict = verify(&ask(&[changed.clone(), kinds[1].clone()], root));
            prop_assert!(!verdict.holds(), "byte {at}");
            // As an authority it is no better.
            let own = [changed];
            let _ = verify(&ask(kinds, &own));
            let _ = Signer::load(own.to_vec(), &SecretBytes::default(), "none", None).is_err();
        }
    }
}
