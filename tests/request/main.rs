//! Signed requests: what Python's libraries make of ours and we of theirs, and
//! `request sign`, `verify` and `send` as a shell meets them.

#[path = "../support/mod.rs"]
mod support;

mod input;
mod peers;
mod send;
mod trust;

use std::fs;
use std::process::{Child, Output};

use serde_json::Value;
use support::{PATIENCE, Sandbox, python, repository, text};

const URL: &str = "https://models.example/v2/models/digits/infer?trace=1";
const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// A sandbox with a request key, a token and an API key in files, and no home.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_secret("ci.key", KEY);
    sandbox.write_secret("token", "token-of-ci\n");
    sandbox.write_secret("apikey", "ss_key\n");
    sandbox.write("cwd/in.json", r#"{"inputs": []}"#);
    sandbox
}

/// Runs a line of `sealserve request`; `KEY` stands for the key's two options.
fn request(sandbox: &Sandbox, line: &str) -> Output {
    let key = format!("--sign-key-file {} --sign-key-id ci", sandbox.path("ci.key").display());
    let line = line.replace("KEY", &key).replace("URL", URL);
    sandbox.sealserve().arg("request").args(line.split_whitespace()).output().unwrap()
}

fn good(sandbox: &Sandbox, line: &str) -> String {
    let output = request(sandbox, line);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn bad(sandbox: &Sandbox, code: i32, line: &str) -> String {
    let output = request(sandbox, line);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
    text(&output.stderr)
}

/// Header lines as `request sign` prints them.
fn pairs(lines: &str) -> Vec<(String, String)> {
    lines.lines().map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
}

/// `signing_server.py`; dropped, it is killed.
struct Python {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
}

impl Python {
    fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let free = |n: &u32| !sandbox.path(&format!("python-{n}.ready")).exists();
        let ready = sandbox.path(&format!("python-{}.ready", (0..).find(free).unwrap()));
        let child = sandbox
            .program(python())
            .arg(repository().join("tests/peers/signing_server.py"))
            .arg("--certificate")
            .arg(sandbox.home().join("pki/server.pem"))
            .arg("--key")
            .arg(sandbox.home().join("pki/server.key"))
            .arg("--sign-key")
            .arg(sandbox.path("ci.key"))
            .arg("--ready")
            .arg(&ready)
            .args(more)
            // Handshakes that fail are what some tests are about.
            .stderr(fs::File::create(ready.with_extension("err")).unwrap())
            .spawn()
            .unwrap();
        let log = ready.with_extension("log");
        let mut python = Self { child, port: 0, log };
        let begun = std::time::Instant::now();
        while !ready.exists() {
            assert!(python.child.try_wait().unwrap().is_none(), "the peer ended");
            assert!(begun.elapsed() < PATIENCE, "the peer is not ready");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        python.port = fs::read_to_string(ready).unwrap().parse().unwrap();
        python
    }

    /// What it was sent, oldest first.
    fn seen(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sandbox` with a home, and a server that answers signed requests.
fn served(more: &[&str]) -> (Sandbox, Python) {
    let sandbox = sandbox();
    sandbox.ok(["init", "--quiet"]);
    let python = Python::start(&sandbox, more);
    (sandbox, python)
}

fn at(python: &Python, line: &str) -> String {
    line.replace("SERVER", &format!("https://localhost:{}", python.port))
}

fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a str> {
    let headers = seen["headers"].as_array().unwrap().iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).next()
}
