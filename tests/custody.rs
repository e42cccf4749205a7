//! The recipes of `docs/key-custody.md` that can run here, run as they stand there:
//! a model is sealed with a key in a token, a TPM, a KMS, and served or opened with it.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Sandbox, python_with, repository, text, wait_until};

/// The code blocks of a section: lines to set things up, and scripts by their names.
fn recipe(section: &str) -> (String, BTreeMap<String, String>) {
    let page = fs::read_to_string(repository().join("docs/key-custody.md")).unwrap();
    let after = page.split_once(&format!("\n## {section}\n")).unwrap().1;
    let section = after.split("\n## ").next().unwrap();
    assert!(section.contains("**Run"), "it is said to run");
    let (mut setup, mut scripts) = (String::new(), BTreeMap::new());
    for block in section.split("\n```sh\n").skip(1) {
        let code = block.split("\n```").next().unwrap();
        match code.strip_prefix("#!/bin/sh\n# ") {
            Some(rest) => {
                scripts.insert(rest.split(':').next().unwrap().to_owned(), format!("{code}\n"));
            }
            None => setup += &format!("{code}\n"),
        }
    }
    (setup, scripts)
}

/// Runs the recipe of `section` in a sandbox with `variables` and seals, verifies and
/// opens a model with its script, under the key of the recipe, the first of `keys`. The
/// second one is made in the same way, for a rewrap; the third is not there.
fn run(sandbox: &Sandbox, section: &str, variables: &[(&str, String)], keys: [&str; 3]) {
    let [key, next, stranger] = keys;
    let (setup, scripts) = recipe(section);
    let lines = setup.lines().filter(|line| !line.starts_with("softhsm2-util "));
    let second: String = lines.map(|line| format!("{}\n", line.replace(key, next))).collect();
    assert_eq!(scripts.len(), 1);
    let (name, script) = scripts.first_key_value().unwrap();
    let path = sandbox.write(&format!("cwd/{name}"), script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("cwd/model.onnx", vec![3; 50_000]);
    let use_it = format!(
        r#"
        encrypt() {{ "$SEALSERVE" model encrypt --force model.onnx --wrap-command ./{name} --command-key "$1"; }}
        decrypt() {{ "$SEALSERVE" model decrypt model.sealed --unwrap-command ./{name} --command-key "$1"; }}
        encrypt {key}
        decrypt {key} | cmp - model.onnx
        if encrypt {stranger}; then exit 8; fi
        cp model.sealed first
        encrypt {key}
        cmp first model.sealed && exit 9
        {second}
        if decrypt {next} > /dev/null; then exit 7; fi
        "$SEALSERVE" model rewrap --unwrap-command ./{name} --command-key {key} \
            --wrap-command ./{name} --new-command-key {next} model.sealed
        decrypt {next} | cmp - model.onnx
        if decrypt {key} > /dev/null; then exit 6; fi
        echo opened
        "#
    );
    let mut command = sandbox.program("bash");
    command.args(["-c", &format!("set -euo pipefail\n{setup}\n{use_it}")]);
    command.env("SEALSERVE", env!("CARGO_BIN_EXE_sealserve")).envs(variables.iter().cloned());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).ends_with("opened\n"), "{}", text(&output.stdout));
}

/// Runs lines of a recipe for `model.onnx`, which has no script of its own, with the built
/// binary as `sealserve`; they leave what they decrypted as `copy.onnx`.
fn run_lines(sandbox: &Sandbox, lines: &str) {
    sandbox.write("cwd/model.onnx", vec![3; 50_000]);
    let _ = fs::remove_file(sandbox.path("cwd/model.sealed"));
    let binary = Path::new(env!("CARGO_BIN_EXE_sealserve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let lines = format!("umask 022\nset -euo pipefail\n{lines}\ncmp model.onnx copy.onnx");
    let output = sandbox.program("bash").args(["-c", &lines]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_passphrase_comes_from_a_file() {
    run_lines(&Sandbox::new(), &recipe("A passphrase").0);
}

#[test]
#[ignore = "needs age and script"]
fn an_identity_opens_what_its_recipient_got_and_can_be_encrypted_itself() {
    require("age-keygen");
    require("script");
    let sandbox = Sandbox::new();
    let (lines, _) = recipe("age");
    // The last line asks at the terminal, twice.
    let (lines, encrypt) = lines.trim_end().rsplit_once('\n').unwrap();
    run_lines(&sandbox, lines);
    let typed = "correct horse battery staple\n".repeat(2);
    let typed = sandbox.write("typed", typed);
    let asked = sandbox
        .program("script")
        .args(["-qec", encrypt, "/dev/null"])
        .stdin(File::open(typed).unwrap())
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", text(&asked.stdout));
    // It is taken, and only its passphrase is wanting.
    let decrypt = ["--no-input", "model", "decrypt", "model.sealed", "-i", "identity.age"];
    let said = sandbox.fails(4, decrypt);
    assert!(said.contains("Failed to decrypt an encrypted key"), "{said}");
}

/// A service that ends with its test.
struct Service(Child);

impl Service {
    fn start(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(spawned.unwrap_or_else(|e| panic!("{command:?}: {e}: this test needs it")))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn require(program: &str) {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    assert!(found.status.success(), "{program} is not installed: this test needs it");
}

#[test]
#[ignore = "needs softhsm2 and opensc"]
fn a_pkcs11_token_keeps_the_key() {
    require("softhsm2-util");
    require("pkcs11-tool");
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tokens")).unwrap();
    let conf = format!("directories.tokendir = {}\n", sandbox.path("tokens").display());
    let conf = sandbox.write("softhsm2.conf", conf);
    let variables = [("SOFTHSM2_CONF", conf.display().to_string())];
    run(&sandbox, "PKCS#11", &variables, ["01", "02", "7f"]);
}

#[test]
#[ignore = "needs swtpm and tpm2-tools"]
fn a_tpm_keeps_the_key() {
    require("tpm2_rsadecrypt");
    let sandbox = Sandbox::new();
    // A socket's path must be short.
    let state = tempfile::Builder::new().prefix("tpm").tempdir_in("/tmp").unwrap();
    let at = |name: &str| format!("{}/{name}", state.path().display());
    let _tpm = Service::start(Command::new("swtpm").args([
        "socket",
        "--tpm2",
        "--tpmstate",
        &format!("dir={}", state.path().display()),
        "--ctrl",
        &format!("type=unixio,path={}", at("sock.ctrl")),
        "--server",
        &format!("type=unixio,path={}", at("sock")),
        "--flags",
        "not-need-init,startup-clear",
    ]));
    // The socket's file is there before anybody listens.
    wait_until("the TPM answers", || UnixStream::connect(at("sock")).is_ok());
    let variables = [("TPM2TOOLS_TCTI", format!("swtpm:path={}", at("sock")))];
    run(&sandbox, "TPM 2.0", &variables, ["0x81010001", "0x81010002", "0x81010003"]);
}

#[test]
#[ignore = "needs a minute for Python packages"]
fn aws_kms_keeps_the_key() {
    let sandbox = Sandbox::new();
    let python = python_with(&repository().join("tests/custody/requirements.txt"));
    let bin = python.parent().unwrap();
    let mut moto = sandbox.program(bin.join("moto_server"));
    let log = File::create(sandbox.path("moto.log")).unwrap();
    let _moto = Service(
        moto.args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    // Which port it got stands in its log, once it listens.
    let url = || {
        let log = fs::read_to_string(sandbox.path("moto.log")).unwrap();
        let at = log.find("http://127.0.0.1:")?;
        log[at..].split_once(char::is_whitespace).map(|(url, _)| url.to_owned())
    };
    wait_until("moto listens", || url().is_some());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let variables = [
        ("PATH", path),
        ("AWS_ENDPOINT_URL", url().unwrap()),
        ("AWS_ACCESS_KEY_ID", "double".into()),
        ("AWS_SECRET_ACCESS_KEY", "double".into()),
        ("AWS_DEFAULT_REGION", "eu-central-1".into()),
    ];
    run(&sandbox, "AWS KMS", &variables, ["alias/models", "alias/others", "alias/strangers"]);
}

#[test]
fn every_recipe_says_whether_it_runs() {
    let page = fs::read_to_string(repository().join("docs/key-custody.md")).unwrap();
    for name in ["PKCS#11", "TPM 2.0", "AWS KMS"] {
        let (setup, scripts) = recipe(name);
        assert!(!setup.is_empty() && scripts.len() == 1, "{name}");
    }
    for name in ["Vault and OpenBao", "Kubernetes", "systemd"] {
        let section = page.split_once(&format!("\n## {name}\n\n")).unwrap().1;
        assert!(section.starts_with("**Not run.**"), "{name}");
    }
    // Every other block of shell is one that a test above runs.
    assert_eq!(page.matches("\n```sh\n").count(), 9);
}
