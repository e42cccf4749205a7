//! Bad input of the `model` verbs, on real files, by the built binary: each gets
//! an exit code and a message that names the file and the next step, and leaves
//! no file behind.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::{Sandbox, text, wait_until};

const PREAMBLE: usize = 4096;
const SLOT: usize = 8192;
const PAYLOAD: usize = PREAMBLE + 2 * SLOT;
const SALT: usize = 24;
const PREFIX: usize = SALT + 32;
const CHUNK: usize = 16384;
const SEALED: usize = CHUNK + 16;

/// A key and a sealed model of two chunks and a bit.
struct Case {
    sandbox: Sandbox,
    model: Vec<u8>,
    sealed: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        Self::of(2 * CHUNK + 100)
    }

    fn of(length: usize) -> Self {
        let sandbox = Sandbox::new();
        let model = noise(length);
        sandbox.write("model.onnx", &model);
        sandbox.ok(["key", "create", "--use", "model", "--out", path(&sandbox, "key")]);
        sandbox.ok(["model", "encrypt", path(&sandbox, "model.onnx"), "--key-file", path(&sandbox, "key")]);
        let sealed = fs::read(sandbox.path("model.sealed")).unwrap();
        assert_eq!(sealed.len(), PAYLOAD + PREFIX + length + 16 * (length / CHUNK + 1));
        Self { sandbox, model, sealed }
    }

    fn path(&self, name: &str) -> &'static str {
        path(&self.sandbox, name)
    }

    /// Runs a `model` verb with the key; the directory `out` is for its output.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.sandbox.sealserve();
        command.arg("model").args(arguments).args(["--key-file", self.path("key")]).output().unwrap()
    }

    /// Decrypts and verifies `bytes`, which both must refuse: `decrypt` with 1,
    /// `verify` with 3, and nothing is left where the output was to be.
    fn refused(&self, what: &str, bytes: &[u8]) -> String {
        let bad = self.sandbox.write("bad.sealed", bytes);
        let bad = bad.to_str().unwrap();
        let directory = self.sandbox.path("out");
        fs::create_dir_all(&directory).unwrap();
        let output = self.run(&["decrypt", bad, "-o", self.path("out/model")]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        explains(&said, bad);
        assert_eq!(names(&directory), [""; 0], "{what}");
        let verified = self.run(&["verify", bad]);
        assert_eq!(verified.status.code(), Some(3), "{what}: {}", text(&verified.stderr));
        assert_eq!((text(&verified.stderr), verified.stdout), (said.clone(), Vec::new()), "{what}");
        said
    }

    fn flipped(&self, at: usize) -> Vec<u8> {
        let mut bytes = self.sealed.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    }
}

fn path(sandbox: &Sandbox, name: &str) -> &'static str {
    // Arguments outlive the test either way.
    sandbox.path(name).to_str().unwrap().to_owned().leak()
}

/// Bytes that do not repeat, and are the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names: BTreeSet<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.into_iter().collect()
}

/// The message names the file, says what is wrong, and what to do next.
fn explains(said: &str, file: &str) {
    // What is encrypted here is no ONNX model, and that is warned of.
    let first = said.lines().find(|line| !line.starts_with("warning: ")).unwrap_or_default();
    assert!(first.starts_with("error: ") && first.contains(&format!("'{file}'")), "{file}: {said}");
    assert!(said.contains("\nhint: "), "{file}: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_file_that_is_not_sealed_is_refused() {
    let case = Case::new();
    for (what, bytes, expected) in [
        ("empty", Vec::new(), "it is cut short: it holds 0 of the 8 bytes"),
        ("one byte", vec![0x89], "it is cut short: it holds 1 of the 8 bytes"),
        ("another byte", vec![b'x'], "it is not a sealed model"),
        ("the model itself", case.model.clone(), "it is not a sealed model"),
    ] {
        let said = case.refused(what, &bytes);
        assert!(said.contains(expected), "{what}: {said}");
    }
    let inspected = case.sandbox.fails(1, ["model", "inspect", case.path("model.onnx")]);
    explains(&inspected, case.path("model.onnx"));
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let case = Case::new();
    let length = case.sealed.len();
    let boundaries = [
        8,
        64,
        PREAMBLE,
        PREAMBLE + 4,
        PREAMBLE + SLOT - 32,
        PREAMBLE + SLOT,
        PAYLOAD,
        PAYLOAD + SALT,
        PAYLOAD + PREFIX,
        PAYLOAD + PREFIX + SEALED,
        PAYLOAD + PREFIX + 2 * SEALED,
        PAYLOAD + PREFIX + 2 * SEALED + 16,
        length - 16,
        length,
    ];
    let ends: BTreeSet<usize> = boundaries
        .iter()
        .flat_map(|end| [end - 1, *end, end + 1])
        .chain((0..length).step_by(3001))
        .filter(|end| *end < length)
        .collect();
    for end in ends {
        case.refused(&format!("the first {end} bytes"), &case.sealed[..end]);
    }
}

#[test]
fn appended_bytes_are_refused() {
    let case = Case::new();
    for more in [1, 16, 17, SEALED - 116, SEALED, 3 * SEALED] {
        let bytes = [&case.sealed[..], &vec![0; more]].concat();
        case.refused(&format!("{more} more bytes"), &bytes);
    }
    let twice = [&case.sealed[..], &case.sealed[..]].concat();
    case.refused("the file twice", &twice);
}

#[test]
fn a_flipped_bit_in_preamble_prefix_or_payload_is_refused() {
    let case = Case::new();
    let chunk = |i: usize| PAYLOAD + PREFIX + i * SEALED;
    let places = [
        ("magic", 0),
        ("version", 9),
        ("suite", 11),
        ("flags", 15),
        ("artifact id", 16),
        ("slot length", 34),
        ("payload offset", 38),
        ("reserved bytes", 40),
        ("the end of the preamble", PREAMBLE - 1),
        ("salt", PAYLOAD),
        ("salt's end", PAYLOAD + SALT - 1),
        ("commitment", PAYLOAD + SALT),
        ("commitment's end", PAYLOAD + PREFIX - 1),
        ("first chunk", chunk(0)),
        ("first tag", chunk(1) - 1),
        ("second chunk", chunk(1) + 8000),
        ("second tag", chunk(2) - 16),
        ("last chunk", chunk(2) + 3),
        ("last tag", case.sealed.len() - 1),
    ];
    for (what, at) in places {
        case.refused(what, &case.flipped(at));
    }
}

#[test]
fn swapped_repeated_and_missing_chunks_are_refused() {
    let case = Case::new();
    let (head, chunks) = case.sealed.split_at(PAYLOAD + PREFIX);
    let (first, rest) = chunks.split_at(SEALED);
    let (second, last) = rest.split_at(SEALED);
    for (what, parts) in [
        ("swapped", [head, second, first, last]),
        ("repeated", [head, first, first, last]),
        ("missing", [head, first, last, &[]]),
        ("the last one missing", [head, first, second, &[]]),
    ] {
        case.refused(what, &parts.concat());
    }
    // The payload of another file under the same key.
    assert!(
        case.run(&["encrypt", case.path("model.onnx"), "-o", case.path("other.sealed")]).status.success()
    );
    let other = fs::read(case.sandbox.path("other.sealed")).unwrap();
    case.refused("another's payload", &[&case.sealed[..PAYLOAD], &other[PAYLOAD..]].concat());
}

#[test]
fn one_damaged_slot_is_survived_with_a_warning_and_fails_verification() {
    let case = Case::new();
    let offsets = [0, 5, 100, SLOT / 2, SLOT - 33, SLOT - 32, SLOT - 1];
    for (slot, start) in [("A", PREAMBLE), ("B", PREAMBLE + SLOT)] {
        for offset in offsets {
            let bad = case.sandbox.write("bad.sealed", case.flipped(start + offset));
            let bad = bad.to_str().unwrap();
            let output = case.run(&["decrypt", bad]);
            assert!(output.status.success() && output.stdout == case.model, "{slot} {offset}");
            let said = text(&output.stderr);
            assert!(said.contains("warning: one of the two headers") && said.contains(bad), "{said}");
            // Quiet or not: who restores the file must hear of it.
            assert!(text(&case.run(&["decrypt", "--quiet", bad]).stderr).starts_with("warning:"));
            let verified = case.run(&["verify", bad]);
            assert_eq!(verified.status.code(), Some(3), "{slot} {offset}");
            explains(&text(&verified.stderr), bad);
            assert!(text(&verified.stderr).contains(&format!("header slot {slot} is damaged")));
        }
    }
    for offset in offsets {
        let mut bytes = case.flipped(PREAMBLE + offset);
        bytes[PREAMBLE + SLOT + 7] ^= 1;
        let said = case.refused("both slots", &bytes);
        assert!(said.contains("both of its header slots are damaged"), "{said}");
    }
}

#[test]
fn the_wrong_key_is_a_refused_credential() {
    let case = Case::new();
    case.sandbox.ok(["key", "create", "--use", "model", "--out", case.path("wrong")]);
    fs::create_dir(case.sandbox.path("out")).unwrap();
    for arguments in [
        vec!["decrypt", case.path("model.sealed"), "-o", case.path("out/model")],
        vec!["verify", case.path("model.sealed")],
        vec!["inspect", case.path("model.sealed")],
    ] {
        let key = ["--key-file", case.path("wrong")];
        let said = case.sandbox.fails(4, ["model"].iter().chain(&arguments).chain(&key));
        explains(&said, case.path("model.sealed"));
    }
    assert_eq!(names(&case.sandbox.path("out")), [""; 0]);
    // A model that says nothing of the key is inspected all the same, unproven.
    let shown = case.sandbox.ok(["model", "inspect", case.path("model.sealed")]);
    assert!(shown.contains("nothing above is proven") && !shown.contains("name "), "{shown}");
}

#[test]
fn a_key_file_that_is_no_key_is_a_refused_credential() {
    let case = Case::new();
    fs::create_dir(case.sandbox.path("out")).unwrap();
    for (what, bytes) in [
        ("empty", vec![]),
        ("31 bytes", noise(31)),
        ("33 bytes", noise(33)),
        ("63 digits", vec![b'a'; 63]),
        ("text", vec![b'z'; 64]),
        ("the text of a shorter key", vec![b'a'; 32]),
        ("a large file", noise(100_000)),
    ] {
        let key = case.sandbox.write_secret("bad.key", bytes);
        let key = key.to_str().unwrap();
        for arguments in [
            ["encrypt", case.path("model.onnx"), "-o", case.path("out/new")],
            ["decrypt", case.path("model.sealed"), "-o", case.path("out/new")],
        ] {
            let said = case.sandbox.fails(4, ["model"].iter().chain(&arguments).chain(&["--key-file", key]));
            assert!(said.contains(&format!("'{key}'")) && said.contains("hint: "), "{what}: {said}");
        }
    }
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let key = case.sandbox.path("key");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let output = case.run(&["encrypt", case.path("model.onnx"), "-o", case.path("out/new")]);
        assert_eq!(output.status.code(), Some(4), "{mode:o}");
        explains(&text(&output.stderr), case.path("key"));
        assert!(text(&output.stderr).contains("hint: run `chmod 600 "));
    }
    assert_eq!(names(&case.sandbox.path("out")), [""; 0]);
}

#[test]
fn inputs_that_are_missing_or_directories_are_named() {
    let case = Case::new();
    for verb in ["encrypt", "decrypt", "verify", "inspect"] {
        for input in ["absent", "out"] {
            fs::create_dir_all(case.sandbox.path("out")).unwrap();
            let output = case.run(&[verb, case.path(input)]);
            assert_eq!(output.status.code(), Some(1), "{verb} {input}");
            explains(&text(&output.stderr), case.path(input));
        }
    }
    assert!(!case.sandbox.path("out.sealed").exists() && !case.sandbox.path("absent.sealed").exists());
}

#[test]
fn outputs_that_cannot_be_made_are_named() {
    let case = Case::new();
    fs::create_dir(case.sandbox.path("directory")).unwrap();
    // Not a device such as /dev/null, which root would lose if this failed.
    assert!(case.sandbox.program("mkfifo").arg(case.path("pipe")).status().unwrap().success());
    symlink("pipe", case.sandbox.path("link")).unwrap();
    for (output, force) in [
        ("/proc/sealed", false),
        ("/sys/sealed", true),
        (case.path("absent/sealed"), false),
        (case.path("key/sealed"), false),
        (case.path("directory"), true),
        (case.path("pipe"), true),
        (case.path("link"), true),
    ] {
        for (verb, input) in [("encrypt", "model.onnx"), ("decrypt", "model.sealed")] {
            let mut arguments = vec![verb, case.path(input), "-o", output];
            arguments.extend(force.then_some("--force"));
            let done = case.run(&arguments);
            assert_eq!(done.status.code(), Some(1), "{verb} {output}: {}", text(&done.stderr));
            let parent = output.rsplit_once('/').unwrap().0;
            let said = text(&done.stderr);
            let says = |what: String| said.starts_with(&format!("error: {what}"));
            assert!(
                says(format!("cannot create '{output}'"))
                    || says(format!("cannot open directory '{parent}'"))
                    || says(format!("'{output}' is no regular file"))
                    || says(format!("'{output}' exists already")) && said.contains("a directory is never"),
                "{said}"
            );
        }
    }
    assert!(fs::metadata(case.sandbox.path("link")).unwrap().file_type().is_fifo());
}

#[test]
fn what_exists_is_kept_links_included() {
    let case = Case::new();
    case.sandbox.write("out/kept", "kept");
    symlink("kept", case.sandbox.path("out/link")).unwrap();
    symlink("nowhere", case.sandbox.path("out/dangling")).unwrap();
    let before = names(&case.sandbox.path("out"));
    for name in ["out/kept", "out/link", "out/dangling"] {
        let output = case.run(&["decrypt", case.path("model.sealed"), "-o", case.path(name)]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        explains(&text(&output.stderr), case.path(name));
    }
    assert_eq!(names(&case.sandbox.path("out")), before);
    // Forced, the link itself is replaced; what it led to stays as it is.
    for name in ["out/link", "out/dangling"] {
        let output = case.run(&["decrypt", "--force", case.path("model.sealed"), "-o", case.path(name)]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let file = case.sandbox.path(name);
        assert!(file.symlink_metadata().unwrap().is_file() && fs::read(file).unwrap() == case.model);
    }
    assert_eq!(fs::read(case.sandbox.path("out/kept")).unwrap(), b"kept");
    assert_eq!(names(&case.sandbox.path("out")), before);
    // A failure with --force keeps the old file.
    let bad = case.sandbox.write("bad.sealed", case.flipped(case.sealed.len() - 1));
    let bad = bad.to_str().unwrap();
    case.run(&["decrypt", "--force", bad, "-o", case.path("out/kept")]);
    assert_eq!(fs::read(case.sandbox.path("out/kept")).unwrap(), b"kept");
    assert_eq!(names(&case.sandbox.path("out")), before);
}

#[test]
fn a_model_may_be_replaced_by_its_own_encryption() {
    let case = Case::new();
    let model = case.path("model.onnx");
    assert!(case.run(&["encrypt", model, "-o", model, "--force"]).status.success());
    assert!(case.run(&["decrypt", model, "-o", model, "--force"]).status.success());
    assert_eq!(fs::read(model).unwrap(), case.model);
}

#[test]
fn a_full_disk_leaves_nothing() {
    let case = Case::of(3 << 20);
    let directory = case.sandbox.path("full");
    fs::create_dir(&directory).unwrap();
    for (verb, input) in [("encrypt", "model.onnx"), ("decrypt", "model.sealed")] {
        let output = format!("{}/out", directory.display());
        let command =
            format!("\"$@\" model {verb} {} --key-file {} -o {output}", case.path(input), case.path("key"));
        // Where a small file system can be mounted; a limit on the size of files
        // does the same elsewhere.
        let mounted = format!("mount -t tmpfs -o size=1m none {} && {command}", directory.display());
        let binary = env!("CARGO_BIN_EXE_sealserve");
        let can_mount = case
            .sandbox
            .program("unshare")
            .args(["-m", "mount", "-t", "tmpfs", "none"])
            .arg(&directory)
            .output();
        if can_mount.is_ok_and(|output| output.status.success()) {
            let listed = format!("{mounted}; code=$?; ls -A {} >&2; exit $code", directory.display());
            let done = case
                .sandbox
                .program("unshare")
                .args(["-m", "bash", "-c", &listed, "bash", binary])
                .output()
                .unwrap();
            let said = text(&done.stderr);
            assert_eq!(done.status.code(), Some(1), "{said}");
            explains(&said, &output);
            assert!(said.contains("cause: No space left on device"), "{said}");
            assert!(said.ends_with("free some space, then run it again\n"), "{said}");
        }
        let limited = format!("trap '' XFSZ; ulimit -f 1000; {command}");
        let done = case.sandbox.program("bash").args(["-c", &limited, "bash", binary]).output().unwrap();
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("error: cannot write '{output}'")), "{said}");
        assert_eq!(names(&directory), [""; 0]);
        // And where the signal is not ignored, it kills.
        let killed = format!("ulimit -f 1000; exec {command}");
        let done = case.sandbox.program("bash").args(["-c", &killed, "bash", binary]).output().unwrap();
        assert!(!done.status.success());
        assert_eq!(names(&directory), [""; 0]);
    }
}

/// Sends `signal` by its name.
fn signal(child: &Child, signal: &str) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

#[test]
fn a_kill_in_the_middle_leaves_nothing() {
    let case = Case::new();
    let directory = case.sandbox.path("out");
    fs::create_dir(&directory).unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15), ("KILL", 9)] {
        for (verb, bytes) in [("encrypt", &noise(4 << 20)), ("decrypt", &case.sealed)] {
            let mut child = case
                .sandbox
                .sealserve()
                .args(["model", verb, "-", "-o", case.path("out/file"), "--key-file", case.path("key")])
                .args(if verb == "encrypt" { &["--name", "m"][..] } else { &[] })
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            input.write_all(&bytes[..bytes.len() - 50]).unwrap();
            // It has read what there is, and waits for more.
            wait_until("the input is read", || sleeps(child.id()));
            signal(&child, name);
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(number), "{verb} {status}");
            assert_eq!(names(&directory), [""; 0], "{verb} {name}");
        }
    }
}

/// Whether a process waits, with nothing to do.
fn sleeps(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let asleep = stat.rsplit(") ").next().unwrap().starts_with('S');
    let busy = |time: &str| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap() != time;
    std::thread::sleep(Duration::from_millis(100));
    asleep && !busy(&stat)
}

/// Feeds `input` to a command and returns what it wrote.
fn piped(mut command: Command, input: Vec<u8>, pause: Option<(usize, Duration)>) -> Vec<u8> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || match pause {
        None => stdin.write_all(&input).unwrap(),
        Some((piece, pause)) => input.chunks(piece).for_each(|piece| {
            stdin.write_all(piece).unwrap();
            std::thread::sleep(pause);
        }),
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

fn round_trip(case: &Case, length: usize, pause: Option<(usize, Duration)>) {
    let verb = |verb: &str| {
        let mut command = case.sandbox.sealserve();
        command.args(["model", verb, "-", "--key-file", case.path("key")]);
        command
    };
    let model = noise(length);
    let mut encrypt = verb("encrypt");
    encrypt.args(["--name", "m", "-o", "-"]);
    let sealed = piped(encrypt, model.clone(), pause);
    assert_eq!(sealed.len(), PAYLOAD + PREFIX + length + 16 * (length / CHUNK + 1), "{length}");
    piped(verb("verify"), sealed.clone(), pause);
    assert!(piped(verb("decrypt"), sealed, pause) == model, "{length}");
}

#[test]
fn streams_of_every_length_go_through_pipes() {
    let case = Case::new();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 64 * CHUNK - 1, 64 * CHUNK, (1 << 20) + 1, 50 << 20] {
        round_trip(&case, length, None);
    }
}

#[test]
fn a_slow_stream_is_the_same_as_a_fast_one() {
    round_trip(&Case::new(), 3 * CHUNK + 5, Some((1777, Duration::from_millis(2))));
}

#[test]
fn a_stream_that_is_cut_short_says_so_by_its_exit_code() {
    let case = Case::new();
    let cut = case.sandbox.write("cut", &case.sealed[..case.sealed.len() - 1]);
    let mut command = case.sandbox.sealserve();
    command.args(["model", "decrypt", "--key-file", case.path("key")]);
    let output = command.stdin(fs::File::open(cut).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    explains(&text(&output.stderr), "standard input");
    // What came out before is authentic and in order.
    assert!(case.model.starts_with(&output.stdout) && output.stdout.len() < case.model.len());
}

#[test]
fn a_file_that_grows_while_it_is_read_is_no_model() {
    let case = Case::new();
    // /proc files say that they are empty.
    let output = case.run(&["encrypt", "/proc/self/status", "-o", case.path("status.sealed")]);
    assert_eq!(output.status.code(), Some(1));
    explains(&text(&output.stderr), "/proc/self/status");
    assert!(!case.sandbox.path("status.sealed").exists());
}

/// The most memory that a command ever held, in KiB.
fn peak(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut sink, mut peak) = (child.stdout.take().unwrap(), 0);
    let mut buffer = vec![0; 1 << 20];
    while sink.read(&mut buffer).unwrap() > 0 {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.map_or(peak, |line| line.trim().trim_end_matches(" kB").parse().unwrap());
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 1024, "{peak}");
    peak
}

fn memory_of_streaming(gigabytes: u64) -> u64 {
    let case = Case::new();
    let model = case.sandbox.path("large.onnx");
    fs::File::create(&model).unwrap().set_len(gigabytes << 30).unwrap();
    let verb = |verb: &str, input: &PathBuf| {
        let mut command = case.sandbox.sealserve();
        command.args(["model", verb, "-o", "-", "--key-file", case.path("key")]).arg(input);
        command
    };
    let encrypting = peak(verb("encrypt", &model));
    let sealed = case.sandbox.path("large.sealed");
    assert!(
        case.run(&["encrypt", case.path("large.onnx"), "-o", case.path("large.sealed")]).status.success()
    );
    let piped = |verb: &str, input: &PathBuf| {
        let mut command = case.sandbox.sealserve();
        command.args(["model", verb, "-", "-o", "-", "--key-file", case.path("key")]);
        command.args(if verb == "encrypt" { &["--name", "m"][..] } else { &[] });
        command.stdin(fs::File::open(input).unwrap());
        peak(command)
    };
    let streaming = piped("encrypt", &model).max(piped("decrypt", &sealed));
    encrypting.max(peak(verb("decrypt", &sealed))).max(streaming)
}

#[test]
#[ignore = "long: writes and reads 1 GiB"]
fn memory_is_constant_for_streams() {
    let kibibytes = memory_of_streaming(1);
    assert!(kibibytes < 64 << 10, "{kibibytes} KiB");
}
