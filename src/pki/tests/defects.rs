//! Certificates with one defect each, and the name under which it is found.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType, SerialNumber,
};

use super::*;
use crate::pki::authority::new_key;

/// A root, an intermediate and a leaf, made with rcgen alone.
struct Chain {
    root: CertificateParams,
    issuing: CertificateParams,
    leaf: CertificateParams,
}

impl Chain {
    fn new() -> Self {
        let time = lifetime::Validity { not_before: NOW - 300, not_after: NOW + 3600 };
        let limits = Limits::new(&["models.example".parse().unwrap()], true);
        Self {
            root: profile::authority("test", "root", 1, &limits, time),
            issuing: profile::authority("test", "issuing", 0, &limits, time),
            leaf: profile::server(&["a.models.example".parse().unwrap()], time).unwrap(),
        }
    }

    fn sign(&self) -> (Vec<Certificate>, Vec<Certificate>) {
        let [root_key, issuing_key, leaf_key] = [(); 3].map(|()| new_key().unwrap());
        self.sign_with(&root_key, &issuing_key, &leaf_key)
    }

    fn sign_with(
        &self,
        root: &KeyPair,
        issuing: &KeyPair,
        leaf: &KeyPair,
    ) -> (Vec<Certificate>, Vec<Certificate>) {
        let by_root = rcgen::Issuer::from_params(&self.root, root);
        let by_issuing = rcgen::Issuer::from_params(&self.issuing, issuing);
        let read = |made: rcgen::Certificate| Certificate::from_rcgen(&made).unwrap();
        let leaf = read(self.leaf.signed_by(leaf, &by_issuing).unwrap());
        let issuing = read(self.issuing.signed_by(issuing, &by_root).unwrap());
        (vec![leaf, issuing], vec![read(self.root.self_signed(root).unwrap())])
    }
}

/// What is found in a chain that `change` has spoiled.
fn found(change: impl FnOnce(&mut Chain)) -> Vec<(Level, Check)> {
    let mut chain = Chain::new();
    change(&mut chain);
    let (chain, roots) = chain.sign();
    let question = Question { purpose: Some(Purpose::Server), ..ask(&chain, &roots) };
    verify(&question).findings.iter().map(|finding| (finding.level, finding.check)).collect()
}

fn extension(oid: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

#[test]
fn a_chain_without_defects_has_none() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn each_defect_is_found_under_its_name() {
    use Check::*;
    let cases: [(&str, fn(&mut Chain), Check); 24] = [
        ("no AKI", |c| c.leaf.use_authority_key_identifier_extension = false, AuthorityKeyId),
        ("no AKI above", |c| c.issuing.use_authority_key_identifier_extension = false, AuthorityKeyId),
        (
            "AKI critical",
            |c| {
                c.leaf.use_authority_key_identifier_extension = false;
                c.leaf.custom_extensions = vec![extension(&[2, 5, 29, 35], &[0x30, 0], true)];
            },
            Criticality,
        ),
        (
            "an unknown critical extension",
            |c| {
                c.leaf.custom_extensions = vec![extension(&[1, 2, 3, 4], &[5, 0], true)];
            },
            CriticalExtension,
        ),
        (
            "a critical one above",
            |c| {
                c.issuing.custom_extensions = vec![extension(&[1, 2, 3, 4], &[5, 0], true)];
            },
            CriticalExtension,
        ),
        (
            "an extension twice",
            |c| {
                c.leaf.custom_extensions = vec![extension(&[2, 5, 29, 15], &[3, 2, 7, 128], true)];
            },
            DuplicateExtension,
        ),
        (
            "an extension of rubbish",
            |c| {
                c.leaf.is_ca = IsCa::NoCa;
                c.leaf.custom_extensions = vec![extension(&[2, 5, 29, 19], &[0x31, 0], true)];
            },
            UnreadableExtension,
        ),
        ("ended", |c| c.leaf.not_after = rcgen::date_time_ymd(2027, 1, 1), Expired),
        ("the root ended", |c| c.root.not_after = rcgen::date_time_ymd(2027, 1, 1), Expired),
        ("not begun", |c| c.leaf.not_before = rcgen::date_time_ymd(2030, 1, 1), NotYetValid),
        (
            "ends before it begins",
            |c| {
                c.leaf.not_before = rcgen::date_time_ymd(2030, 1, 1);
                c.leaf.not_after = rcgen::date_time_ymd(2029, 1, 1);
            },
            Validity,
        ),
        ("keyCertSign in a leaf", |c| c.leaf.key_usages.push(KeyUsagePurpose::KeyCertSign), KeyUsage),
        ("no digitalSignature", |c| c.leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement], KeyUsage),
        ("an authority without keyUsage", |c| c.issuing.key_usages.clear(), KeyUsage),
        (
            "an authority that may sign CRLs only",
            |c| c.issuing.key_usages = vec![KeyUsagePurpose::CrlSign],
            KeyUsage,
        ),
        ("no authority", |c| c.issuing.is_ca = IsCa::ExplicitNoCa, BasicConstraints),
        ("an authority without a word", |c| c.issuing.is_ca = IsCa::NoCa, BasicConstraints),
        (
            "another purpose",
            |c| c.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Purpose,
        ),
        ("no purpose", |c| c.leaf.extended_key_usages.clear(), Purpose),
        ("any purpose", |c| c.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any], Purpose),
        (
            "no host",
            |c| c.leaf.subject_alt_names = vec![SanType::URI("urn:x:y".try_into().unwrap())],
            Subject,
        ),
        (
            "a name elsewhere",
            |c| {
                c.leaf.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
            },
            NameConstraints,
        ),
        (
            "constraints in a leaf",
            |c| {
                c.leaf.name_constraints = Some(rcgen::NameConstraints {
                    permitted_subtrees: vec![GeneralSubtree::DnsName("a".into())],
                    excluded_subtrees: Vec::new(),
                });
            },
            NameConstraints,
        ),
        ("serial zero", |c| c.leaf.serial_number = Some(SerialNumber::from_slice(&[0])), Serial),
    ];
    for (what, change, check) in cases {
        let found = found(change);
        assert!(found.contains(&(Level::Error, check)), "{what}: {found:?}");
    }
}

#[test]
fn what_is_only_unwise_is_a_warning() {
    let no_key_id = found(|c| c.leaf.is_ca = IsCa::NoCa);
    assert_eq!(no_key_id, [(Level::Warning, Check::SubjectKeyId)]);
    let long = found(|c| c.leaf.not_after = rcgen::date_time_ymd(2030, 1, 1));
    assert_eq!(long, [(Level::Warning, Check::Lifetime), (Level::Warning, Check::Lifetime)]);
}

#[test]
fn a_serial_number_has_twenty_octets_at_most() {
    let serial =
        |length: usize| found(|c| c.leaf.serial_number = Some(SerialNumber::from_slice(&vec![0x55; length])));
    assert_eq!(serial(20), []);
    assert!(serial(21).contains(&(Level::Error, Check::Serial)));
}

#[test]
fn too_deep_is_too_deep_also_below_the_root() {
    let depth = found(|c| c.root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    // The root is an anchor, whose path length path validation does not look at.
    assert!(depth.contains(&(Level::Error, Check::PathLength)), "{depth:?}");
}

#[test]
fn constraints_that_are_not_critical_are_found() {
    let weak = found(|c| {
        c.issuing.name_constraints = None;
        // permittedSubtrees: models.example
        let content = [&[0x30, 0x14, 0xa0, 0x12, 0x30, 0x10, 0x82, 0x0e][..], b"models.example"].concat();
        c.issuing.custom_extensions = vec![extension(&[2, 5, 29, 30], &content, false)];
    });
    assert!(weak.contains(&(Level::Error, Check::Criticality)), "{weak:?}");
}

#[test]
fn another_authority_of_the_same_name_does_not_count() {
    let (chain, _) = Chain::new().sign();
    let (_, others) = Chain::new().sign();
    let verdict = verify(&ask(&chain, &others));
    let checks: Vec<_> = verdict.findings.iter().map(|finding| finding.check).collect();
    assert!(checks.contains(&Check::Signature), "{:?}", verdict.findings);
    let nobody = verify(&ask(&chain, &[]));
    assert!(nobody.findings.iter().any(|finding| finding.check == Check::UnknownIssuer));
    assert!(!verdict.holds() && !nobody.holds());
}

#[test]
fn an_authority_in_question_is_judged_like_a_leaf() {
    let (chain, roots) = Chain::new().sign();
    assert!(verify(&ask(&chain[1..], &roots)).findings.is_empty());
    let mut spoiled = Chain::new();
    spoiled.root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let (chain, roots) = spoiled.sign();
    let verdict = verify(&ask(&chain[1..], &roots));
    assert_eq!(verdict.findings.iter().map(|f| f.check).collect::<Vec<_>>(), [Check::PathLength]);
    let (_, others) = Chain::new().sign();
    assert!(!verify(&ask(&chain[1..], &others)).holds());
}

#[test]
fn whom_it_names_is_compared() {
    let authority = authority();
    let [_, _, (server, issuing, _), (client, ..)] = every_kind(&authority);
    let root = [authority.root.certificate().clone()];
    let names = |leaf: &Certificate, named: Named| {
        let chain = [leaf.clone(), issuing.clone()];
        verify(&Question { named: Some(&named), ..ask(&chain, &root) }).holds()
    };
    for (name, holds) in [
        ("a.models.example", true),
        ("10.1.2.3", true),
        ("b.models.example", false),
        ("models.example", false),
        ("10.1.2.4", false),
    ] {
        assert_eq!(names(&server, Named::Host(name.parse().unwrap())), holds, "{name}");
        assert!(!names(&client, Named::Host(name.parse().unwrap())));
    }
    assert!(names(&client, Named::Principal("john.doe".parse().unwrap())));
    assert!(!names(&client, Named::Principal("john".parse().unwrap())));
    assert!(!names(&server, Named::Principal("john.doe".parse().unwrap())));
}

#[test]
fn whoever_shows_it_must_have_its_key() {
    let (chain, roots) = Chain::new().sign();
    let verdict = verify(&Question { impostor: true, ..ask(&chain, &roots) });
    assert_eq!(verdict.findings.iter().map(|f| f.check).collect::<Vec<_>>(), [Check::Possession]);
}

#[test]
fn several_principals_are_none() {
    let mut chain = Chain::new();
    let uri =
        |name: &str| SanType::URI(format!("urn:sealserve:principal:{name}").as_str().try_into().unwrap());
    for names in [&["ann", "eve"][..], &["ann", "eve", "ann"], &["ann", "no name"], &["no name"]] {
        chain.leaf.subject_alt_names = names.iter().map(|name| uri(name)).collect();
        assert_eq!(chain.sign().0[0].facts.principal, None, "{names:?}");
    }
}

#[test]
fn other_kinds_of_keys_are_known() {
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let [root, issuing] = [(); 2].map(|()| new_key().unwrap());
    let (chain, roots) = Chain::new().sign_with(&root, &issuing, &ed25519);
    assert_eq!(chain[0].facts.key.algorithm, "Ed25519");
    assert!(verify(&ask(&chain, &roots)).findings.is_empty());
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let (chain, roots) = Chain::new().sign_with(&p521, &ed25519, &issuing);
    assert!(verify(&ask(&chain, &roots)).findings.is_empty());
    assert_eq!((chain[1].facts.key.algorithm.as_str(), roots[0].facts.key.bits), ("Ed25519", Some(521)));
}

#[test]
fn names_are_shown_without_what_they_could_do() {
    let mut chain = Chain::new();
    chain.leaf.distinguished_name.push(DnType::OrganizationName, "a\u{1b}[31m, CN=b");
    let facts = chain.sign().0.remove(0).facts;
    assert_eq!(facts.subject, "O=a\\u{1b}[31m\\, CN\\=b, OU=server");
}
