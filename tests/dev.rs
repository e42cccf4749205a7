//! `serve --dev`: one command on a clean machine, and a line to paste.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use support::{Sandbox, onnxruntime, python_with, repository, testdata, text};

/// A development server and the line that it printed.
struct Dev {
    child: Child,
    line: String,
}

impl Dev {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.sealserve();
        // Where a user has none of these, the home is below $XDG_STATE_HOME.
        command.env_remove("SEALSERVE_HOME").env("ORT_DYLIB_PATH", onnxruntime());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--dev"])
            .arg(testdata("digits.onnx"))
            .args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("curl -K /"), "{line}");
        Self { child, line }
    }

    /// Pastes the line into another shell, which knows nothing of the sandbox.
    fn paste(&self) -> serde_json::Value {
        let output = Command::new("sh").arg("-c").arg(&self.line).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout)))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn the_pasted_line_answers_with_ten_probabilities() {
    let sandbox = Sandbox::new();
    let dev = Dev::start(&sandbox, &[]);
    let answer = dev.paste();
    assert_eq!(answer["outputs"][0]["name"], "probabilities");
    let probabilities: Vec<f64> =
        answer["outputs"][0]["data"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
    assert_eq!(probabilities.len(), 10);
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
}

#[test]
fn the_home_is_kept_private_and_used_again() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("state/sealserve/dev");
    let ca = || fs::read(home.join("pki/ca.pem")).unwrap();
    let first = {
        let dev = Dev::start(&sandbox, &[]);
        dev.paste();
        let mode = |name: &str| home.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(""), mode("curlrc"), mode("pki/server.key"), mode("keyring.json")),
            (0o700, 0o600, 0o600, 0o600)
        );
        let curlrc = fs::read_to_string(home.join("curlrc")).unwrap();
        assert!(
            curlrc.contains("cacert = ") && curlrc.contains("Bearer ") && curlrc.contains("application/json")
        );
        ca()
    };
    let dev = Dev::start(&sandbox, &[]);
    dev.paste();
    assert_eq!(ca(), first);
}

#[test]
fn no_key_of_the_authority_is_ever_written_and_it_vouches_for_localhost_only() {
    let sandbox = Sandbox::new();
    let _dev = Dev::start(&sandbox, &[]);
    let pki = sandbox.path("state/sealserve/dev/pki");
    let public = |file: &str, what: &str| {
        let output = sandbox
            .program("openssl")
            .args([what, "-in", file, "-pubout"])
            .current_dir(&pki)
            .output()
            .unwrap();
        text(&output.stdout)
    };
    // The only private key there is the leaf's.
    let keys: Vec<_> = fs::read_dir(&pki)
        .unwrap()
        .flatten()
        .filter(|e| fs::read_to_string(e.path()).unwrap().contains("PRIVATE KEY"))
        .map(|e| e.file_name())
        .collect();
    assert_eq!(keys, ["server.key"]);
    let leaf = sandbox
        .program("openssl")
        .args(["x509", "-in", "server.pem", "-noout", "-pubkey"])
        .current_dir(&pki)
        .output()
        .unwrap();
    assert_eq!(public("server.key", "pkey"), text(&leaf.stdout));
    let authority = sandbox
        .program("openssl")
        .args(["x509", "-in", "ca.pem", "-noout", "-ext", "nameConstraints"])
        .current_dir(&pki)
        .output()
        .unwrap();
    let constraints = text(&authority.stdout);
    assert!(constraints.contains("critical") && constraints.contains("DNS:localhost"), "{constraints}");
    assert!(!constraints.contains("IP"), "{constraints}");
    // The keyring holds none either.
    let list = sandbox
        .sealserve()
        .args(["--home", sandbox.path("state/sealserve/dev").to_str().unwrap(), "--root-key"])
        .arg(sandbox.path("config/sealserve/dev-root.key"))
        .args(["key", "list", "--format", "json"])
        .output()
        .unwrap();
    assert!(list.status.success() && !text(&list.stdout).contains("\"ca\""), "{}", text(&list.stdout));
}

#[test]
fn an_ephemeral_home_goes_away() {
    let sandbox = Sandbox::new();
    let dev = Dev::start(&sandbox, &["--ephemeral"]);
    dev.paste();
    assert_eq!(fs::read_dir(sandbox.path("tmp")).unwrap().count(), 1);
    drop(dev);
    assert_eq!(fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0);
    assert!(!sandbox.path("config/sealserve/dev-root.key").exists());
}

#[test]
fn a_taken_port_is_an_error_that_names_the_option() {
    let sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = sandbox.sealserve();
    command.env("ORT_DYLIB_PATH", onnxruntime()).args(["serve", "--listen", &address, "--dev"]);
    let output = command.arg(testdata("digits.onnx")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("is taken") && message.contains("--listen"), "{message}");
}

#[test]
fn only_loopback_is_listened_on() {
    let sandbox = Sandbox::new();
    let model = testdata("digits.onnx");
    let message = sandbox.fails(2, ["serve", "--listen", "0.0.0.0:0", "--dev", model.to_str().unwrap()]);
    assert!(message.contains("loopback"), "{message}");
}

#[test]
fn models_that_cannot_be_served_are_refused_by_name() {
    let sandbox = Sandbox::new();
    // What ONNX Runtime would read from the working directory, left to itself.
    sandbox.write("cwd/secret.bin", [0x42; 64]);
    for (model, message) in [
        ("models/complex64.onnx", "COMPLEX64"),
        ("models/float8.onnx", "FLOAT8"),
        ("models/sequence.onnx", "no request can carry"),
        ("models/external.onnx", "'../secret.bin', but no archive holds that"),
        ("models/external-cwd.onnx", "'secret.bin', which is not there"),
        ("models/external-subgraph.onnx", "leads out"),
        ("models/external-memory.onnx", "address in memory"),
        ("digits-request.json", "not an ONNX model"),
    ] {
        let mut command = sandbox.sealserve();
        command.env("ORT_DYLIB_PATH", onnxruntime()).args(["serve", "--listen", "127.0.0.1:0", "--dev"]);
        let output = command.arg(testdata(model)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{model}");
        assert!(text(&output.stderr).contains(message), "{model}: {}", text(&output.stderr));
    }
}

#[test]
fn a_library_that_is_missing_or_another_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let serve = |library: &std::path::Path| {
        let mut command = sandbox.sealserve();
        command.args(["serve", "--listen", "127.0.0.1:0", "--runtime"]).arg(library);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let missing = serve(&sandbox.path("nowhere.so"));
    assert!(missing.contains("nowhere.so"), "{missing}");
    let mut other = fs::read(onnxruntime()).unwrap();
    let last = other.len() - 1;
    other[last] ^= 1;
    let other = serve(&sandbox.write("libonnxruntime.so", other));
    assert!(other.contains("SHA-256") && other.contains("--insecure"), "{other}");
}

#[test]
fn grpc_connects_to_a_development_server() {
    let sandbox = Sandbox::new();
    let dev = Dev::start(&sandbox, &[]);
    let authority = dev.line.split("https://").nth(1).unwrap().split('/').next().unwrap();
    let port = authority.rsplit(':').next().unwrap();
    let root = sandbox.path("state/sealserve/dev/pki/ca.pem");
    let python = python_with(&repository().join("tests/peers/requirements-boringssl.txt"));
    for host in ["localhost", "127.0.0.1"] {
        let mut connect = sandbox.program(&python);
        connect.arg(repository().join("tests/peers/boringssl.py")).arg(&root).arg("connect");
        let output = connect.arg(format!("{host}:{port}")).output().unwrap();
        assert_eq!(text(&output.stdout), "accepted\n", "{host}: {}", text(&output.stderr));
    }
}

#[test]
fn an_authority_of_an_earlier_version_that_limits_addresses_is_made_anew() {
    let sandbox = Sandbox::new();
    drop(Dev::start(&sandbox, &[]));
    let pki = sandbox.path("state/sealserve/dev/pki");
    let made = sandbox.path("old");
    sandbox.ok([
        "cert",
        "ca",
        "create",
        "--permit",
        "localhost",
        "--limit-addresses",
        "--out-dir",
        made.to_str().unwrap(),
    ]);
    fs::copy(made.join("ca.pem"), pki.join("ca.pem")).unwrap();
    let dev = Dev::start(&sandbox, &[]);
    dev.paste();
    assert_ne!(fs::read(made.join("ca.pem")).unwrap(), fs::read(pki.join("ca.pem")).unwrap());
}
