//! The README's examples, run word for word, one after the other, in one shell.

mod support;

use std::fs;
use std::path::Path;

use support::{Sandbox, onnxruntime, repository, text};

/// The shell blocks that follow `<!-- test: NAME -->`.
fn examples() -> Vec<(String, String)> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let marked = readme.split("<!-- test: ").skip(1);
    marked
        .map(|rest| {
            let (name, rest) = rest.split_once(" -->\n```sh\n").unwrap();
            (name.to_owned(), rest.split_once("\n```").unwrap().0.to_owned())
        })
        .collect()
}

#[test]
fn the_examples_work_as_they_stand() {
    let sandbox = Sandbox::new();
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    let examples = examples();
    assert_eq!(examples.len(), 9);
    for (name, code) in examples {
        script.push_str(&format!("echo '== {name}' >&2\n{code}\n"));
    }
    // The port may be another's here, the machine may have swap, and the download
    // was made by another test.
    let script = script
        .replace("sealserve runtime install ", "true ")
        .replace("sealserve serve &", "sealserve serve --listen 127.0.0.1:0 --ready-file ready &")
        .replace("https://localhost:8443", "\"$(sed 's/.*\"url\":\"\\([^\"]*\\)\".*/\\1/' ready)\"")
        .replace(
            "sealserve serve --check",
            "sed -i '1i allow_swap = true' \"$SEALSERVE_HOME/sealserve.toml\"\nsealserve serve --check",
        );
    let binary = Path::new(env!("CARGO_BIN_EXE_sealserve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    std::os::unix::fs::symlink(repository().join("testdata"), sandbox.path("cwd/testdata")).unwrap();
    let mut command = sandbox.program("bash");
    let output = command
        .args(["-c", &script])
        .env("PATH", path)
        .env("ORT_DYLIB_PATH", onnxruntime())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    // Of curl twice, and of `request send`.
    let answer = fs::read_to_string(sandbox.path("cwd/answer.json")).unwrap();
    assert_eq!([&*stdout, &answer].map(|said| said.matches("\"probabilities\"").count()), [2, 1]);
    for message in [
        "ready: https://",
        "retired token-1",
        "revoked token-1",
        "revoked API key",
        "revoked ci",
        "1 rewrapped",
        "1 encrypted again",
        "1 signed by",
        "decrypted 100 bytes",
        "== partner",
    ] {
        assert!(stdout.contains(message) || stderr.contains(message), "{message}: {stdout}{stderr}");
    }
}
