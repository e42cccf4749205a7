//! Whom `request send` talks to: certificates of both sides, and plain HTTP.

use crate::support::{Sandbox, text};
use crate::{Python, at, bad, good, sandbox, served};

/// Makes `NAME.pem` and `NAME.key` in the working directory: a CA, or a certificate by `ca`.
fn certificate(sandbox: &Sandbox, name: &str, ca: Option<&str>) {
    let openssl = |arguments: String| {
        let output = sandbox.program("openssl").args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    match ca {
        None => openssl(format!("{new} -x509 -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2")),
        Some(ca) => openssl(format!(
            "{new} -x509 -CA {ca}.pem -CAkey {ca}.key -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"
        )),
    }
}

#[test]
fn a_client_certificate_is_shown_and_its_refusal_is_a_refused_credential() {
    let sandbox = sandbox();
    sandbox.ok(["init", "--quiet"]);
    certificate(&sandbox, "clients", None);
    certificate(&sandbox, "ci", Some("clients"));
    certificate(&sandbox, "stranger", None);
    let ca = sandbox.path("cwd/clients.pem");
    let python = Python::start(&sandbox, &["--client-ca", ca.to_str().unwrap()]);
    let send = |identity: &str| at(&python, &format!("send SERVER/echo -d @in.json KEY {identity}"));
    let said = good(&sandbox, &send("--client-cert ci.pem --client-key ci.key"));
    assert!(said.contains("echo"));
    for identity in ["", "--client-cert stranger.pem --client-key stranger.key"] {
        let said = bad(&sandbox, 4, &send(identity));
        assert!(said.contains("refused the client certificate"), "{said}");
    }
    for (identity, code, words) in [
        ("--client-cert ci.pem", 2, "--client-key"),
        ("--client-key ci.key", 2, "--client-cert"),
        ("--client-cert none.pem --client-key ci.key", 1, "none.pem"),
        ("--client-cert in.json --client-key ci.key", 1, "neither PEM nor a certificate"),
        ("--client-cert ci.pem --client-key ../token", 4, "holds no private key that can be used"),
        ("--client-cert ci.pem --client-key none.key", 4, "none.key"),
        ("--client-cert ci.pem --client-key stranger.key", 1, "cannot be used"),
    ] {
        let said = bad(&sandbox, code, &send(identity));
        assert!(said.contains(words), "{identity}: {said}");
    }
}

#[test]
fn only_a_certificate_that_is_trusted_is_talked_to() {
    let (sandbox, python) = served(&[]);
    certificate(&sandbox, "other", None);
    let home_ca = sandbox.home().join("pki/ca.pem");
    let send = |more: &str| at(&python, &format!("send SERVER/echo {more}"));
    good(&sandbox, &send(&format!("--cacert {}", home_ca.display())));
    for more in ["--cacert other.pem", "--home elsewhere"] {
        let said = bad(&sandbox, 1, &send(more));
        assert!(said.contains("is not trusted"), "{more}: {said}");
        assert!(said.contains("--cacert"), "{said}");
    }
    // The system's store, which OpenSSL's variable names.
    let line = send("--home elsewhere");
    let output = sandbox
        .sealserve()
        .arg("request")
        .args(line.split_whitespace())
        .env("SSL_CERT_FILE", &home_ca)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The certificate is for localhost and 127.0.0.1, not for every name of this machine.
    let said = bad(&sandbox, 1, &send("").replace("localhost", "127.0.0.2"));
    assert!(said.contains("is not trusted") || said.contains("cannot connect"), "{said}");
    assert!(bad(&sandbox, 1, &send("--cacert none.pem")).contains("none.pem"));
    assert!(bad(&sandbox, 1, &send("--cacert in.json")).contains("neither PEM nor a certificate"));
}

#[test]
fn http_goes_to_this_machine_only_and_only_when_asked() {
    let (sandbox, python) = served(&["--plain"]);
    let plain = |line: &str| at(&python, line).replace("https:", "http:");
    good(&sandbox, &plain("send SERVER/echo -d @in.json --insecure KEY"));
    assert!(bad(&sandbox, 2, &plain("send SERVER/echo")).contains("--insecure"));
    assert!(bad(&sandbox, 2, "send http://models.example/ --insecure").contains("loopback"));
    // A server that speaks no TLS, and one that is not there.
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/echo"));
    assert!(said.contains("TLS handshake"), "{said}");
    let line = at(&python, "send SERVER/echo --retry 1");
    drop(python);
    assert!(bad(&sandbox, 1, &line).contains("cannot connect to localhost:"));
}

#[test]
fn a_slow_server_is_given_up() {
    let (sandbox, python) = served(&[]);
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/slow --timeout 1s --retry 3"));
    assert!(said.contains("did not answer within 1s"), "{said}");
    // It was sent, so it is not sent again.
    assert_eq!(python.seen().len(), 1);
}
