//! A model's plaintext lives in the server's memory and nowhere else. A model
//! whose weights are known is served while `strace` looks at every system call
//! of every thread, and each test has a counterpart that shows that a leak would
//! have been seen.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and is no part of the program"
)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Sandbox, Server, infer, onnxruntime, python, repository, text, wait_until};

/// Bytes of the planted weights: enough to be lent to ONNX Runtime where they lie.
const PLANTED: usize = 64 << 10;
/// A piece of the planted weights this long counts as a leak. Nothing else holds
/// one: 92 of its bits are random.
const WINDOW: usize = 16;
/// More than any system call is given at once, so that `strace` cuts nothing off.
const LONGEST_STRING: &str = "33554432";

/// Random floats from 0.5 to 1: ordinary weights that occur nowhere else.
fn weights() -> Vec<u8> {
    let random = fs::File::open("/dev/urandom").unwrap();
    let mut bytes = vec![0; PLANTED];
    std::io::Read::read_exact(&mut &random, &mut bytes).unwrap();
    for float in bytes.as_chunks_mut::<4>().0 {
        let mantissa = u32::from_le_bytes(*float) & 0x007f_ffff;
        *float = (0x3f00_0000 | mantissa).to_le_bytes();
    }
    bytes
}

/// Writes protobuf, which is all that an ONNX file is.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: usize) {
        while value > 127 {
            self.0.push(u8::try_from(value & 127).unwrap() | 128);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
    }

    fn number(mut self, field: usize, value: usize) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: usize, value: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.as_ref().len());
        self.0.extend_from_slice(value.as_ref());
        self
    }
}

/// `y = x + w` with `w` = `weights`, all FP32 [1, 16384].
fn model(weights: &[u8]) -> Vec<u8> {
    graph(weights.len() / 4, Message::default().bytes(9, weights))
}

/// The same with the weights in the file `location`.
fn outside(count: usize, location: &str) -> Vec<u8> {
    let entry = Message::default().bytes(1, "location").bytes(2, location);
    graph(count, Message::default().bytes(13, entry.0).number(14, 1))
}

/// `y = x + w`; `data` says what, or where, the data of `w` is.
fn graph(count: usize, data: Message) -> Vec<u8> {
    let message = Message::default;
    let dimension = |n| message().bytes(1, message().number(1, n).0).0;
    let shape = [dimension(1), dimension(count)].concat();
    let tensor = message().number(1, 1).bytes(2, shape);
    let value = |name: &str| message().bytes(1, name).bytes(2, message().bytes(1, &tensor.0).0).0;
    let node = message().bytes(1, "x").bytes(1, "w").bytes(2, "y").bytes(4, "Add");
    let initializer = message().number(1, 1).number(1, count).number(2, 1).bytes(8, "w");
    let graph = message()
        .bytes(1, node.0)
        .bytes(2, "planted")
        .bytes(5, [initializer.0, data.0].concat())
        .bytes(11, value("x"))
        .bytes(12, value("y"));
    message().number(1, 8).bytes(7, graph.0).bytes(8, message().number(2, 17).0).0
}

/// Finds pieces of the planted weights.
struct Detector {
    windows: HashSet<[u8; WINDOW]>,
    /// By their first two bytes, to pass over most of what is searched.
    begin: Vec<bool>,
}

impl Detector {
    fn new(planted: &[u8]) -> Self {
        let windows: HashSet<[u8; WINDOW]> =
            planted.windows(WINDOW).map(|window| window.try_into().unwrap()).collect();
        let mut begin = vec![false; 1 << 16];
        for window in &windows {
            begin[usize::from(u16::from_le_bytes([window[0], window[1]]))] = true;
        }
        Self { windows, begin }
    }

    fn finds(&self, bytes: &[u8]) -> bool {
        bytes.windows(WINDOW).any(|window| {
            self.begin[usize::from(u16::from_le_bytes([window[0], window[1]]))]
                && self.windows.contains(window)
        })
    }

    /// The files below `directory` that hold a piece.
    fn search(&self, directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                self.search(&path, found);
            } else if kind.is_file() && self.finds(&fs::read(&path).unwrap()) {
                found.push(path);
            }
        }
    }
}

/// What `strace` saw.
struct Trace {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

/// What in a trace lets plaintext out of the process's own memory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Leaks {
    /// Calls that were given planted bytes, or gave them: the data of writes and
    /// sends, to whatever descriptor.
    calls: Vec<String>,
    /// Shared mappings; one that is read-only can be made writable later.
    mappings: Vec<String>,
    /// Calls that move memory past the eyes of `strace`.
    unseen: Vec<String>,
}

/// Calls whose data `strace` cannot show. The server needs none of them.
const UNSEEN: [&str; 15] = [
    "copy_file_range",
    "io_setup",
    "io_submit",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "memfd_secret",
    "process_vm_writev",
    "remap_file_pages",
    "sendfile",
    "shmat",
    "shmget",
    "splice",
    "tee",
    "vmsplice",
];

impl Trace {
    /// Makes `command` run under `strace`, which sees each of its threads and
    /// children. The process that is started is still the program itself, not
    /// `strace`, so signals go to it.
    fn of(command: &Command) -> (Command, Self) {
        let found = Command::new("strace").arg("--version").output();
        assert!(found.is_ok_and(|o| o.status.success()), "strace is not installed: this test needs it");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace");
        // The kernel shows the memory of a process that is not dumpable only to
        // root, so who is not root becomes it, in a namespace.
        let root = rustix::process::geteuid().is_root();
        let mut traced = if root { Command::new("strace") } else { Command::new("unshare") };
        if !root {
            traced.args(["--user", "--map-root-user", "strace"]);
        }
        traced.args(["-D", "-f", "-q", "-xx", "-s", LONGEST_STRING, "-e", "trace=all", "-e", "signal=none"]);
        traced.arg("-o").arg(&path).arg("--").arg(command.get_program()).args(command.get_args());
        traced.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        traced.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
        (traced, Self { path, _directory: directory })
    }

    /// Runs `command`, which must succeed, under `strace`.
    fn run(command: &Command) -> Self {
        let (mut traced, trace) = Self::of(command);
        let output = traced.output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        trace
    }

    /// The trace of a program that has ended.
    fn read(&self) -> String {
        // strace may be a little behind.
        let mut trace = String::new();
        wait_until("strace has written the end", || {
            trace = fs::read_to_string(&self.path).unwrap_or_default();
            let first = trace.split(' ').next().unwrap_or_default();
            !first.is_empty()
                && trace.lines().rev().take(64).any(|line| {
                    line.strip_prefix(first).is_some_and(|rest| rest.trim_start().starts_with("+++ "))
                })
        });
        trace
    }

    /// The calls that were given `word`, or gave it.
    fn mentions(&self, word: &str) -> Vec<String> {
        let trace = self.read();
        let strings =
            |line: &str| -> Vec<Vec<u8>> { line.split('"').skip(1).step_by(2).map(unescape).collect() };
        let holds = |line: &&str| {
            let found = |bytes: &Vec<u8>| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            strings(line).iter().any(found)
        };
        trace.lines().filter(holds).map(|line| line.chars().take(160).collect()).collect()
    }

    /// Searches the trace of a program that has ended.
    fn leaks(&self, detector: &Detector) -> Leaks {
        let trace = self.read();
        let mut leaks = Leaks::default();
        let mut writes = 0;
        for line in trace.lines() {
            let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
            let name = call.split('(').next().unwrap_or_default();
            let short = || call.chars().take(160).collect::<String>();
            // A string that was cut could hide what we look for; names of threads are.
            assert!(name == "prctl" || !call.contains("\"..."), "strace has cut a string: {}", short());
            if ["write", "writev", "pwrite64", "sendto"].contains(&name) {
                assert!(call.contains('"'), "strace could not read the memory: {}", short());
                writes += 1;
            }
            if call.split('"').skip(1).step_by(2).any(|string| detector.finds(&unescape(string))) {
                leaks.calls.push(short());
            }
            if call.contains("MAP_SHARED") {
                leaks.mappings.push(short());
            }
            if UNSEEN.contains(&name) {
                leaks.unseen.push(short());
            }
        }
        assert!(writes > 0, "strace saw no data at all");
        leaks
    }
}

/// The bytes of a string in the form of `strace -xx`: `\x0a\xff`.
fn unescape(string: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let byte = |escape: &[u8]| match escape {
        [b'\\', b'x', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    string.as_bytes().chunks(4).map_while(byte).collect()
}

/// A home that serves a model with the planted weights; its plaintext is gone.
fn planted() -> (Sandbox, Detector) {
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"planted\"\npath = \"models/planted.sealed\"\n");
    let weights = weights();
    let plain = sandbox.write("planted.onnx", model(&weights));
    let detector = Detector::new(&weights);
    let mut found = Vec::new();
    detector.search(&sandbox.path("."), &mut found);
    assert_eq!(found, [sandbox.path("./planted.onnx")], "the detector finds the plaintext");
    sandbox.encrypt(&plain, "planted");
    fs::remove_file(plain).unwrap();
    (sandbox, detector)
}

#[test]
#[ignore = "needs strace"]
fn served_weights_reach_no_write_no_shared_mapping_and_no_file() {
    let (sandbox, detector) = planted();
    let mut serve = sandbox.sealserve();
    serve.arg("serve");
    let (traced, trace) = Trace::of(&serve);
    let server = Server::spawn(&sandbox, traced);
    let token = sandbox.mint("t", "model:planted:*");
    let ones = vec!["1"; PLANTED / 4].join(",");
    let body = format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,{}],"datatype":"FP32","data":[{ones}]}}]}}"#,
        PLANTED / 4
    );
    for _ in 0..3 {
        let answer = infer(&sandbox, &server, "planted", &token, &body);
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        let first = answer.json()["outputs"][0]["data"][0].as_f64().unwrap();
        assert!((1.5..2.0).contains(&first), "the weights took part: {first}");
    }
    // Errors could quote what they should not.
    let nonsense = infer(&sandbox, &server, "planted", &token, "{\"inputs\":[]}");
    assert_eq!(nonsense.status, 400);
    assert!(server.stop().success());

    assert_eq!(trace.leaks(&detector), Leaks::default());
    let mut found = Vec::new();
    detector.search(&sandbox.path("."), &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs strace"]
fn weights_of_an_archive_reach_nothing_either_and_no_file_of_their_name_is_read() {
    let sandbox = Sandbox::new();
    sandbox.init(
        "[[model]]\nname = \"planted\"\npath = \"models/planted.sealed\"\n\
         [[model]]\nname = \"branch\"\npath = \"models/branch.sealed\"\n",
    );
    let weights = weights();
    let detector = Detector::new(&weights);
    sandbox.write("plain/model.onnx", outside(PLANTED / 4, "planted-1.bin"));
    sandbox.write("plain/planted-1.bin", &weights);
    // The same from within both branches of an If.
    let mut branch = fs::read(support::testdata("models/external-subgraph.onnx")).unwrap();
    for at in 0..branch.len() - 13 {
        if branch[at..].starts_with(b"../secret.bin") {
            branch[at..at + 13].copy_from_slice(b"planted-2.bin");
        }
    }
    sandbox.write("branch/model.onnx", branch);
    sandbox.write("branch/planted-2.bin", &weights[..16]);
    for (directory, name) in [("plain", "planted"), ("branch", "branch")] {
        sandbox.encrypt(&sandbox.path(directory), name);
        fs::remove_dir_all(sandbox.path(directory)).unwrap();
    }
    // What a library that looks into its working directory would find.
    let nines = 9_f32.to_le_bytes().repeat(PLANTED / 4);
    sandbox.write("cwd/planted-1.bin", &nines);
    sandbox.write("cwd/planted-2.bin", &nines);

    let mut serve = sandbox.sealserve();
    serve.arg("serve");
    let (traced, trace) = Trace::of(&serve);
    let server = Server::spawn(&sandbox, traced);
    let token = sandbox.mint("t", "model:*:*");
    let ones = vec!["1"; PLANTED / 4].join(",");
    let add = format!(
        r#"{{"inputs":[{{"name":"x","shape":[1,{}],"datatype":"FP32","data":[{ones}]}}]}}"#,
        PLANTED / 4
    );
    let choose = r#"{"inputs":[{"name":"which","shape":[],"datatype":"BOOL","data":[true]}]}"#;
    for (name, body, one) in [("planted", add.as_str(), 1.0), ("branch", choose, 0.0)] {
        let answer = infer(&sandbox, &server, name, &token, body);
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        let first = answer.json()["outputs"][0]["data"][0].as_f64().unwrap() - one;
        assert!((0.5..1.0).contains(&first), "{name}: the weights of the archive took part: {first}");
    }
    assert!(server.stop().success());

    assert_eq!(trace.leaks(&detector), Leaks::default());
    assert_eq!(trace.mentions("planted-"), [""; 0]);
    let mut found = Vec::new();
    detector.search(&sandbox.path("."), &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs strace"]
fn the_trace_shows_a_library_that_looks_into_its_working_directory() {
    const PROGRAM: &str = "import onnxruntime
onnxruntime.InferenceSession(open('model.onnx', 'rb').read(), providers=['CPUExecutionProvider'])";
    let sandbox = Sandbox::new();
    sandbox.write("cwd/model.onnx", outside(PLANTED / 4, "planted-1.bin"));
    sandbox.write("cwd/planted-1.bin", weights());
    let mut session = sandbox.program(python());
    session.args(["-c", PROGRAM]);
    assert!(!Trace::run(&session).mentions("planted-1.bin").is_empty());
}

#[test]
#[ignore = "needs strace"]
fn the_trace_shows_plaintext_that_is_written() {
    let (sandbox, detector) = planted();
    let out = sandbox.path("out.onnx");
    let mut decrypt = sandbox.sealserve();
    decrypt.args(["model", "decrypt"]).arg(sandbox.home().join("models/planted.sealed")).arg("-o").arg(&out);
    let leaks = Trace::run(&decrypt).leaks(&detector);
    assert!(leaks.calls.iter().any(|call| call.starts_with("write(")), "{leaks:?}");
    assert!(detector.finds(&fs::read(out).unwrap()));
}

#[test]
#[ignore = "needs strace"]
fn the_trace_shows_what_onnx_runtime_writes_when_it_may() {
    let sandbox = Sandbox::new();
    let weights = weights();
    let plain = sandbox.write("planted.onnx", model(&weights));
    let mut session = sandbox.program(python());
    session.arg(repository().join("tests/peers/optimized_model.py")).arg(plain);
    session.arg(sandbox.path("optimized.onnx"));
    let leaks = Trace::run(&session).leaks(&Detector::new(&weights));
    assert!(leaks.calls.iter().any(|call| call.starts_with("write")), "{leaks:?}");
}

#[test]
#[ignore = "needs strace"]
fn the_trace_shows_shared_mappings_and_calls_that_hide_data() {
    const PROGRAM: &str = "import mmap, os
mmap.mmap(-1, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
a, b = os.pipe()
os.write(b, b'x')
os.splice(a, os.open('f', os.O_RDWR | os.O_CREAT), 1)";
    let sandbox = Sandbox::new();
    let mut python = sandbox.program(python());
    python.args(["-c", PROGRAM]);
    let leaks = Trace::run(&python).leaks(&Detector::new(&weights()));
    let shared = |call: &String| call.contains("PROT_WRITE") && call.contains("MAP_ANONYMOUS");
    assert!(leaks.mappings.iter().any(shared), "{leaks:?}");
    assert!(leaks.unseen.iter().any(|call| call.starts_with("splice")), "{leaks:?}");
}

/// An account that owns nothing: whoever runs the tests, or, where that is root,
/// to whom nothing is closed, an account without a name.
struct Account {
    uid: u32,
    sandbox: Sandbox,
}

impl Account {
    fn new() -> Self {
        const NOBODY: u32 = 65534;
        let sandbox = Sandbox::new();
        let uid = match rustix::process::geteuid() {
            root if root.is_root() => NOBODY,
            own => own.as_raw(),
        };
        Self { uid, sandbox }
    }

    /// `program` as this account.
    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if !rustix::process::geteuid().is_root() {
            return self.sandbox.program(program);
        }
        let mut command = self.sandbox.program("setpriv");
        let id = self.uid.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(program);
        command
    }

    /// A copy of `file` that this account can reach; the sandbox becomes its own.
    fn adopt(&self, file: &Path, name: &str) -> PathBuf {
        let copy = self.sandbox.path(name);
        fs::copy(file, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        for path in [self.sandbox.path("."), self.sandbox.path("cwd"), self.sandbox.path("tmp")] {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.uid)).unwrap();
        }
        copy
    }

    /// Whether this account can read the environment of process `pid`, for which
    /// the kernel asks the same as for its memory.
    fn can_look_into(&self, pid: u32) -> bool {
        let environment = format!("/proc/{pid}/environ");
        self.program("cat").arg(environment).output().unwrap().status.success()
    }
}

/// Memory of the process `pid` that is in RAM, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn the_weights_of_a_withdrawn_model_leave_memory() {
    const WEIGHTS: usize = 96 << 20;
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"large\"\npath = \"models/large.sealed\"\n");
    let plain = sandbox.write("large.onnx", model(&weights().repeat(WEIGHTS / PLANTED)));
    sandbox.encrypt(&plain, "large");
    let server = Server::start(&sandbox, &[]);
    let loaded = resident(server.pid());
    assert!(loaded > WEIGHTS as u64, "{loaded}");
    sandbox.ok(["key", "revoke", "model-1", "--unload"]);
    wait_until("they are gone", || resident(server.pid()) < loaded - WEIGHTS as u64 / 10 * 9);
}

#[test]
fn memory_is_closed_to_other_processes_of_the_same_user_and_to_core_dumps() {
    let account = Account::new();
    let program = account.adopt(Path::new(env!("CARGO_BIN_EXE_sealserve")), "sealserve");
    let library = account.adopt(&onnxruntime(), "libonnxruntime.so");
    let digits = account.adopt(&support::testdata("digits.onnx"), "digits.onnx");
    let mut serve = account.program(program);
    serve.args(["serve", "--ephemeral", "--runtime"]).arg(library).arg("--dev").arg(digits);
    let server = Server::spawn(&account.sandbox, serve);

    let process = PathBuf::from(format!("/proc/{}", server.pid()));
    assert_eq!(process.join("mem").metadata().unwrap().uid(), 0, "the memory belongs to root");
    assert!(!account.can_look_into(server.pid()));
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);

    // Any other program of that user is open to it.
    let mut other = account.program("sleep").arg("60").spawn().unwrap();
    wait_until("sleep runs", || {
        fs::read_to_string(format!("/proc/{}/comm", other.id())).unwrap().trim() == "sleep"
    });
    let open = account.can_look_into(other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(open, "this check could not have failed");
}
