//! What a kill, a failing or full disk, missing rights, links, and others at the same
//! time leave of model files: the built binary, with faults at its system calls.

#[path = "../support/mod.rs"]
mod support;

mod at_once;
mod changes;
mod in_place;
mod order;
mod outputs;
mod rights;
mod strace;
mod systems;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use support::{Sandbox, text};

const A: usize = 4096;
const B: usize = A + 8192;
const PAYLOAD: usize = B + 8192;

/// In `cwd`: key files `old`, `new` and `third`, a signer's key `signer` and its public
/// half `signer.pem`, `model.onnx`, and `models/a.sealed`, which is sealed for `old`.
struct Case {
    sandbox: Sandbox,
}

impl Case {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("cwd/model.onnx", model());
        fs::create_dir(sandbox.path("cwd/models")).unwrap();
        let case = Self { sandbox };
        for key in ["old", "new", "third"] {
            case.ok(&format!("key create --use model --out {key}"));
        }
        case.ok("key create --use signer --out signer");
        case.ok("key public --signer-key signer -o signer.pem");
        case.ok("model encrypt model.onnx -o models/a.sealed --key-file old");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("cwd").join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.sandbox.write(&format!("cwd/{name}"), bytes)
    }

    /// A directory with a model of two files below it.
    fn directory(&self) {
        self.write("dir/model.onnx", "model");
        self.write("dir/sub/weights.bin", model());
    }

    /// The built binary with these arguments, which have no blank in them.
    fn command(&self, line: &str) -> Command {
        let mut command = self.sandbox.sealserve();
        command.args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn ok(&self, line: &str) -> String {
        self.sandbox.ok(line.split_whitespace())
    }

    /// Whether `key` opens the file, all of which is as it should be, and nothing to warn of.
    fn opens(&self, name: &str, key: &str) -> bool {
        let output = self.run(&format!("model verify {name} --key-file {key}"));
        assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
        output.status.success()
    }

    /// Whether its key gives the very model.
    fn decrypts(&self, name: &str, key: &str) -> bool {
        let output = self.run(&format!("model decrypt {name} --key-file {key}"));
        output.status.success() && output.stdout == model()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        names(&self.path(directory))
    }

    /// Leaves only these files in `directory`.
    fn reset(&self, directory: &str, files: &[(&str, &[u8])]) {
        let _ = fs::remove_dir_all(self.path(directory));
        fs::create_dir(self.path(directory)).unwrap();
        for (name, bytes) in files {
            self.write(&format!("{directory}/{name}"), bytes);
        }
    }
}

/// Bytes that tell where they stand.
fn model() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_be_bytes).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names: BTreeSet<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.into_iter().collect()
}

/// Sends `signal` by its name.
fn signal(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).output();
}

/// Whether a process has nothing to do but to wait for a file's lock.
fn waits_for_lock(child: &Child) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.contains(&format!(" {} ", child.id())))
}

/// The same command under `program`.
fn under(case: &Case, program: &str, options: &[&str], command: &Command) -> Command {
    let mut all = case.sandbox.program(program);
    all.args(options).arg(command.get_program()).args(command.get_args().map(OsStr::to_os_string));
    all
}
