//! Refusals reach the clients of the world, also those that read no answer before they have
//! sent all they have.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, head, infer};
use crate::support::signer::{Signed, Signer};
use crate::support::{Sandbox, generation, python_with, repository, text, wait_until};
use crate::{FOREVER, Served, refused, slow};

/// Bytes of a body, and how often it is sent.
const SIZES: [(usize, u32); 4] = [(100, 20), (100_000, 20), (2_000_000, 20), (100_000_000, 1)];

const INFER: &str = "/v2/models/digits/infer";

/// Lets the largest of these bodies in.
const ROOM: &str = "[limits]\nbody = 200_000_000\n";

/// A request that is refused, whatever the size of its body: `text`, and blanks after it.
#[derive(Clone)]
struct Case {
    path: &'static str,
    method: &'static str,
    token: String,
    kind: &'static str,
    text: String,
    /// Milliseconds between the halves of the body.
    pause: u32,
    signer: Option<Signer>,
    status: u16,
}

impl Case {
    /// An inference by `token`.
    fn infer(token: &str, status: u16) -> Self {
        Self {
            path: INFER,
            method: "POST",
            token: token.into(),
            kind: "application/json",
            text: String::new(),
            pause: 0,
            signer: None,
            status,
        }
    }

    fn body(&self, size: usize) -> Vec<u8> {
        let mut body = self.text.clone().into_bytes();
        assert!(body.len() <= size, "{}", self.text);
        body.resize(size, b' ');
        body
    }

    /// As the clients read it. What replays repeat is sent here.
    fn plan(&self, refuser: &Refuser, size: usize, times: u32) -> Value {
        let mut headers =
            json!({"authorization": format!("Bearer {}", self.token), "content-type": self.kind});
        let url = &refuser.served.server.url;
        if let Some(signer) = &self.signer {
            let mut signed = Signed::new(self.method, self.path, &self.token, &self.body(size));
            signed.authority = url.strip_prefix("https://").unwrap().into();
            signed.expires = signed.created + 300;
            let signed = signed.sign(signer);
            if self.status == 401 {
                let first = refuser.served.client().ask(signed.bytes()).unwrap();
                refused("the first", &first, 400, "malformed_request");
            }
            headers = Value::Object(signed.headers.iter().map(|(n, v)| (n.clone(), json!(v))).collect());
        }
        json!({
            "url": format!("{url}{}", self.path), "method": self.method, "headers": headers,
            "size": size, "text": self.text, "pause": self.pause, "status": self.status, "times": times,
        })
    }
}

/// A server and what it refuses.
struct Refuser {
    served: Served,
    cases: Vec<Case>,
    /// Keep its model busy.
    _busy: Vec<Client>,
}

impl Refuser {
    fn new(served: Served, cases: impl Fn(&Served) -> Vec<Case>) -> Self {
        Self { cases: cases(&served), served, _busy: Vec::new() }
    }

    fn for_callers_and_routes() -> Self {
        Self::new(Served::digits(""), |served| {
            let usual = |status| Case::infer(&served.token, status);
            let no_right = served.sandbox.mint("bob", "model:digits:metadata");
            vec![
                Case::infer("x", 401),
                Case::infer(&no_right, 403),
                Case { path: "/v2/nowhere", ..usual(404) },
                Case { path: "/v2/models/none/infer", ..usual(404) },
                Case { method: "PUT", ..usual(405) },
                Case { kind: "text/plain", ..usual(415) },
            ]
        })
    }

    /// Takes bodies of 64 bytes.
    fn for_sizes() -> Self {
        Self::new(Served::digits("[limits]\nbody = 64\n"), |served| vec![Case::infer(&served.token, 413)])
    }

    /// Waits 50 ms for a body.
    fn for_slowness() -> Self {
        Self::new(Served::digits(&format!("{ROOM}body_deadline = \"50ms\"\n")), |served| {
            vec![Case { pause: 300, ..Case::infer(&served.token, 408) }]
        })
    }

    fn for_replays() -> Self {
        Self::signed("", 401)
    }

    fn for_misdirected() -> Self {
        Self::signed("authorities = [\"other.example\"]", 421)
    }

    fn signed(more: &str, status: u16) -> Self {
        let signing = format!("{ROOM}[signing]\nmode = \"optional\"\nwindow = \"300s\"\n{more}\n");
        Self::new(Served::digits(&signing), |served| {
            served.sandbox.ok(["key", "create", "--use", "request", "--id", "ann-key", "--owner", "ann"]);
            let signer = Signer::new(&served.sandbox, "ann-key");
            vec![Case { signer: Some(signer), ..Case::infer(&served.token, status) }]
        })
    }

    /// Its model is busy for ever, and nobody more may wait.
    fn for_busy_times() -> Self {
        let more = format!("{ROOM}inference_timeout = \"1h\"");
        let mut refuser = Self::new(Served::slow("sessions = 1\nqueue = 1", &more), |served| {
            let path = "/v2/models/slow/infer";
            vec![Case { path, text: slow(1), ..Case::infer(&served.token, 429) }]
        });
        let served = &refuser.served;
        for (requests, waiting) in [(1, 0), (2, 1)] {
            let mut client = served.client();
            client.send(infer("slow", &served.token, &slow(FOREVER))).unwrap();
            wait_until("the model is busy", || {
                let status = served.status();
                status["requests"] == requests && status["models"][0]["waiting"] == waiting
            });
            refuser._busy.push(client);
        }
        refuser
    }
}

/// Servers that refuse, and their clients.
struct Refusing(Vec<Refuser>);

impl Refusing {
    fn new() -> Self {
        Self(vec![
            Refuser::for_callers_and_routes(),
            Refuser::for_sizes(),
            Refuser::for_slowness(),
            Refuser::for_replays(),
            Refuser::for_misdirected(),
            Refuser::for_busy_times(),
        ])
    }

    /// For each server its CA, and the requests to it that `wanted` takes, each at most
    /// `most` times, or as often as `REFUSALS_TIMES` says. They are made when it is their turn:
    /// what is signed is not for ever.
    fn plans(
        &self,
        most: u32,
        wanted: impl Fn(&Case) -> bool,
    ) -> impl Iterator<Item = (PathBuf, Vec<Value>)> {
        let always = std::env::var("REFUSALS_TIMES").ok().map(|times| times.parse::<u32>().unwrap());
        self.0.iter().map(move |refuser| {
            let cases: Vec<&Case> = refuser.cases.iter().filter(|case| wanted(case)).collect();
            let of_size = |(size, times): (usize, u32)| {
                let times = always.unwrap_or(times.min(most));
                cases.iter().map(move |case| case.plan(refuser, size, times))
            };
            (refuser.served.sandbox.home().join("pki/ca.pem"), SIZES.into_iter().flat_map(of_size).collect())
        })
    }

    /// Has `client` send all of the requests that `wanted` takes; it must see each refusal.
    fn check(&self, client: impl Fn(&Sandbox, &str, &str) -> Command, wanted: impl Fn(&Case) -> bool) {
        let sandbox = &self.0[0].served.sandbox;
        for (ca, plan) in self.plans(20, wanted) {
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

/// A case as Java reads it.
fn line(case: &Value) -> String {
    let mut fields: Vec<String> =
        ["times", "status", "size", "pause"].iter().map(|name| case[name].to_string()).collect();
    fields.extend(["text", "method", "url"].iter().map(|name| case[name].as_str().unwrap().to_owned()));
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

/// What curl sees of `case` with a body that is in a file.
fn curl_case(sandbox: &Sandbox, ca: &Path, case: &Value, version: &str, file: &Path) -> String {
    let mut curl = sandbox.program("curl");
    curl.args(["-q", "-sS", "--max-time", "60", version, "-o", "/dev/null", "-w", "%{http_code}"]);
    curl.arg("--cacert").arg(ca).args(["-X", case["method"].as_str().unwrap()]);
    for (name, value) in case["headers"].as_object().unwrap() {
        curl.args(["-H", &format!("{name}: {}", value.as_str().unwrap())]);
    }
    let pause = Duration::from_millis(case["pause"].as_u64().unwrap());
    if pause.is_zero() {
        curl.arg("--data-binary").arg(format!("@{}", file.display()));
    } else {
        // As it comes.
        curl.args(["-T", "-"]);
    }
    curl.arg(case["url"].as_str().unwrap());
    curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if !pause.is_zero() {
        let body = std::fs::read(file).unwrap();
        let (first, second) = body.split_at(body.len() / 2);
        // It may have its answer before it has read all.
        if stdin.write_all(first).is_ok() {
            std::thread::sleep(pause);
            let _ = stdin.write_all(second);
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn curl_sees_every_refusal() {
    let refusing = Refusing::new();
    let sandbox = &refusing.0[0].served.sandbox;
    for (ca, plan) in refusing.plans(5, |_| true) {
        for case in &plan {
            let mut body = case["text"].as_str().unwrap().to_owned().into_bytes();
            body.resize(case["size"].as_u64().unwrap().try_into().unwrap(), b' ');
            let file = sandbox.write("body", body);
            for version in ["--http1.1", "--http2"] {
                for attempt in 0..case["times"].as_u64().unwrap() {
                    let seen = curl_case(sandbox, &ca, case, version, &file);
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
    // It sends inferences of its own making, all at once, and nothing else.
    let infers = |case: &Case| {
        let usual = case.path.ends_with("/infer") && case.method == "POST" && case.kind == "application/json";
        usual && case.signer.is_none() && case.text.is_empty() && case.pause == 0
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
    let url = format!("{}{INFER}", served.server.url);
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

#[test]
fn a_signed_get_is_judged_again_when_its_body_is_there() {
    let served = Served::digits("[signing]\nmode = \"optional\"\n");
    let sandbox = &served.sandbox;
    sandbox.ok(["key", "create", "--use", "request", "--id", "ann-key", "--owner", "ann"]);
    let signed = Signed::new("GET", "/v2", &served.token, b"body").sign(&Signer::new(sandbox, "ann-key"));
    let bytes = signed.bytes();
    let (begin, end) = bytes.split_at(bytes.len() - 1);
    let mut client = served.client();
    client.send(begin).unwrap();
    wait_until("it is read", || served.status()["requests"] == 1);
    let before = generation(sandbox);
    sandbox.ok(["key", "revoke", "ann-key"]);
    wait_until("the server has seen it", || generation(sandbox) > before);
    refused("a revoked key", &client.ask(end).unwrap(), 401, "invalid_signature");
}
