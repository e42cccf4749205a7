//! Refusals reach the clients of the world, also those that read no answer before they have
//! sent all they have.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::client::head;
use crate::support::signer::{Signed, Signer};
use crate::support::{Sandbox, Server, python_with, repository, text};
use crate::{Served, refused};

/// Bytes of a body, and how often it is sent.
const SIZES: [(usize, u32); 4] = [(100, 20), (100_000, 20), (2_000_000, 20), (100_000_000, 1)];

const INFER: &str = "/v2/models/digits/infer";

/// Servers that refuse, and their clients.
struct Refusing {
    served: Served,
    /// Takes bodies of 64 bytes, in no time.
    small: Server,
    small_sandbox: Sandbox,
    token_of_small: String,
    no_right: String,
}

impl Refusing {
    fn new() -> Self {
        let served = Served::digits("");
        let no_right = served.sandbox.mint("bob", "model:digits:metadata");
        let small_sandbox = Sandbox::new();
        small_sandbox.init_with_digits("[limits]\nbody = 64\n");
        let small = Server::start(&small_sandbox, &[]);
        let token_of_small = small_sandbox.mint("ann", "model:*:*");
        Self { served, small, small_sandbox, token_of_small, no_right }
    }

    /// The requests to the first server, and those to the small one.
    fn plans(&self) -> [(PathBuf, Vec<Value>); 2] {
        let mut plans = [
            (self.served.sandbox.home().join("pki/ca.pem"), Vec::new()),
            (self.small_sandbox.home().join("pki/ca.pem"), Vec::new()),
        ];
        let times = std::env::var("REFUSALS_TIMES").ok().map(|times| times.parse::<u32>().unwrap());
        let (url, small) = (&self.served.url(), &self.small.url);
        let bearer = |token: &str| format!("Bearer {token}");
        let (good, octets) = (bearer(&self.served.token), "application/json");
        for (size, usual) in SIZES {
            let times = times.unwrap_or(usual);
            let case = |url: &str, path: &str, method: &str, token: &str, kind: &str, status: u16| {
                let headers = json!({"authorization": token, "content-type": kind});
                let url = format!("{url}{path}");
                json!({"url": url, "method": method, "headers": headers, "size": size, "status": status, "times": times})
            };
            plans[0].1.extend([
                case(url, INFER, "POST", "Bearer x", octets, 401),
                case(url, INFER, "POST", &bearer(&self.no_right), octets, 403),
                case(url, "/v2/nowhere", "POST", &good, octets, 404),
                case(url, "/v2/models/none/infer", "POST", &good, octets, 404),
                case(url, INFER, "PUT", &good, octets, 405),
                case(url, INFER, "POST", &good, "text/plain", 415),
            ]);
            plans[1].1.push(case(small, INFER, "POST", &bearer(&self.token_of_small), octets, 413));
        }
        plans
    }

    /// Has `client` send all of the requests that `wanted` takes; it must see each refusal.
    fn check(&self, client: impl Fn(&Sandbox, &str, &str) -> Command, wanted: impl Fn(&Value) -> bool) {
        for (ca, plan) in self.plans() {
            let plan: Vec<Value> = plan.into_iter().filter(|case| wanted(case)).collect();
            let sandbox = &self.served.sandbox;
            let file = sandbox.write("plan.json", serde_json::to_vec(&plan).unwrap());
            let lines: Vec<String> = plan.iter().map(line).collect();
            sandbox.write("plan.json.tsv", lines.join("\n"));
            let output = client(sandbox, ca.to_str().unwrap(), file.to_str().unwrap()).output().unwrap();
            assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
            let failures: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(failures, json!([]));
        }
    }
}

impl Served {
    fn url(&self) -> String {
        self.server.url.clone()
    }
}

/// A case as Java reads it.
fn line(case: &Value) -> String {
    let mut fields: Vec<String> =
        ["times", "status", "size"].iter().map(|name| case[name].to_string()).collect();
    fields.extend(["method", "url"].iter().map(|name| case[name].as_str().unwrap().to_owned()));
    for (name, value) in case["headers"].as_object().unwrap() {
        fields.extend([name.clone(), value.as_str().unwrap().to_owned()]);
    }
    fields.join("\t")
}

fn peer(file: &str) -> String {
    repository().join("tests/peers").join(file).display().to_string()
}

fn python(client: &'static str, version: &'static str) -> impl Fn(&Sandbox, &str, &str) -> Command {
    let python = python_with(&repository().join("tests/peers/requirements.txt"));
    move |sandbox, ca, plan| {
        let mut command = sandbox.program(&python);
        command.args([&peer("refusals.py"), client, version, ca, plan]);
        command
    }
}

#[test]
fn curl_sees_every_refusal() {
    let refusing = Refusing::new();
    for (ca, plan) in refusing.plans() {
        for case in &plan {
            let body = refusing
                .served
                .sandbox
                .write("body", vec![0; case["size"].as_u64().unwrap().try_into().unwrap()]);
            for version in ["--http1.1", "--http2"] {
                for attempt in 0..case["times"].as_u64().unwrap().min(5) {
                    let mut curl = refusing.served.sandbox.program("curl");
                    curl.args([
                        "-q",
                        "-sS",
                        "--max-time",
                        "60",
                        version,
                        "-o",
                        "/dev/null",
                        "-w",
                        "%{http_code}",
                    ]);
                    curl.arg("--cacert").arg(&ca).args(["-X", case["method"].as_str().unwrap()]);
                    for (name, value) in case["headers"].as_object().unwrap() {
                        curl.args(["-H", &format!("{name}: {}", value.as_str().unwrap())]);
                    }
                    curl.arg("--data-binary")
                        .arg(format!("@{}", body.display()))
                        .arg(case["url"].as_str().unwrap());
                    let output = curl.output().unwrap();
                    let seen = text(&output.stdout) + &text(&output.stderr);
                    assert_eq!(seen, case["status"].to_string(), "{version} {attempt} {case}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs minutes"]
fn python_clients_see_every_refusal() {
    let refusing = Refusing::new();
    for (client, version) in [("requests", "1"), ("httpx", "1"), ("httpx", "2")] {
        refusing.check(python(client, version), |_| true);
    }
    // It sends inferences and nothing else.
    let infers = |case: &Value| {
        case["url"].as_str().unwrap().ends_with("/infer") && case["method"] == "POST" && case["status"] != 415
    };
    refusing.check(python("tritonclient", "1"), infers);
}

#[test]
#[ignore = "needs node"]
fn node_sees_every_refusal() {
    let refusing = Refusing::new();
    for client in ["https", "fetch", "http2"] {
        let node = |sandbox: &Sandbox, ca: &str, plan: &str| {
            let mut command = sandbox.program("node");
            command.args([&peer("refusals.mjs"), client, ca, plan]).env("NODE_EXTRA_CA_CERTS", ca);
            command
        };
        refusing.check(node, |_| true);
    }
}

#[test]
#[ignore = "needs java"]
fn java_sees_every_refusal() {
    let refusing = Refusing::new();
    for version in ["1", "2"] {
        let java = |sandbox: &Sandbox, ca: &str, plan: &str| {
            let mut command = sandbox.program("java");
            command.args([&peer("Refusals.java"), version, ca, &format!("{plan}.tsv")]);
            command
        };
        refusing.check(java, |_| true);
    }
}

#[test]
#[ignore = "needs go"]
fn go_sees_every_refusal() {
    let refusing = Refusing::new();
    for version in ["1", "2"] {
        let go = |sandbox: &Sandbox, ca: &str, plan: &str| {
            let mut command = sandbox.program("go");
            command.args(["run", &peer("refusals.go"), version, ca, plan]);
            command.env("GOCACHE", sandbox.path("go")).env("GOPATH", sandbox.path("gopath"));
            command
        };
        refusing.check(go, |_| true);
    }
}

#[test]
fn request_send_sees_a_refusal_and_says_so_by_its_exit_code() {
    let served = Served::digits("");
    let sandbox = &served.sandbox;
    sandbox.write_secret("cwd/token", "x");
    let url = served.url() + INFER;
    for size in [100, 2_000_000, 100_000_000] {
        sandbox.write("cwd/body", vec![0; size]);
        let times = if size > 10_000_000 { 1 } else { 20 };
        for _ in 0..times {
            let ca = sandbox.home().join("pki/ca.pem");
            let said = sandbox.fails(
                4,
                [
                    "request",
                    "send",
                    &url,
                    "-d",
                    "@body",
                    "--token-file",
                    "token",
                    "--cacert",
                    ca.to_str().unwrap(),
                ],
            );
            assert!(said.contains("invalid_token"), "{said}");
        }
    }
}

/// Sends the head of a request with `Expect`, and none of its body.
#[test]
fn who_waits_for_100_continue_is_answered_at_once() {
    let served = Served::digits("");
    let mut client = served.client();
    let more = "Expect: 100-continue\r\nContent-Length: 1000\r\n";
    let started = std::time::Instant::now();
    let answer = client.ask(head(INFER, "x", more)).unwrap();
    refused("no 100 first", &answer, 401, "invalid_token");
    assert_eq!(answer.header("connection"), Some("close"));
    // Others are waited for.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    // Who is welcome is told to go on.
    let mut client = served.client();
    assert_eq!(client.ask_for_head(head(INFER, &served.token, more)).unwrap().status, 100);
}

#[test]
fn replays_and_requests_for_other_servers_are_refused_with_their_bodies_under_way() {
    let served = Served::digits("[signing]\nmode = \"optional\"\n");
    served.sandbox.ok(["key", "create", "--use", "request", "--id", "ann-key", "--owner", "ann"]);
    let signer = Signer::new(&served.sandbox, "ann-key");
    let body = vec![b' '; 2_000_000];
    let mut signed = Signed::new("POST", INFER, &served.token, &body);
    for (what, status, code) in
        [("the first", 400, "malformed_request"), ("a replay", 401, "replayed_request")]
    {
        let answer = served.client().ask(signed.clone().sign(&signer).bytes()).unwrap();
        refused(what, &answer, status, code);
    }
    signed = Signed::new("POST", INFER, &served.token, &body);
    signed.authority = "other.example".into();
    let answer = served.client().ask(signed.clone().sign(&signer).bytes()).unwrap();
    refused("for another", &answer, 421, "misdirected_request");
}

#[test]
fn a_signed_get_is_held_to_its_digest() {
    let served = Served::digits("[signing]\nmode = \"optional\"\n");
    served.sandbox.ok(["key", "create", "--use", "request", "--id", "ann-key", "--owner", "ann"]);
    let signer = Signer::new(&served.sandbox, "ann-key");
    let ask = |signed: &Signed| served.client().ask(signed.clone().sign(&signer).bytes()).unwrap();
    assert_eq!(ask(&Signed::new("GET", "/v2", &served.token, b"")).status, 200);
    assert_eq!(ask(&Signed::new("GET", "/v2", &served.token, b"body")).status, 200);
    let sent = |signed: Signed, body: &[u8]| {
        let mut signed = signed.sign(&signer);
        signed.body = body.to_vec();
        served.client().ask(signed.bytes()).unwrap()
    };
    let changed = sent(Signed::new("GET", "/v2", &served.token, b"body"), b"else");
    refused("another body", &changed, 400, "digest_mismatch");
    let added = sent(Signed::new("GET", "/v2", &served.token, b""), b"more");
    refused("a body that was not signed", &added, 400, "digest_mismatch");
    let removed = sent(Signed::new("GET", "/v2", &served.token, b"body"), b"");
    refused("no body", &removed, 400, "digest_mismatch");
}
