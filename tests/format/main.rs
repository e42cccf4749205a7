//! The sealed file, held to `docs/file-format.md`: by vectors, and by a second
//! implementation, `tests/peers/sealed/`, both ways.

#[path = "../support/mod.rs"]
mod support;

mod archives;
mod index;
mod interop;
mod rewrite;
mod vectors;

use std::fs::{self, File};
use std::io::Read;

use data_encoding::HEXLOWER;
use serde_json::Value;
use support::{Sandbox, python, repository, text};

const CHUNK: usize = 16384;

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Runs the second implementation and returns its exit code and its document.
fn peer(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Value) {
    let mut command = sandbox.program(python());
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(repository().join("tests/peers/sealed")).args(arguments);
    let output = command.output().unwrap();
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", text(&output.stderr)));
    (output.status.code().unwrap(), document)
}

fn peer_ok(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let (code, document) = peer(sandbox, arguments);
    assert_eq!(code, 0, "{arguments:?}: {document}");
    document
}

/// Keys, signers and models in a sandbox, and both programs.
struct Both {
    sandbox: Sandbox,
}

impl Both {
    fn new() -> Self {
        let both = Self { sandbox: Sandbox::new() };
        for key in ["k1", "k2", "k3"] {
            both.sandbox.ok(["key", "create", "--use", "model", "--out", &both.path(key)]);
        }
        for signer in ["s1", "s2"] {
            both.sandbox.ok(["key", "create", "--use", "signer", "--out", &both.path(signer)]);
            let (key, public) = (both.path(signer), both.path(&format!("{signer}.pem")));
            both.sandbox.ok(["key", "public", "--signer-key", &key, "-o", &public]);
        }
        both
    }

    fn path(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().unwrap().to_owned()
    }

    fn ours(&self, arguments: &str) -> String {
        self.sandbox.ok(self.words(arguments))
    }

    /// Our exit code.
    fn our_code(&self, arguments: &str) -> Option<i32> {
        self.sandbox.run(self.words(arguments)).status.code()
    }

    fn theirs(&self, arguments: &str) -> Value {
        peer_ok(&self.sandbox, &self.words(arguments).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The code with which the second implementation refuses.
    fn they_refuse(&self, arguments: &str) -> Value {
        let words = self.words(arguments);
        let (code, document) = peer(&self.sandbox, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(code, 3, "{arguments}: {document}");
        document["refused"].clone()
    }

    /// Words, in which what stands in braces is a path in the sandbox.
    fn words(&self, arguments: &str) -> Vec<String> {
        let word = |word: &str| {
            let mut word = word.to_owned();
            while let Some((before, (name, after))) =
                word.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
            {
                word = format!("{before}{}{after}", self.path(name));
            }
            word
        };
        arguments.split_whitespace().map(word).collect()
    }

    fn same(&self, one: &str, other: &str) {
        assert!(fs::read(self.path(one)).unwrap() == fs::read(self.path(other)).unwrap(), "{one} {other}");
    }
}
