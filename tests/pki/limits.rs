//! Limits on names before BoringSSL and Go. BoringSSL cannot read limits on addresses.

use super::peers::{CHOICES, CONSTRAINED, with_every_kind};
use super::{SERVER, does, ends, every_kind, sign_with_openssl, with_keys};
use crate::support::{Sandbox, once, python_with, repository, text};

/// What BoringSSL says to `arguments`, and how it ends.
fn boringssl(sandbox: &Sandbox, code: i32, arguments: &str) -> String {
    let python = python_with(&repository().join("tests/peers/requirements-boringssl.txt"));
    let program = repository().join("tests/peers/boringssl.py");
    ends(
        sandbox,
        code,
        &format!("{} {} ca.pem {arguments} 2> /dev/null", python.display(), program.display()),
    )
}

#[test]
fn boringssl_accepts_the_certificates_of_init() {
    let sandbox = every_kind();
    for name in ["models.example", "10.0.0.7", "localhost"] {
        assert_eq!(boringssl(&sandbox, 0, &format!("server server.pem server.key {name}")), "accepted\n");
    }
    let client = "client client-john.doe.pem client-john.doe.key -";
    assert_eq!(boringssl(&sandbox, 0, client), "accepted\n");
    // It does judge: another name, another purpose, another authority.
    boringssl(&sandbox, 3, "server server.pem server.key other.example");
    boringssl(&sandbox, 3, "client server.pem server.key -");
    let other = every_kind();
    does(&other, &format!("cp {}/server.* .", sandbox.home().join("pki").display()));
    boringssl(&other, 3, "server server.pem server.key localhost");
}

#[test]
fn boringssl_refuses_addresses_below_an_authority_that_limits_them() {
    for choice in CHOICES {
        let (permitted, server) = choice;
        let sandbox = with_every_kind(choice);
        let name = server.split(' ').next().unwrap();
        let limited = permitted.contains("--limit-addresses") || permitted.contains([':', '0']);
        let refused = limited && server.contains([':', '0']);
        let code = if refused { 3 } else { 0 };
        let said = boringssl(&sandbox, code, &format!("server server.pem server.key {name}"));
        assert_eq!(said == "accepted\n", !refused, "{choice:?}: {said}");
    }
}

#[test]
fn limits_on_addresses_come_with_a_warning_and_only_where_they_were_asked_for() {
    let limits = |line: &str| {
        let sandbox = Sandbox::new();
        let said = ends(&sandbox, 0, line);
        let warned = said.contains("warning: this authority limits IP addresses") && said.contains("gRPC");
        let root = does(&sandbox, "cat ca.pem ca/ca.pem 2> /dev/null | openssl x509 -noout -text || true");
        let pki = root.contains("Name Constraints") && root.contains("IP:");
        assert_eq!(warned, pki, "{line}: {said}{root}");
        warned
    };
    for line in [
        "sealserve init",
        "sealserve init --name 10.0.0.7",
        "sealserve cert ca create",
        "sealserve cert ca create --permit models.example",
        "sealserve cert ca create --out-dir ca --permit models.example",
    ] {
        assert!(!limits(line), "{line}");
    }
    for line in [
        "sealserve init --limit-addresses",
        "sealserve init --name models.example --limit-addresses",
        "sealserve cert ca create --permit models.example --limit-addresses",
        "sealserve cert ca create --permit 10.0.0.0/8",
        "sealserve cert ca create --out-dir ca --permit models.example --permit ::1",
    ] {
        assert!(limits(line), "{line}");
    }
    ends(&Sandbox::new(), 2, "sealserve cert ca create --limit-addresses");
}

/// Go takes `file` for what it is, or ends with `code`.
fn go(sandbox: &Sandbox, code: i32, purpose: &str, file: &str, name: &str) -> String {
    let program = once("go-certificates", |path| {
        let source = repository().join("tests/peers/certificates.go");
        let mut build = std::process::Command::new("go");
        build.args(["build", "-o"]).arg(path.join("certificates")).arg(source);
        let built = build.env("GOCACHE", path.join("cache")).env("GO111MODULE", "off").output().unwrap();
        assert!(built.status.success(), "{}", text(&built.stderr));
    });
    ends(sandbox, code, &format!("{}/certificates ca.pem {purpose} {file} '{name}'", program.display()))
}

#[test]
#[ignore = "needs go"]
fn go_accepts_every_kind() {
    for choice in CHOICES {
        let sandbox = with_every_kind(choice);
        let name = choice.1.split(' ').next().unwrap();
        assert_eq!(go(&sandbox, 0, "server", "server.pem", name), "accepted\n", "{choice:?}");
        assert_eq!(go(&sandbox, 0, "client", "client-john.doe.pem", ""), "accepted\n", "{choice:?}");
    }
    let sandbox = every_kind();
    for name in ["models.example", "10.0.0.7", "localhost"] {
        go(&sandbox, 0, "server", "server.pem", name);
    }
    go(&sandbox, 3, "server", "server.pem", "other.example");
    go(&sandbox, 3, "client", "server.pem", "");
}

#[test]
#[ignore = "needs go"]
fn go_refuses_a_name_outside_the_constraints() {
    for (permitted, good, bad) in CONSTRAINED {
        let sandbox = with_keys(permitted);
        for names in bad {
            sign_with_openssl(&sandbox, "bad", "/O=x", &format!("{SERVER}subjectAltName={names}"));
            go(&sandbox, 3, "server", "bad.pem", "");
        }
        sign_with_openssl(&sandbox, "good", "/O=x", &format!("{SERVER}subjectAltName={good}"));
        go(&sandbox, 0, "server", "good.pem", "");
    }
}
