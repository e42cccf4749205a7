//! What a stranger, a client and an operator see of a running server: the built
//! binary, over TLS.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod api_keys;
mod attacks;
mod audit;
mod bad_input;
mod binary;
mod compression;
mod credentials;
mod lifecycle;
mod limits;
mod log;
mod queue;
mod refusals;
mod signing;
mod stuck;
mod tls;
mod withdrawal;

use support::client::Client;
use support::{Answer, Sandbox, Server, curl, testdata};

/// One row of 64 pixels: a request that digits answers.
const GOOD: &str = include_str!("../../testdata/digits-request.json");

/// A running server and a token for all its models.
struct Served {
    server: Server,
    token: String,
    sandbox: Sandbox,
}

impl Served {
    /// Serves digits; `more` goes to the end of the configuration.
    fn digits(more: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.init_with_digits(more);
        Self::start(sandbox)
    }

    /// Serves a model that takes as long as it is told to; `model` goes to its table.
    fn slow(model: &str, more: &str) -> Self {
        let sandbox = Sandbox::new();
        let table = "[[model]]\nname = \"slow\"\npath = \"models/slow.sealed\"";
        sandbox.init(&format!("{more}\n{table}\n{model}\n"));
        sandbox.encrypt(&testdata("models/slow.onnx"), "slow");
        Self::start(sandbox)
    }

    /// Serves these models of testdata/models, each with one session; `more` goes before their
    /// tables.
    fn models(names: &[&str], more: &str) -> Self {
        let sandbox = Sandbox::new();
        let table =
            |name| format!("[[model]]\nname = \"{name}\"\npath = \"models/{name}.sealed\"\nsessions = 1\n");
        sandbox.init(&format!("{more}\n{}", names.iter().map(table).collect::<String>()));
        for name in names {
            sandbox.encrypt(&testdata(&format!("models/{name}.onnx")), name);
        }
        Self::start(sandbox)
    }

    fn start(sandbox: Sandbox) -> Self {
        let server = Server::start(&sandbox, &[]);
        let token = sandbox.mint("ann", "model:*:*");
        Self { server, token, sandbox }
    }

    fn client(&self) -> Client {
        Client::new(&self.sandbox, &self.server)
    }

    /// Sends `body` to digits.
    fn infer(&self, body: &str) -> Answer {
        support::infer(&self.sandbox, &self.server, "digits", &self.token, body)
    }

    /// Sends `body` to `model` with these header lines more.
    fn post(&self, model: &str, headers: &[&str], body: &[u8]) -> Answer {
        let data = format!("@{}", self.sandbox.write("body", body).display());
        let lines = headers.iter().flat_map(|header| ["-H", header]);
        let arguments: Vec<&str> = lines.chain(["--data-binary", &data]).collect();
        self.curl_as(&self.token, &format!("/v2/models/{model}/infer"), &arguments)
    }

    /// Asks for `path` with curl's `arguments`, without a credential.
    fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        let url = format!("{}{path}", self.server.url);
        curl(&self.sandbox, arguments.iter().copied().chain([url.as_str()]))
    }

    /// As [`curl`](Self::curl), with the token.
    fn curl_as(&self, token: &str, path: &str, arguments: &[&str]) -> Answer {
        let bearer = format!("Authorization: Bearer {token}");
        let all: Vec<&str> = ["-H", &bearer].into_iter().chain(arguments.iter().copied()).collect();
        self.curl(path, &all)
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.sandbox.ok(["status", "--format", "json"])).unwrap()
    }

    /// Ends the server and returns the lines of its audit log.
    fn audit(self) -> Vec<serde_json::Value> {
        assert!(self.server.stop().success());
        let text = std::fs::read_to_string(self.sandbox.home().join("audit/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A request to the slow model.
fn slow(iterations: u64) -> String {
    format!(r#"{{"inputs":[{{"name":"iterations","shape":[1],"datatype":"INT64","data":[{iterations}]}}]}}"#)
}

/// Longer than any test waits.
const FOREVER: u64 = 100_000_000;

/// The most memory that the server ever had, in bytes.
fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// The memory that the server has now, in bytes.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[track_caller]
fn still_answers(served: &Served) {
    assert_eq!(served.infer(GOOD).status, 200);
}

/// Asserts a refusal: its status, its stable code, and that the body says no more
/// than it should.
#[track_caller]
fn refused(what: &str, answer: &Answer, status: u16, code: &str) {
    let shown = support::text(&answer.body);
    assert_eq!(answer.status, status, "{what}: {shown}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    let body = answer.json();
    assert_eq!(body["code"], code, "{what}: {shown}");
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["code", "error", "request_id"], "{what}: {shown}");
    assert_eq!(answer.header("x-request-id"), body["request_id"].as_str(), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}
