//! A log that nobody reads: whoever was to read it has gone, or stands still. The server
//! goes on without it, and revocations are followed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::support::{Sandbox, Server, generation, wait_until};
use crate::{Answer, GOOD, Served, refused};

/// `y = d[i]`, of four numbers: the kernel itself finds that an index is none, and says so
/// in the log.
fn gather() -> Vec<u8> {
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }
    let value = |name: &[u8], data_type: u8| {
        let shape = field(1, &field(2, b"k"));
        let tensor = [vec![1 << 3, data_type], field(2, &shape)].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let name = field(3, b"node\n2026-01-01T00:00:00Z  INFO forged");
    let node = [field(1, b"d"), field(1, b"i"), field(2, b"y"), name, field(4, b"Gather")].concat();
    let weight = [vec![1 << 3, 4, 2 << 3, 1], field(8, b"d"), field(9, &[0; 16])].concat();
    let graph = [
        field(1, &node),
        field(2, b"g"),
        field(5, &weight),
        field(11, &value(b"i", 7)),
        field(12, &value(b"y", 1)),
    ];
    [vec![1 << 3, 8], field(7, &graph.concat()), field(8, &[2 << 3, 17])].concat()
}

fn index(index: i64) -> String {
    format!(r#"{{"inputs":[{{"name":"i","shape":[1],"datatype":"INT64","data":[{index}]}}]}}"#)
}

/// A server whose log goes into a pipe, and the end of it that is read.
struct Logged {
    served: Served,
    key: String,
    reader: File,
}

impl Logged {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let table = |name| format!("[[model]]\nname = \"{name}\"\npath = \"models/{name}.sealed\"\n");
        sandbox.init(&["digits", "gather"].map(table).concat());
        sandbox.encrypt(&crate::testdata("digits.onnx"), "digits");
        sandbox.encrypt(&sandbox.write("gather.onnx", gather()), "gather");
        let create = ["apikey", "create", "--quiet", "--subject", "ann", "--scope", "model:*:*", "-o", "-"];
        let key = sandbox.ok(create).trim().to_owned();
        let pipe = sandbox.path("log");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = open(&pipe, false);
        let mut command = sandbox.program("sh");
        command.args(["-c", "exec 2>\"$0\"; exec \"$@\""]).arg(&pipe);
        command.args([env!("CARGO_BIN_EXE_sealserve"), "serve"]);
        let server = Server::spawn(&sandbox, command);
        let token = sandbox.mint("ann", "model:*:*");
        Self { served: Served { server, token, sandbox }, key, reader }
    }

    /// Puts so much into the pipe that nothing more goes in.
    fn fill(&self) {
        let mut pipe = open(&self.served.sandbox.path("log"), true);
        for size in [4096, 1] {
            loop {
                match pipe.write(&[b'.'; 4096][..size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn by_key(&self) -> Answer {
        let body = format!("@{}", self.served.sandbox.write("body", GOOD).display());
        let key = format!("X-Api-Key: {}", self.key);
        self.served.curl("/v2/models/digits/infer", &["-H", &key, "--data-binary", &body])
    }

    /// What is to hold whatever becomes of the log.
    fn goes_on(&self, failures: usize) {
        let Served { sandbox, .. } = &self.served;
        assert_eq!(self.by_key().status, 200);
        for _ in 0..failures {
            let answer = self.served.post("gather", &[], index(9).as_bytes());
            assert_eq!((answer.status, &answer.json()["code"]), (400, &"invalid_input".into()));
        }
        assert_eq!(self.served.post("gather", &[], index(1).as_bytes()).status, 200);
        let file = sandbox.write_secret("leaked", &self.key);
        // The second time there is a line already that nobody took.
        for _ in 0..2 {
            let before = generation(sandbox);
            sandbox.ok([
                "apikey",
                "create",
                "--quiet",
                "--subject",
                "bob",
                "--scope",
                "model:*:*",
                "-o",
                "-",
            ]);
            wait_until("the keyring is followed", || generation(sandbox) > before);
        }
        sandbox.ok(["apikey", "revoke", "--compromised", "--key-file", file.to_str().unwrap()]);
        wait_until("it is revoked", || self.by_key().status == 401);
        refused("revoked", &self.by_key(), 401, "invalid_api_key");
        assert_eq!(self.served.infer(GOOD).status, 200);
    }
}

fn open(pipe: &std::path::Path, write: bool) -> File {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(!write).write(write).custom_flags(flags).open(pipe).unwrap()
}

/// Tells `server` to end, and how it does.
fn end(server: Server) -> (Option<i32>, Option<i32>) {
    let status = server.stop();
    (status.code(), status.signal())
}

#[test]
fn a_server_whose_log_is_gone_serves_and_revokes_on() {
    let mut logged = Logged::new();
    let mut said = String::new();
    let _ = logged.reader.read_to_string(&mut said);
    assert!(said.contains("ready url="), "{said}");
    // Nobody reads any more, and whoever writes is told so.
    logged.reader = File::open("/dev/null").unwrap();
    logged.goes_on(3);
    assert_eq!(end(logged.served.server), (Some(0), None));
}

#[test]
fn a_server_whose_log_stands_still_serves_and_revokes_on() {
    let logged = Logged::new();
    logged.fill();
    logged.goes_on(3);
    assert_eq!(end(logged.served.server), (Some(0), None));
}

#[test]
fn what_could_not_be_written_at_once_is_written_when_it_can_be() {
    let mut logged = Logged::new();
    logged.fill();
    logged.goes_on(1);
    let stop = std::thread::spawn(move || end(logged.served.server));
    let mut said = Vec::new();
    // The pipe ends with the server.
    loop {
        match logged.reader.read_to_end(&mut said) {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(stop.join().unwrap(), (Some(0), None));
    let said = String::from_utf8_lossy(&said);
    let lines = ["ready url=", "indices element out of data bounds", "keyring changed", "draining"];
    let places = lines.map(|line| said.find(line).unwrap_or_else(|| panic!("{line}: {said}")));
    assert!(places.is_sorted(), "{said}");
    // The name of a node is quoted, and makes no line of its own.
    let quoted: Vec<&str> = said.lines().filter(|line| line.contains("INFO forged")).collect();
    assert!(quoted.len() == 1 && quoted[0].contains("ERROR"), "{said}");
}
