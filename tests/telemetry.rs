//! ONNX Runtime stays silent: no event database, no device id, no debug log, no
//! thread that uploads. The same library without the variable that `main` sets
//! shows that all of these would have been seen.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and is no part of the program"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Sandbox, Server, infer, onnxruntime, testdata, text, wait_until};

/// The files below `directory`.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { BTreeSet::from([path]) }
        })
        .collect()
}

/// The names of the threads of process `pid`. A thread that nobody named has the
/// name of its parent.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect()
}

#[test]
fn serving_leaves_no_telemetry_file_and_starts_no_telemetry_thread() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let outside = || {
        let ours = ["home", "config", "data", "state"].map(|name| sandbox.path(name));
        let mut found = files(&sandbox.path("."));
        found.retain(|path| {
            let path: PathBuf = path.components().collect();
            !ours.iter().any(|directory| path.starts_with(directory))
        });
        found
    };
    let before = outside();
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("t", "model:digits:*");
    let request = fs::read_to_string(testdata("digits-request.json")).unwrap();
    for _ in 0..3 {
        assert_eq!(infer(&sandbox, &server, "digits", &token, &request).status, 200);
    }

    let threads = threads(server.pid());
    for name in &threads {
        let ours = ["sealserve", "messages", "audit", "keyring", "certificate", "run digits"]
            .contains(&name.as_str())
            || name.starts_with("tokio-");
        assert!(ours, "who started the thread '{name}'? {threads:?}");
    }
    assert_eq!(threads.iter().filter(|name| *name == "sealserve").count(), 1, "{threads:?}");
    assert!(server.stop().success());

    let new: Vec<_> = outside().difference(&before).cloned().collect();
    let of_the_test = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        ["ready-", "log-", "request.json"].iter().any(|prefix| name.starts_with(prefix))
    };
    assert_eq!(new.iter().filter(|path| !of_the_test(path)).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn the_same_library_left_to_itself_writes_files_and_starts_a_thread() {
    /// Creates an environment, which is the first thing that every user of ONNX Runtime does.
    const PROGRAM: &str = "import ctypes, sys
class Base(ctypes.Structure):
    _fields_ = [('api', ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)), ('version', ctypes.c_void_p)]
library = ctypes.CDLL(sys.argv[1])
library.OrtGetApiBase.restype = ctypes.POINTER(Base)
api = ctypes.cast(library.OrtGetApiBase().contents.api(24), ctypes.POINTER(ctypes.c_void_p))
create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))(api[3])
assert create(2, b'control', ctypes.byref(ctypes.c_void_p())) is None
print('created', flush=True)
sys.stdin.read()";
    let observe = |disabled: &str| {
        let sandbox = Sandbox::new();
        let mut command: Command = sandbox.program("python3");
        command.args(["-c", PROGRAM]).arg(onnxruntime()).env("ORT_DISABLE_TELEMETRY", disabled);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 8];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        assert_eq!(text(&line), "created\n");
        let seen = || (files(&sandbox.path(".")), threads(child.id()));
        if disabled == "0" {
            wait_until("telemetry shows", || seen().0.len() >= 3 && seen().1.len() >= 2);
        }
        let seen = seen();
        drop(child.stdin.take());
        child.wait().unwrap();
        seen
    };
    let (files, threads) = observe("0");
    let named = |part: &str| files.iter().any(|path| path.to_string_lossy().contains(part));
    assert!(named("/.cache/Microsoft/") && named("/tmp/.ses"), "{files:?}");
    assert_eq!(threads.len(), 2, "{threads:?}");
    // The uploader bears its parent's name: the test above counts those.
    assert_eq!(threads[0], threads[1]);

    let (files, threads) = observe("1");
    assert_eq!((files.len(), threads.len()), (0, 1), "{files:?} {threads:?}");
}
