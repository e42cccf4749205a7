//! Start, readiness, status, end.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::client::infer;
use crate::support::{PATIENCE, Sandbox, Server, onnxruntime, testdata, text, wait_until};
use crate::{FOREVER, GOOD, Served, slow};

fn terminate(server: &Server) {
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

/// Runs a `serve` that must not start, and returns what it says.
fn does_not_start(sandbox: &Sandbox, arguments: &[&str]) -> String {
    does_not_start_and_exits(1, sandbox, arguments)
}

fn does_not_start_and_exits(code: i32, sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = sandbox.serve_in_vain(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
    said
}

#[test]
fn sigterm_answers_what_is_in_flight_and_takes_nothing_new() {
    let served = Served::slow("", "");
    let mut idle = served.client();
    let mut client = served.client();
    client.send(infer("slow", &served.token, &slow(1500))).unwrap();
    wait_until("the request is there", || served.status()["requests"] == 1);
    terminate(&served.server);
    wait_until("no new connection", || TcpStream::connect(("127.0.0.1", served.server.port())).is_err());
    // The status still answers, and says so.
    let status = served.status();
    assert_eq!(status["ready"], false);
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    assert!(client.is_closed());
    assert!(idle.is_closed());
    let Served { server, sandbox, .. } = served;
    assert_eq!(server.ended().code(), Some(0));
    assert!(!sandbox.home().join("control.sock").exists());
}

#[test]
fn draining_has_an_end() {
    let served = Served::slow("", "[limits]\ndrain_timeout = \"500ms\"\ninference_timeout = \"1h\"\n");
    let mut client = served.client();
    client.send(infer("slow", &served.token, &slow(FOREVER))).unwrap();
    wait_until("the request is there", || served.status()["requests"] == 1);
    let Served { server, sandbox, .. } = served;
    assert_eq!(server.stop().code(), Some(0));
    assert!(client.is_closed());
    // What was cut is written down all the same.
    let log = fs::read_to_string(sandbox.home().join("audit/audit.jsonl")).unwrap();
    assert!(log.contains("\"client_gone\"") && log.contains("\"infer\""), "{log}");
}

#[test]
fn the_ready_file_names_process_and_address() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let server = Server::start(&sandbox, &[]);
    let files: Vec<_> = fs::read_dir(sandbox.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("ready-"))
        .collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let ready: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(ready, serde_json::json!({ "pid": server.pid(), "url": server.url }));
}

#[test]
fn status_says_what_the_server_does() {
    let served = Served::digits("");
    for _ in 0..3 {
        assert_eq!(served.infer(GOOD).status, 200);
    }
    served.infer("{}");
    served.infer(r#"{"inputs":[]}"#);
    let _open = served.client();
    wait_until("the connection is seen", || served.status()["connections"] == 1);
    let status = served.status();
    assert_eq!(status["schema"], "sealserve.status/v1");
    assert_eq!(status["pid"], served.server.pid());
    assert_eq!(status["url"], served.server.url.as_str());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["ready"], true);
    assert_eq!(status["keyring"], serde_json::json!({ "generation": 1, "unreadable_for_seconds": null }));
    assert_eq!(status["requests"], 5);
    assert_eq!(status["audit_lines_lost"], 0);
    assert_eq!(status["audit_healthy"], true);
    let models = status["models"].as_array().unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0]["name"], "digits");
    assert_eq!(models[0]["version"], "1");
    assert_eq!(models[0]["device"], "cpu");
    // It is small, and has one for each core.
    let cores = std::thread::available_parallelism().unwrap().get().min(16);
    assert_eq!(models[0]["sessions"], cores);
    assert_eq!(models[0]["waiting"], 0);
    assert_eq!(models[0]["done"], 3);
    assert_eq!(models[0]["failed"], 1);
    let shown = served.sandbox.ok(["status"]);
    assert!(shown.contains("ready") && shown.contains("digits"), "{shown}");
}

#[test]
fn status_waits_for_a_server_that_is_still_starting() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let said = sandbox.fails(1, ["status"]);
    assert!(said.contains("no server runs") && said.contains("hint: "), "{said}");
    sandbox.fails(1, ["status", "--wait", "200ms"]);
    let mut waiting = sandbox.sealserve();
    waiting.args(["status", "--wait", &format!("{}s", PATIENCE.as_secs()), "--format", "json"]);
    let waiting = waiting.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let server = Server::start(&sandbox, &[]);
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success());
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["pid"], server.pid());
    assert_eq!(status["ready"], true);
}

#[test]
fn the_control_socket_is_for_its_owner_and_survives_nonsense() {
    use std::io::{Read, Write};
    let served = Served::digits("");
    let socket = served.sandbox.home().join("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for nonsense in ["", "\n", "{}\n", "{\"command\":\"status\",\"x\":1}\n", "[[[[\n", &"x".repeat(100_000)] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let _ = stream.write_all(nonsense.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("pid"), "{nonsense}: {answer}");
    }
    assert_eq!(served.status()["ready"], true);
}

#[test]
fn a_valid_file_under_a_wrong_name_or_for_a_revoked_key_is_not_served() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let sealed = sandbox.home().join("models/digits.sealed");
    let good = fs::read(&sealed).unwrap();

    sandbox.encrypt(&testdata("digits.onnx"), "other");
    fs::copy(sandbox.home().join("models/other.sealed"), &sealed).unwrap();
    let said = does_not_start(&sandbox, &["--listen", "127.0.0.1:0"]);
    assert!(
        said.contains("holds model 'other version 1', but is configured as 'digits version 1'"),
        "{said}"
    );

    fs::write(&sealed, good).unwrap();
    sandbox.ok(["key", "revoke", "model-1"]);
    let output = sandbox
        .sealserve()
        .env("ORT_DYLIB_PATH", onnxruntime())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("no key opens"), "{}", text(&output.stderr));
}

#[test]
fn a_home_has_one_server() {
    let served = Served::digits("");
    let said = does_not_start(&served.sandbox, &["--listen", "127.0.0.1:0"]);
    assert!(said.contains("another server uses") && said.contains("--home"), "{said}");
    // The first one does not notice.
    assert_eq!(served.status()["pid"], served.server.pid());
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn a_killed_server_leaves_nothing_that_stops_the_next() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    // Dropped, it is killed: socket and lock file stay.
    drop(Server::start(&sandbox, &[]));
    assert!(sandbox.home().join("control.sock").exists());
    let said = sandbox.fails(1, ["status"]);
    assert!(said.contains("no server runs"), "{said}");
    let served = Served::start(sandbox);
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn a_taken_port_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let said = does_not_start(&sandbox, &["--listen", &address.to_string()]);
    assert!(said.contains(&format!("port {} of 127.0.0.1 is taken", address.port())), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn what_others_can_read_is_refused_with_the_remedy() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let (home, key) = (sandbox.home(), sandbox.home().join("pki/server.key"));
    let (keyring, root) = (home.join("keyring.json"), sandbox.path("config/sealserve/root.key"));
    for (path, mode, good) in [
        (&home, 0o755, 0o700),
        (&home, 0o701, 0o700),
        (&key, 0o644, 0o600),
        (&key, 0o640, 0o600),
        (&keyring, 0o604, 0o600),
        // A credential, so exit code 4.
        (&root, 0o644, 0o600),
    ] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let code = if path == &root { 4 } else { 1 };
        let said = does_not_start_and_exits(code, &sandbox, &["--listen", "127.0.0.1:0"]);
        assert!(said.contains(&format!("chmod {good:o} {}", path.display())), "{said}");
        fs::set_permissions(path, Permissions::from_mode(good)).unwrap();
    }
    let _server = Server::start(&sandbox, &[]);
}

#[test]
fn a_home_that_is_not_there_or_cannot_be_read_says_so() {
    let sandbox = Sandbox::new();
    let said = does_not_start(&sandbox, &[]);
    assert!(said.contains("sealserve init"), "{said}");
    sandbox.init_with_digits("");
    for (name, hint) in [
        ("pki/server.key", "server.key"),
        ("pki/server.pem", "server.pem"),
        ("models/digits.sealed", "digits"),
    ] {
        let (path, away) = (sandbox.home().join(name), sandbox.path("away"));
        fs::rename(&path, &away).unwrap();
        let said = does_not_start(&sandbox, &["--listen", "127.0.0.1:0"]);
        assert!(said.contains(hint), "{said}");
        fs::rename(&away, &path).unwrap();
    }
}

#[test]
fn a_check_finds_what_a_start_would_fail_for() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("[audit]\npath = \"audit/audit.jsonl\"\n");
    let config = sandbox.home().join("sealserve.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let checked = |arguments: &[&str], said: &str| {
        let output = sandbox.serve_in_vain(&[&["--check"], arguments].concat());
        let stderr = text(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{said}: {stderr}");
    };
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        std::fs::write(&config, good.replace(from, to)).unwrap();
    };
    let output = sandbox.serve_in_vain(&["--check", "--listen", "127.0.0.1:0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    checked(&["--listen", &port], "is taken");
    checked(&["--listen", "192.0.2.1:8443"], "this machine has no such address");
    let free = ["--listen", "127.0.0.1:0"];
    checked(&[&free[..], &["--ready-file", "/nowhere/at/all/ready"]].concat(), "/nowhere/at/all/ready");
    change("audit/audit.jsonl", "/nowhere/at/all/audit.jsonl");
    checked(&free, "/nowhere/at/all/audit.jsonl");
    std::fs::write(&config, &good).unwrap();
    // A server that runs there has the port and the socket by right.
    let server = Server::start(&sandbox, &[]);
    let running = server.url.rsplit(':').next().unwrap().to_owned();
    let output = sandbox.serve_in_vain(&["--check", "--listen", &format!("127.0.0.1:{running}")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    drop(server);
    // A path that the kernel takes for no socket.
    let long = sandbox.path(&"long".repeat(25));
    let long = long.to_str().unwrap();
    sandbox.ok(["init", "--home", long]);
    checked(&["--home", long], "the path of a socket has 107 bytes at most");
    assert!(!std::path::Path::new(long).join("control.sock").exists());
}
