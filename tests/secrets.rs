//! Where secrets come from and what must not get them, by the built binary: the programs
//! that it starts, the terminal that asks, and names that would steer the terminal.

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use rustix::termios::{LocalModes, tcgetattr};
use support::{Sandbox, text};

const KEY: &str = "5f3759df5f3759df5f3759df5f3759df5f3759df5f3759df5f3759df5f3759df";
const OTHER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A command that wraps, and writes down what it was given.
const LEAK: &str = r#"#!/bin/sh
cat /proc/$$/environ > environment
cat /proc/$$/fd/7 > descriptor 2>/dev/null
base64 -w0 | tr A-Za-z N-ZA-Mn-za-m
"#;

/// A sandbox with a model, a key and a file that is sealed for it.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("cwd/m.onnx", vec![5; 10_000]);
    sandbox.write_secret("cwd/key", KEY);
    sandbox.ok(["model", "encrypt", "m.onnx", "-o", "m.sealed", "--key-file", "key"]);
    let leak = sandbox.write("cwd/leak", LEAK);
    fs::set_permissions(leak, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
}

/// Runs a line of bash that finds the built binary as `$SEALSERVE`.
fn bash(sandbox: &Sandbox, line: &str) -> Output {
    let mut command = sandbox.program("bash");
    command.args(["-c", line]).env("SEALSERVE", env!("CARGO_BIN_EXE_sealserve")).output().unwrap()
}

#[test]
fn a_program_that_is_started_gets_no_variable_with_a_secret() {
    let sandbox = sandbox();
    let mut command = sandbox.sealserve();
    command
        .env("KEY_SECRET", KEY)
        .env("ROOT_SECRET", OTHER)
        // It names a secret, and need not even be used.
        .env("SEALSERVE_ROOT_KEY", "env:ROOT_SECRET")
        .env("COMMAND_TOKEN", "its own")
        .args(["model", "encrypt", "--force", "m.onnx", "--key-file", "env:KEY_SECRET"])
        .args(["--wrap-command", "./leak", "--command-key", "k"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let environment = text(&fs::read(sandbox.path("cwd/environment")).unwrap());
    assert!(environment.contains("COMMAND_TOKEN=its own"), "{environment}");
    for secret in [KEY, OTHER, "KEY_SECRET=", "ROOT_SECRET="] {
        assert!(!environment.contains(secret), "{environment}");
    }
    // The key was used all the same.
    sandbox.ok(["model", "verify", "m.sealed", "--key-file", "key"]);
}

#[test]
fn a_program_that_is_started_gets_no_descriptor_with_a_secret() {
    let sandbox = sandbox();
    let rest = "--wrap-command ./leak --command-key k";
    for key in ["fd:7", "/dev/fd/7", "/proc/self/fd/7"] {
        let line = format!("$SEALSERVE model encrypt --force m.onnx --key-file {key} {rest} 7< key");
        let output = bash(&sandbox, &line);
        assert!(output.status.success(), "{key}: {}", text(&output.stderr));
        let got = text(&fs::read(sandbox.path("cwd/descriptor")).unwrap());
        assert_eq!(got, "", "{key}");
    }
    // One that is no secret's is the command's own business.
    let output =
        bash(&sandbox, &format!("$SEALSERVE model encrypt --force m.onnx --key-file key {rest} 7< key"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&fs::read(sandbox.path("cwd/descriptor")).unwrap()), KEY);
}

#[test]
fn a_socket_gives_a_secret_and_a_list() {
    let sandbox = sandbox();
    for (arguments, given) in [
        (["model", "verify", "m.sealed", "--key-file", "fd:0"].as_slice(), KEY.as_bytes()),
        (&["model", "verify", "--key-file", "key", "--files0-from", "-"], b"m.sealed\0"),
    ] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(given).unwrap();
        drop(ours);
        let output = sandbox.sealserve().args(arguments).stdin(OwnedFd::from(theirs)).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_descriptor_is_read_from_where_it_stands() {
    let sandbox = sandbox();
    sandbox.write("cwd/list", b"not this\nm.sealed\0");
    sandbox.write_secret("cwd/two", format!("not this\n{KEY}\n"));
    for line in [
        "{ read line; $SEALSERVE model verify --key-file key --files0-from -; } < list",
        "{ read line <&7; $SEALSERVE model verify m.sealed --key-file fd:7; } 7< two",
    ] {
        let output = bash(&sandbox, line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
}

#[test]
fn a_descriptor_has_the_bounds_of_a_file() {
    let sandbox = sandbox();
    sandbox.write_secret("cwd/long", "5".repeat(100_000));
    sandbox.write("cwd/open", KEY);
    for (line, said) in [
        ("--key-file fd:7 7< long", "larger than"),
        ("--key-file fd:7 7< open", "readable by others"),
        ("--key-file fd:77", "cannot read '/dev/fd/77'"),
        ("--key-file fd:4294967295", "cannot read '/dev/fd/4294967295'"),
    ] {
        let output = bash(&sandbox, &format!("$SEALSERVE model verify m.sealed {line}"));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{line}: {stderr}");
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
}

/// Types `keys` where a passphrase is asked for. Returns the signal that ended the
/// program, its exit code, and how the terminal is left.
fn typed(sandbox: &Sandbox, keys: &[u8]) -> (Option<i32>, Option<i32>, LocalModes) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    // Kept open, so that the terminal stays.
    let terminal = open();
    let mut command = sandbox.program("setsid");
    command.args(["--wait", "--ctty", env!("CARGO_BIN_EXE_sealserve")]).args([
        "model",
        "encrypt",
        "--force",
        "m.onnx",
        "--ask-passphrase",
        "-o",
        "asked.sealed",
    ]);
    let mut child = command.stdin(open()).stdout(Stdio::null()).stderr(open()).spawn().unwrap();
    let mut controller = File::from(controller);
    let (mut shown, mut buffer) = (String::new(), [0; 4096]);
    let mut wait_for = |controller: &mut File, prompt: &str| {
        while !shown.contains(prompt) {
            let read = controller.read(&mut buffer).unwrap();
            shown.push_str(&text(&buffer[..read]));
        }
    };
    wait_for(&mut controller, "a passphrase for the model: ");
    assert!(!tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO));
    controller.write_all(keys).unwrap();
    if keys.ends_with(b"\n") {
        wait_for(&mut controller, "the same again: ");
        controller.write_all(keys).unwrap();
    }
    let status = child.wait().unwrap();
    (status.signal(), status.code(), tcgetattr(&terminal).unwrap().local_modes)
}

#[test]
fn a_terminal_shows_what_is_typed_again_after_an_interrupt() {
    let sandbox = sandbox();
    for (keys, signal) in
        [(b"\x03".as_slice(), Signal::INT), (b"half a phrase\x03", Signal::INT), (b"\x1c", Signal::QUIT)]
    {
        let (ended_by, _, modes) = typed(&sandbox, keys);
        assert_eq!(ended_by, Some(signal.as_raw()), "{keys:?}");
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ISIG), "{keys:?}: {modes:?}");
        assert!(!sandbox.path("cwd/asked.sealed").exists());
    }
    // Nothing is stopped with a terminal that shows nothing: ^Z has no effect.
    let (_, code, modes) = typed(&sandbox, b"correct horse \x1abattery staple\n");
    assert_eq!(code, Some(0));
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
    sandbox.write_secret("cwd/phrase", "correct horse battery staple");
    sandbox.ok(["model", "verify", "asked.sealed", "--passphrase", "phrase"]);
}

#[test]
fn the_name_of_a_file_neither_steers_the_terminal_nor_makes_rows() {
    let sandbox = sandbox();
    sandbox.write_secret("cwd/new", OTHER);
    let name = "ä\u{1b}]0;pwned\u{7}\r\u{9b}2J\nfailed  b.sealed";
    let good = sandbox.path("cwd/models").join(name);
    fs::create_dir(sandbox.path("cwd/models")).unwrap();
    fs::rename(sandbox.path("cwd/m.sealed"), &good).unwrap();
    fs::write(sandbox.path("cwd/models").join(format!("2{name}")), "no sealed file").unwrap();
    let steers = |said: &str| said.chars().any(|c| c.is_control() && c != '\n');
    let shown = r"ä\u{1b}]0;pwned\u{7}\r\u{9b}2J\nfailed  b.sealed";
    let command = ["model", "rewrap", "models", "--key-file", "key", "--new-key-file", "new"];

    let json = sandbox.run(command.iter().chain(&["--dry-run", "--format", "json"]));
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(document.to_string().contains("]0;pwned"));
    let paths = document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    assert!(paths.collect::<Vec<_>>().contains(&format!("models/{name}").as_str()), "{document}");

    let output = sandbox.run(command);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!steers(&stdout) && !steers(&stderr), "{stdout:?} {stderr:?}");
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    assert!(stdout.contains(&format!("done    models/{shown}\n")), "{stdout}");
    assert!(stdout.contains(&format!("failed  models/2{shown}\n")), "{stdout}");
    // Nor does a message have lines that begin like its own.
    assert!(stderr.contains(r"ä\u{1b}]0;pwned\u{7}\r\u{9b}2J"), "{stderr}");
    assert!(!stderr.lines().any(|line| line.starts_with("failed")), "{stderr}");
}
