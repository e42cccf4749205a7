//! Certificates, as OpenSSL, GnuTLS and a live server meet them.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod home;
mod limits;
mod live;
mod pairs;
mod peers;
mod renew;
mod verify;

use std::path::Path;
use std::process::Output;

use support::{Sandbox, text};

/// A sandbox with a home that has one certificate of every kind, for names that
/// each authority above is constrained to.
fn every_kind() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(["init", "--name", "models.example", "--name", "10.0.0.7", "--name", "localhost"]);
    sandbox.ok(["cert", "issue", "--client", "john.doe"]);
    sandbox
}

/// Runs lines of bash in the home's `pki/`; `sealserve` is the built binary.
fn bash(sandbox: &Sandbox, lines: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_sealserve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let pki = sandbox.home().join("pki");
    let directory = if pki.exists() { pki } else { sandbox.path("cwd") };
    let mut command = sandbox.program("bash");
    command.args(["-c", &format!("set -euo pipefail\n{lines}")]).env("PATH", path).current_dir(directory);
    command.output().unwrap()
}

/// The same, which must succeed; what it said.
fn does(sandbox: &Sandbox, lines: &str) -> String {
    let output = bash(sandbox, lines);
    assert!(output.status.success(), "{lines}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The same, which must end with `code`; all that it said.
fn ends(sandbox: &Sandbox, code: i32, lines: &str) -> String {
    let output = bash(sandbox, lines);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{lines}: {said}");
    assert!(!said.contains("panicked"), "{lines}: {said}");
    said
}

/// The JSON document of a command that ends with `code`.
fn json(sandbox: &Sandbox, code: i32, line: &str) -> serde_json::Value {
    let output = bash(sandbox, &format!("{line} --format json"));
    assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{line}: {e}: {}", text(&output.stdout)))
}

/// Error findings of `cert verify` with `arguments`, which must say no.
fn errors(sandbox: &Sandbox, arguments: &str) -> Vec<String> {
    let document = json(sandbox, 3, &format!("sealserve cert verify {arguments}"));
    assert_eq!(document["verified"], false);
    let errors =
        document["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "error");
    errors.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect()
}

/// A certificate by the home's intermediate that sealserve would not issue: for
/// `subject`, with `extensions` in OpenSSL's configuration format, as NAME.pem.
fn sign_with_openssl(sandbox: &Sandbox, name: &str, subject: &str, extensions: &str) {
    let (name, options) = name.split_once(' ').unwrap_or((name, ""));
    does(
        sandbox,
        &format!(
            "test -e ../issuing.key || echo 'no key' >&2
            printf '%b' '{extensions}' > {name}.ext
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '{subject}' \
                -keyout {name}.key -out {name}.csr 2> /dev/null
            openssl x509 -req -in {name}.csr -CA issuing.pem -CAkey ../issuing.key -days 9 \
                -extfile {name}.ext -out {name}.pem {options} 2> /dev/null
            cat issuing.pem >> {name}.pem"
        ),
    );
}

/// A home whose `pki/` was made by `ca create --out-dir`, so that tests have the keys
/// of its authority: `ca.key` and `issuing.key` are moved one directory up.
fn with_keys(permitted: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let pki = sandbox.home().join("pki");
    does(&sandbox, &format!("sealserve cert ca create --out-dir {} {permitted}", pki.display()));
    does(&sandbox, "mv ca.key issuing.key ..");
    sandbox
}

/// What any server certificate needs besides its names.
const SERVER: &str = "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\n\
    extendedKeyUsage=serverAuth\\nsubjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid\\n";
