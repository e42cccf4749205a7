//! Every kind of certificate before OpenSSL, GnuTLS and Java.

use sealserve::clock::{Clock, SystemClock};
use sealserve::pki::{Authority, AuthorityRequest, Holder, LeafRequest, Limits};

use super::{SERVER, does, ends, errors, every_kind, sign_with_openssl, with_keys};
use crate::support::{Sandbox, repository};

const STRICT: &str = "openssl verify -x509_strict -check_ss_sig -CAfile ca.pem";

/// OpenSSL takes every kind of `sandbox`'s home for what it is, and for nothing else.
fn openssl_accepts_every_kind(sandbox: &Sandbox) {
    for line in [
        "ca.pem",
        "issuing.pem",
        "-untrusted issuing.pem -purpose sslserver server.pem",
        "-untrusted issuing.pem -purpose sslclient client-john.doe.pem",
        // What is sent is all that is needed.
        "-untrusted server.pem server.pem",
        "-untrusted client-john.doe.pem client-john.doe.pem",
    ] {
        assert!(does(sandbox, &format!("{STRICT} {line}")).ends_with(": OK\n"), "{line}");
    }
    for line in [
        "-untrusted issuing.pem -purpose sslclient server.pem",
        "-untrusted issuing.pem -purpose sslserver client-john.doe.pem",
        "server.pem",
    ] {
        ends(sandbox, 2, &format!("{STRICT} {line}"));
    }
}

#[test]
fn openssl_accepts_every_kind_in_strict_mode() {
    let sandbox = every_kind();
    openssl_accepts_every_kind(&sandbox);
    for name in ["-verify_hostname models.example", "-verify_hostname a.b -verify_ip 10.0.0.7"] {
        let line = format!("{STRICT} -untrusted issuing.pem {name} server.pem");
        // A certificate for another name is not for this one.
        ends(&sandbox, if name.contains("a.b") { 2 } else { 0 }, &line);
    }
    does(&sandbox, &format!("{STRICT} -untrusted issuing.pem -verify_ip 10.0.0.7 server.pem"));
}

/// What an authority may vouch for, and a server that it does vouch for: every choice
/// of domains, IPv4 and IPv6.
pub(super) const CHOICES: [(&str, &str); 12] = [
    ("", "10.0.0.7 fd00::7 models.example"),
    ("--permit models.example", "models.example"),
    // What `init` and `serve --dev` make: names are limited, addresses are not.
    ("--permit models.example", "models.example 10.0.0.7 fd00::7"),
    ("--permit models.example --limit-addresses", "models.example"),
    ("--permit 10.0.0.7", "10.0.0.7"),
    ("--permit 10.0.0.0/8", "10.0.0.7"),
    ("--permit fd00::/8", "fd00::7"),
    ("--permit ::1", "::1"),
    ("--permit models.example --permit 10.0.0.7", "models.example 10.0.0.7"),
    ("--permit models.example --permit fd00::/8", "models.example fd00::7"),
    ("--permit fd00::/8 --permit 10.0.0.0/8", "fd00::7 10.0.0.7"),
    ("--permit fd00::/8 --permit 10.0.0.0/8 --permit models.example", "a.models.example 10.0.0.7 fd00::7"),
];

/// One certificate of every kind, for `server` and a name that looks like a host, by
/// an authority that may vouch for what is `permitted`.
pub(super) fn with_every_kind((permitted, server): (&str, &str)) -> Sandbox {
    let sandbox = with_keys(permitted);
    for (holder, name) in
        [(&*format!("--server {server}"), "server"), ("--client john.doe", "client-john.doe")]
    {
        does(
            &sandbox,
            &format!(
                "sealserve cert issue {holder} --ca-cert issuing.pem --ca-key ../issuing.key \
                --out-cert {name}.pem --out-key {name}.key"
            ),
        );
    }
    sandbox
}

#[test]
fn openssl_accepts_every_kind_whatever_the_authority_may_vouch_for() {
    for choice in CHOICES {
        openssl_accepts_every_kind(&with_every_kind(choice));
    }
}

#[test]
fn a_common_name_that_looks_like_a_host_would_be_refused() {
    // Why the principal is the userId and not the common name.
    let sandbox = with_keys("--permit models.example");
    let client =
        SERVER.replace("serverAuth", "clientAuth") + "subjectAltName=URI:urn:sealserve:principal:john.doe";
    sign_with_openssl(&sandbox, "cn", "/CN=john.doe", &client);
    assert!(
        ends(&sandbox, 2, &format!("{STRICT} -untrusted issuing.pem cn.pem")).contains("permitted subtree")
    );
    sign_with_openssl(&sandbox, "uid", "/UID=john.doe", &client);
    does(&sandbox, &format!("{STRICT} -untrusted issuing.pem uid.pem"));
}

#[test]
fn openssl_reads_the_extensions_of_each_profile() {
    let sandbox = every_kind();
    let shows = |file: &str, wanted: &[&str], unwanted: &[&str]| {
        let shown = does(&sandbox, &format!("openssl x509 -noout -text -in {file}"));
        let flat: Vec<_> = shown.split_whitespace().collect();
        let flat = flat.join(" ");
        for part in wanted {
            assert!(flat.contains(part), "{file} lacks '{part}': {shown}");
        }
        for part in unwanted {
            assert!(!flat.contains(part), "{file} has '{part}': {shown}");
        }
    };
    let common = ["Version: 3 (0x2)", "ecdsa-with-SHA256", "NIST CURVE: P-256", "Authority Key Identifier:"];
    for file in ["ca.pem", "issuing.pem", "server.pem", "client-john.doe.pem"] {
        shows(file, &common, &[]);
    }
    let constraints = "Name Constraints: critical Permitted: DNS:models.example DNS:localhost X509v3 Subject";
    let signs = "Key Usage: critical Certificate Sign, CRL Sign";
    shows("ca.pem", &["Basic Constraints: critical CA:TRUE, pathlen:1", signs, constraints], &["Extended"]);
    shows(
        "issuing.pem",
        &["Basic Constraints: critical CA:TRUE, pathlen:0", signs, constraints],
        &["Extended"],
    );
    let leaf = ["Basic Constraints: critical CA:FALSE", "Key Usage: critical Digital Signature"];
    shows("server.pem", &leaf, &["Name Constraints", "Client Authentication"]);
    shows(
        "server.pem",
        &[
            "Extended Key Usage: TLS Web Server Authentication",
            "DNS:models.example, IP Address:10.0.0.7, DNS:localhost",
        ],
        &[],
    );
    shows("client-john.doe.pem", &leaf, &["Name Constraints", "Server Authentication", "DNS:"]);
    shows(
        "client-john.doe.pem",
        &[
            "Extended Key Usage: TLS Web Client Authentication",
            "Subject: O = sealserve, OU = client, UID = john.doe",
            "URI:urn:sealserve:principal:john.doe",
        ],
        &[],
    );
}

#[test]
fn openssl_reads_every_key_and_it_belongs_to_its_certificate() {
    let sandbox = every_kind();
    does(&sandbox, "sealserve cert ca create --out-dir ../ca --permit models.example");
    for stem in ["../ca/ca", "../ca/issuing", "server", "client-john.doe"] {
        let key = does(&sandbox, &format!("head -1 {stem}.key; openssl pkey -in {stem}.key -check -noout"));
        assert_eq!(key, "-----BEGIN PRIVATE KEY-----\nKey is valid\n", "{stem}");
        does(
            &sandbox,
            &format!(
                "cmp <(openssl pkey -in {stem}.key -pubout) <(openssl x509 -in {stem}.pem -noout -pubkey)
                test $(stat -c %a {stem}.key) = 600"
            ),
        );
    }
}

/// What an authority may vouch for, and whom it can vouch for and whom not.
pub(super) const CONSTRAINED: [(&str, &str, &[&str]); 3] = [
    (
        "--permit models.example --limit-addresses",
        "DNS:a.models.example",
        &["DNS:other.example", "IP:10.0.0.7", "IP:fd00::7", "DNS:models.example,DNS:x.y"],
    ),
    // Where only one family of addresses is permitted, the other is not free.
    ("--permit 10.0.0.0/8", "IP:10.0.0.7", &["DNS:models.example", "IP:11.0.0.7", "IP:fd00::7", "IP:::1"]),
    ("--permit fd00::/8", "IP:fd00::7", &["DNS:models.example", "IP:fe00::7", "IP:10.0.0.7", "IP:127.0.0.1"]),
];

#[test]
fn a_name_outside_the_constraints_is_refused_by_openssl_whoever_signed_it() {
    for (permitted, good, bad) in CONSTRAINED {
        let sandbox = with_keys(permitted);
        for names in bad {
            sign_with_openssl(&sandbox, "bad", "/CN=x", &format!("{SERVER}subjectAltName={names}"));
            let refused = ends(&sandbox, 2, &format!("{STRICT} -untrusted issuing.pem bad.pem"));
            assert!(refused.contains("subtree violation"), "{permitted}: {names}: {refused}");
            let found = errors(&sandbox, "bad.pem --ca ca.pem --purpose server");
            assert_eq!(found, ["name-constraints"], "{permitted}: {names}");
        }
        sign_with_openssl(&sandbox, "good", "/CN=x", &format!("{SERVER}subjectAltName={good}"));
        does(&sandbox, &format!("{STRICT} -untrusted issuing.pem good.pem"));
    }
}

#[test]
fn what_ended_yesterday_is_refused() {
    let sandbox = with_keys("");
    let now = SystemClock.unix();
    let limits = &Limits::default();
    let request = AuthorityRequest { title: "old", limits, root_lifetime: None, issuing_lifetime: None };
    let authority = Authority::create(&request, now - 100 * 86400).unwrap();
    let names = ["models.example".parse().unwrap()];
    let leaf = LeafRequest { holder: Holder::Server(&names), lifetime: None, usual: None, allow_long: false };
    sandbox.write("home/pki/old.pem", authority.root.certificate().pem());
    for (file, age, valid) in [("ended", 91, false), ("valid", 89, true)] {
        let leaf = authority.issuing.issue(&leaf, now - age * 86400).unwrap();
        sandbox.write(&format!("home/pki/{file}.pem"), leaf.chain);
        let openssl = format!("openssl verify -x509_strict -CAfile old.pem -untrusted {file}.pem {file}.pem");
        ends(&sandbox, if valid { 0 } else { 2 }, &openssl);
        let said = ends(
            &sandbox,
            if valid { 0 } else { 3 },
            &format!("sealserve cert verify {file}.pem --ca old.pem --purpose server"),
        );
        assert_eq!(said.contains("wrong: expired: it ended "), !valid, "{said}");
    }
}

/// GnuTLS with the purpose `purpose`, on a chain that lacks nothing but the root.
fn certtool(file: &str, more: &str) -> String {
    format!("certtool --verify --verify-profile medium --load-ca-certificate ca.pem --infile {file} {more}")
}

#[test]
#[ignore = "needs certtool"]
fn gnutls_accepts_every_kind() {
    gnutls_accepts(&every_kind(), "--verify-hostname=models.example");
    for choice in CHOICES {
        gnutls_accepts(&with_every_kind(choice), "");
    }
}

fn gnutls_accepts(sandbox: &Sandbox, hostname: &str) {
    let server = "1.3.6.1.5.5.7.3.1";
    let client = "1.3.6.1.5.5.7.3.2";
    for (file, more) in [
        ("ca.pem", String::new()),
        ("issuing.pem", String::new()),
        ("server.pem", format!("--verify-purpose={server} {hostname}")),
        ("client-john.doe.pem", format!("--verify-purpose={client}")),
    ] {
        let said = does(sandbox, &certtool(file, &more));
        assert!(said.contains("Verified. The certificate is trusted."), "{file}: {said}");
        // Its own reader has nothing to remark.
        let read = ends(sandbox, 0, &format!("certtool --certificate-info --infile {file}"));
        assert!(!read.to_lowercase().contains("warning") && !read.contains("error"), "{file}: {read}");
    }
    for (file, more) in [
        ("server.pem", format!("--verify-purpose={client}")),
        ("client-john.doe.pem", format!("--verify-purpose={server}")),
        ("server.pem", "--verify-hostname=other.example".into()),
    ] {
        ends(sandbox, 1, &certtool(file, &more));
    }
    for key in ["server.key", "client-john.doe.key"] {
        does(sandbox, &format!("certtool --key-info --infile {key} > /dev/null"));
    }
}

#[test]
#[ignore = "needs certtool"]
fn gnutls_refuses_a_name_outside_the_constraints() {
    for (permitted, good, bad) in CONSTRAINED {
        let sandbox = with_keys(permitted);
        for names in bad {
            sign_with_openssl(&sandbox, "bad", "/O=x", &format!("{SERVER}subjectAltName={names}"));
            let refused = ends(&sandbox, 1, &certtool("bad.pem", ""));
            assert!(refused.contains("violates the signer's constraints"), "{permitted}: {names}: {refused}");
        }
        sign_with_openssl(&sandbox, "good", "/O=x", &format!("{SERVER}subjectAltName={good}"));
        does(&sandbox, &certtool("good.pem", ""));
    }
}

/// Java's trust manager takes `file` for what it is, or ends with `code`.
fn java(sandbox: &Sandbox, code: i32, purpose: &str, file: &str) -> String {
    let program = repository().join("tests/peers/Certificates.java");
    ends(sandbox, code, &format!("java {} ca.pem {purpose} {file}", program.display()))
}

#[test]
#[ignore = "needs java"]
fn java_accepts_every_kind() {
    for choice in CHOICES {
        let sandbox = with_every_kind(choice);
        for (purpose, file) in [("server", "server.pem"), ("client", "client-john.doe.pem")] {
            let said = java(&sandbox, 0, purpose, file);
            assert_eq!(said, "accepted\n", "{choice:?}: {file}");
        }
    }
    let sandbox = every_kind();
    java(&sandbox, 0, "server", "server.pem");
    assert!(java(&sandbox, 3, "client", "server.pem").contains("Extended key usage"));
}

#[test]
#[ignore = "needs java"]
fn java_refuses_a_name_outside_the_constraints() {
    for (permitted, good, bad) in CONSTRAINED {
        let sandbox = with_keys(permitted);
        for names in bad {
            sign_with_openssl(&sandbox, "bad", "/O=x", &format!("{SERVER}subjectAltName={names}"));
            // For a host where none is permitted, not by its own check: an exception.
            let refused = java(&sandbox, 3, "server", "bad.pem");
            assert!(refused.starts_with("refused: "), "{permitted}: {names}: {refused}");
        }
        sign_with_openssl(&sandbox, "good", "/O=x", &format!("{SERVER}subjectAltName={good}"));
        java(&sandbox, 0, "server", "good.pem");
    }
}
