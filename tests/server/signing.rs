//! Signed requests: what is accepted, once, and what is refused.

use std::sync::{Arc, Mutex, Weak};

use crate::support::client::Client;
use crate::support::signer::{COVERED, Signed, Signer, check_response};
use crate::support::{Answer, Sandbox, Server, curl, generation, text, wait_until};
use crate::{GOOD, Served, refused};

const INFER: &str = "/v2/models/digits/infer";
const READY: &str = "/v2/models/digits/ready";
const REQUIRED: &str = "[signing]\nmode = \"required\"";

/// A server, and one who signs as `ci` with the key of `sealserve init`.
struct Signing {
    served: Served,
    signer: Signer,
}

impl Signing {
    fn new(config: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.init_with_digits(config);
        let signer = Signer::new(&sandbox, "ci");
        let server = Server::start(&sandbox, &[]);
        let token = sandbox.mint("ci", "model:*:*");
        Self { served: Served { server, token, sandbox }, signer }
    }

    /// One server for the tests that run at the same time: it waits after its start.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Signing>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Self::new(REQUIRED));
            *shared = Arc::downgrade(&new);
            new
        })
    }

    fn infer(&self) -> Signed {
        Signed::new("POST", INFER, &self.served.token, GOOD.as_bytes())
    }

    fn client(&self) -> Client {
        self.served.client()
    }

    #[track_caller]
    fn accepts(&self, request: &Signed) -> Answer {
        let answer = self.client().ask(request.bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        check_response(&self.signer, request, &answer);
        answer
    }

    /// Sends what `change` made of a signed request, then what it was made of.
    #[track_caller]
    fn refuses_changed(&self, original: &Signed, change: impl FnOnce(&mut Signed)) {
        let mut changed = original.clone();
        change(&mut changed);
        let answer = self.client().ask(changed.bytes()).unwrap();
        refused("changed", &answer, 401, "invalid_signature");
        self.accepts(original);
    }
}

#[test]
fn a_signed_request_is_answered_with_a_signed_response() {
    let signing = Signing::shared();
    let answer = signing.accepts(&signing.infer().sign(&signing.signer));
    assert_eq!(answer.json()["outputs"][0]["shape"], serde_json::json!([1, 10]));
    // Of the answer to a HEAD there is only the head.
    let head = Signed::new("HEAD", READY, &signing.served.token, b"").sign(&signing.signer);
    let answer = signing.client().ask_for_head(head.bytes()).unwrap();
    assert_eq!((answer.status, answer.header("content-digest")), (200, None));
    check_response(&signing.signer, &head, &answer);
    // One without a body has no digest.
    signing.accepts(&Signed::new("GET", READY, &signing.served.token, b"").sign(&signing.signer));
}

#[test]
fn refusals_are_signed_too_once_the_signature_holds() {
    let signing = Signing::shared();
    let mut request = signing.infer();
    request.target = "/v2/models/other/infer".into();
    let request = request.sign(&signing.signer);
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("unknown model", &answer, 404, "no_such_model");
    check_response(&signing.signer, &request, &answer);
    // Who cannot sign learns nothing that is signed.
    let mut forged = signing.infer().sign(&signing.signer);
    forged.set("signature", Some("sig=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"));
    let answer = signing.client().ask(forged.bytes()).unwrap();
    refused("forged", &answer, 401, "invalid_signature");
    assert_eq!(answer.header("signature"), None);
}

#[test]
fn a_request_that_is_sent_twice_is_accepted_once() {
    let signing = Signing::shared();
    let request = signing.infer().sign(&signing.signer);
    signing.accepts(&request);
    for _ in 0..2 {
        let answer = signing.client().ask(request.bytes()).unwrap();
        refused("replayed", &answer, 401, "replayed_request");
    }
    let get = Signed::new("GET", READY, &signing.served.token, b"").sign(&signing.signer);
    signing.accepts(&get);
    refused("replayed", &signing.client().ask(get.bytes()).unwrap(), 401, "replayed_request");
    // The same nonce in another signature is no better.
    let mut again = signing.infer();
    (again.nonce, again.expires) = (request.nonce, request.expires - 1);
    let answer = signing.client().ask(again.sign(&signing.signer).bytes()).unwrap();
    refused("nonce used again", &answer, 401, "replayed_request");
}

#[test]
fn a_request_from_before_a_crash_is_not_accepted_after_it() {
    let mut signing = Signing::new(REQUIRED);
    let mut request = signing.infer();
    request.created += 4;
    let request = request.sign(&signing.signer);
    signing.accepts(&request);
    // The guard of `Server` is SIGKILL.
    let mut command = signing.served.sandbox.sealserve();
    command.arg("serve");
    signing.served.server.kill();
    signing.served.server = Server::spawn(&signing.served.sandbox, command);
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("before the crash", &answer, 503, "just_started");
    check_response(&signing.signer, &request, &answer);
    signing.accepts(&signing.infer().sign(&signing.signer));
}

#[test]
fn a_server_that_has_just_started_accepts_no_signature_and_is_not_ready() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits(REQUIRED);
    let signer = Signer::new(&sandbox, "ci");
    let token = sandbox.mint("ci", "model:*:*");
    // Asked for as soon as it listens: long before the file that says "ready".
    let (server, ready) = Server::listening(&sandbox);
    assert!(!ready.exists());
    let early = Signed::new("POST", INFER, &token, GOOD.as_bytes()).sign(&signer);
    let answer = Client::new(&sandbox, &server).ask(early.bytes()).unwrap();
    refused("early", &answer, 503, "just_started");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    let health = curl(&sandbox, [format!("{}/v2/health/ready", server.url)]);
    assert_eq!(health.status, 503);
    wait_until("the server is ready", || ready.exists());
    let late = Signed::new("POST", INFER, &token, GOOD.as_bytes()).sign(&signer);
    assert_eq!(Client::new(&sandbox, &server).ask(late.bytes()).unwrap().status, 200);
    // And what was made before is refused for as long as it holds.
    let answer = Client::new(&sandbox, &server).ask(early.bytes()).unwrap();
    refused("early", &answer, 503, "just_started");
}

#[test]
fn a_changed_body_is_refused_before_it_is_run() {
    let signing = Signing::shared();
    let mut request = signing.infer().sign(&signing.signer);
    let zero = request.body.iter().rposition(|byte| *byte == b'0').unwrap();
    request.body[zero] = b'1';
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("another body", &answer, 400, "digest_mismatch");
    // The digest that fits the other body was not signed.
    let mut request = signing.infer().sign(&signing.signer);
    request.body[zero] = b'1';
    request.set("content-digest", Some(&crate::support::signer::sha256(&request.body)));
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("another digest", &answer, 401, "invalid_signature");
}

#[test]
fn a_body_where_none_was_signed_is_refused() {
    let signing = Signing::shared();
    let request = Signed::new("POST", INFER, &signing.served.token, b"");
    let mut request = request.sign(&signing.signer);
    request.body = GOOD.as_bytes().to_vec();
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("a body", &answer, 400, "digest_mismatch");
}

#[test]
fn a_body_without_a_digest_is_refused() {
    let signing = Signing::shared();
    let mut request = signing.infer();
    request.set("content-digest", None);
    let answer = signing.client().ask(request.sign(&signing.signer).bytes()).unwrap();
    refused("no digest", &answer, 400, "digest_mismatch");
}

#[test]
fn a_changed_query_is_refused() {
    let signing = Signing::shared();
    signing.refuses_changed(&signing.infer().sign(&signing.signer), |request| request.target += "?x=1");
    let mut with_query = signing.infer();
    with_query.target += "?x=1";
    let with_query = with_query.sign(&signing.signer);
    signing.refuses_changed(&with_query, |request| request.target = format!("{INFER}?x=2"));
}

#[test]
fn a_changed_path_is_refused() {
    let signing = Signing::shared();
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| {
        request.target = "/v2/models/digits/versions/1/infer".into();
    });
    // The same model, written in another way, is another path.
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| request.target = "/v2/models/%64igits/infer".into());
}

#[test]
fn a_changed_method_is_refused() {
    let signing = Signing::shared();
    let mut request = signing.infer();
    request.method = "PUT".into();
    let mut request = request.sign(&signing.signer);
    request.method = "POST".into();
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("signed as PUT", &answer, 401, "invalid_signature");
}

#[test]
fn a_changed_authority_is_refused() {
    let signing = Signing::shared();
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| request.authority = "elsewhere".into());
}

#[test]
fn a_request_that_is_signed_for_another_server_is_refused() {
    let signing = Signing::shared();
    for (authority, other) in [
        ("elsewhere", true),
        ("localhost:9", false),
        ("LOCALHOST", false),
        ("127.0.0.1", false),
        ("[::1]:443", false),
        ("127.0.0.2", true),
    ] {
        let mut request = signing.infer();
        request.authority = authority.into();
        let authority = authority.to_lowercase();
        let (sent, signed) = (request.authority.clone(), authority.trim_end_matches(":443"));
        request.authority = signed.into();
        let mut request = request.sign(&signing.signer);
        request.authority = sent;
        let answer = signing.client().ask(request.bytes()).unwrap();
        if other {
            refused(signed, &answer, 421, "misdirected_request");
        } else {
            assert_eq!(answer.status, 200, "{signed}: {}", text(&answer.body));
        }
    }
    // Without a signature the name is the proxy's business.
    let open = Signing::new("[signing]\nauthorities = [\"models.example\"]");
    for (authority, status) in [("models.example", 200), ("models.example:8443", 200), ("localhost", 421)] {
        let mut request = open.infer();
        request.authority = authority.into();
        let answer = open.client().ask(request.clone().bytes()).unwrap();
        assert_eq!(answer.status, 200, "{authority}, not signed");
        let answer = open.client().ask(request.sign(&open.signer).bytes()).unwrap();
        assert_eq!(answer.status, status, "{authority}");
    }
}

#[test]
fn whom_a_signed_request_may_be_for_follows_the_certificate() {
    let signing = Signing::new(REQUIRED);
    let asked = |authority: &str| {
        let mut request = signing.infer();
        request.authority = authority.into();
        signing.client().ask(request.sign(&signing.signer).bytes()).unwrap()
    };
    assert_eq!(asked("127.0.0.1").status, 200);
    signing.served.sandbox.ok(["cert", "issue", "--server", "localhost", "--only-these-names", "--force"]);
    wait_until("a name is the server's no more", || asked("127.0.0.1").status != 200);
    refused("renewed without the name", &asked("127.0.0.1"), 421, "misdirected_request");
    assert_eq!(asked("localhost").status, 200);
}

#[test]
fn an_added_or_changed_content_encoding_is_refused() {
    let signing = Signing::shared();
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| request.set("content-encoding", Some("gzip")));
    let mut original = signing.infer();
    original.set("content-encoding", Some("identity"));
    let original = original.sign(&signing.signer);
    signing.refuses_changed(&original, |request| request.set("content-encoding", None));
}

/// Libraries ask for compression by themselves, and hide the bytes that are signed.
#[test]
fn an_answer_is_compressed_for_those_who_signed_that_they_want_it() {
    let signing = Signing::shared();
    let row = vec!["0"; 64].join(",");
    let rows = vec![row; 40].join(",");
    let body =
        format!(r#"{{"inputs":[{{"name":"pixels","shape":[40,64],"datatype":"FP32","data":[{rows}]}}]}}"#);
    for (covered, coding) in [(true, Some("gzip")), (false, None)] {
        let mut request = Signed::new("POST", INFER, &signing.served.token, body.as_bytes());
        request.set("accept-encoding", Some("gzip"));
        if covered {
            request.fields.push("accept-encoding".into());
        }
        let answer = signing.accepts(&request.sign(&signing.signer));
        assert_eq!(answer.header("content-encoding"), coding);
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.body.starts_with(b"{"), !covered);
    }
}

#[test]
fn an_added_header_length_is_refused() {
    let signing = Signing::shared();
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| {
        request.set("inference-header-content-length", Some("17"));
    });
}

#[test]
fn another_authorization_is_refused() {
    let signing = Signing::shared();
    // Another token of the same principal.
    let other = signing.served.sandbox.mint("ci", "model:*:infer");
    let original = signing.infer().sign(&signing.signer);
    signing.refuses_changed(&original, |request| {
        request.set("authorization", Some(&format!("Bearer {other}")));
    });
}

#[test]
fn the_key_of_another_principal_is_refused() {
    let signing = Signing::shared();
    let other = signing.served.sandbox.mint("ann", "model:*:*");
    let request = Signed::new("POST", INFER, &other, GOOD.as_bytes()).sign(&signing.signer);
    let answer = signing.client().ask(request.bytes()).unwrap();
    refused("not the owner", &answer, 401, "invalid_signature");
}

#[test]
fn a_field_that_is_there_and_not_covered_is_refused() {
    let signing = Signing::shared();
    for name in COVERED {
        let mut request = signing.infer();
        match name {
            "content-encoding" => request.set(name, Some("identity")),
            "inference-header-content-length" => request.set(name, Some("9")),
            "x-api-key" => continue,
            _ => assert!(request.header(name).is_some()),
        }
        request.fields.retain(|field| field != name);
        let answer = signing.client().ask(request.sign(&signing.signer).bytes()).unwrap();
        refused(name, &answer, 401, "invalid_signature");
        assert!(text(&answer.body).contains(name), "{}", text(&answer.body));
    }
}

#[test]
fn a_signature_outside_of_its_window_is_refused() {
    let signing = Signing::shared();
    let changes: [(&str, fn(&mut Signed)); 5] = [
        ("too long", |request| request.expires = request.created + 61),
        ("from the future", |request| {
            request.created += 30;
            request.expires = request.created + 30;
        }),
        ("expired", |request| {
            request.created -= 40;
            request.expires = request.created + 30;
        }),
        ("backwards", |request| request.expires = request.created - 1),
        ("huge", |request| request.expires = u64::MAX),
    ];
    for (what, change) in changes {
        let mut request = signing.infer();
        change(&mut request);
        let answer = signing.client().ask(request.sign(&signing.signer).bytes()).unwrap();
        refused(what, &answer, 401, "invalid_signature");
    }
}

#[test]
fn a_key_that_is_not_known_or_not_the_one_is_refused() {
    let signing = Signing::shared();
    let mut unknown = signing.signer.clone();
    unknown.id = "nobody".into();
    let answer = signing.client().ask(signing.infer().sign(&unknown).bytes()).unwrap();
    refused("unknown", &answer, 401, "invalid_signature");
    signing.served.sandbox.ok(["key", "create", "--use", "request", "--id", "ci-2", "--owner", "ci"]);
    // One that was made a moment ago is known.
    let second = Signer::new(&signing.served.sandbox, "ci-2");
    let request = signing.infer().sign(&second);
    assert_eq!(signing.client().ask(request.bytes()).unwrap().status, 200);
    let mut mixed = second;
    mixed.id = "ci".into();
    let answer = signing.client().ask(signing.infer().sign(&mixed).bytes()).unwrap();
    refused("another secret", &answer, 401, "invalid_signature");
}

#[test]
fn where_a_signature_is_required_its_absence_is_told() {
    let signing = Signing::shared();
    for (path, body) in [(INFER, GOOD.as_bytes()), (READY, b"")] {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = Signed::new(method, path, &signing.served.token, body);
        let answer = signing.client().ask(request.bytes()).unwrap();
        refused("unsigned", &answer, 401, "signature_required");
        let wanted = answer.header("accept-signature").unwrap();
        assert!(wanted.contains("\"@method\"") && wanted.contains("tag=\"sealserve\""), "{wanted}");
    }
    // Without a credential nobody hears of signatures.
    let answer = signing.served.curl(INFER, &["--data-binary", GOOD]);
    refused("nobody", &answer, 401, "no_credential");
    // What is open stays open.
    assert_eq!(signing.served.curl("/v2/health/live", &[]).status, 200);
}

#[test]
fn where_it_is_optional_one_that_is_there_must_hold() {
    let signing = Signing::new("[signing]\nmode = \"optional\"");
    assert_eq!(signing.served.infer(GOOD).status, 200);
    signing.accepts(&signing.infer().sign(&signing.signer));
    let mut other_tag = signing.infer();
    other_tag.tag = "other".into();
    let half = |name: &str| {
        let mut request = signing.infer().sign(&signing.signer);
        request.set(name, None);
        request
    };
    let mut damaged = signing.infer().sign(&signing.signer);
    damaged.created += 1;
    damaged.set("signature-input", Some("sig=("));
    for (what, request) in [
        ("another tag", other_tag.sign(&signing.signer)),
        ("no signature", half("signature")),
        ("no input", half("signature-input")),
        ("damaged", damaged),
    ] {
        let answer = signing.client().ask(request.bytes()).unwrap();
        refused(what, &answer, 401, "invalid_signature");
    }
}

#[test]
fn a_revoked_request_key_signs_nothing_any_more() {
    let signing = Signing::new(REQUIRED);
    let sandbox = &signing.served.sandbox;
    signing.accepts(&signing.infer().sign(&signing.signer));
    let retired = sandbox.ok(["key", "rotate", "--use", "request", "--id", "ci"]);
    let new = Signer::new(sandbox, retired.trim());
    // Both are accepted while the old one retires.
    signing.accepts(&signing.infer().sign(&signing.signer));
    let request = signing.infer().sign(&new);
    assert_eq!(signing.client().ask(request.bytes()).unwrap().status, 200);
    let before = generation(sandbox);
    sandbox.ok(["key", "revoke", "ci"]);
    wait_until("the server knows", || generation(sandbox) > before);
    let answer = signing.client().ask(signing.infer().sign(&signing.signer).bytes()).unwrap();
    refused("revoked", &answer, 401, "invalid_signature");
    let request = signing.infer().sign(&new);
    assert_eq!(signing.client().ask(request.bytes()).unwrap().status, 200);
}

#[test]
fn a_key_that_is_revoked_while_the_body_arrives_signs_nothing() {
    let signing = Signing::new(REQUIRED);
    let request = signing.infer().sign(&signing.signer);
    let bytes = request.bytes();
    let (first, rest) = bytes.split_at(bytes.len() - 10);
    let mut client = signing.client();
    client.send(first).unwrap();
    let sandbox = &signing.served.sandbox;
    let before = generation(sandbox);
    sandbox.ok(["key", "revoke", "ci"]);
    wait_until("the server knows", || generation(sandbox) > before);
    refused("revoked", &client.ask(rest).unwrap(), 401, "invalid_signature");
}

#[test]
fn more_nonces_than_are_remembered_are_refused_and_none_is_forgotten() {
    let signing = Signing::new(&format!("{REQUIRED}\nnonces = 3"));
    let requests: Vec<_> = (0..4).map(|_| signing.infer().sign(&signing.signer)).collect();
    for request in &requests[..3] {
        signing.accepts(request);
    }
    let answer = signing.client().ask(requests[3].bytes()).unwrap();
    refused("a fourth", &answer, 503, "too_many_signatures");
    for request in &requests[..3] {
        refused("again", &signing.client().ask(request.bytes()).unwrap(), 401, "replayed_request");
    }
    // Another key has its own memory.
    signing.served.sandbox.ok(["key", "create", "--use", "request", "--id", "more", "--owner", "ci"]);
    let other = Signer::new(&signing.served.sandbox, "more");
    let request = signing.infer().sign(&other);
    assert_eq!(signing.client().ask(request.bytes()).unwrap().status, 200);
}

#[test]
fn a_signature_over_http_2_covers_the_authority_with_its_port() {
    let signing = Signing::shared();
    let mut request = signing.infer();
    request.authority = signing.served.server.authority().to_owned();
    let request = request.sign(&signing.signer);
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let arguments: Vec<String> = headers.flat_map(|header| ["-H".to_owned(), header]).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = signing.served.curl(INFER, &[&arguments[..], &["--http2", "--data-binary", GOOD]].concat());
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    check_response(&signing.signer, &request, &answer);
}

#[test]
fn the_audit_log_says_who_signed_and_why_a_signature_was_refused() {
    let signing = Signing::new(REQUIRED);
    let request = signing.infer().sign(&signing.signer);
    signing.accepts(&request);
    refused("again", &signing.client().ask(request.bytes()).unwrap(), 401, "replayed_request");
    let lines = signing.served.audit();
    let find = |verdict: &str| lines.iter().find(|line| line["verdict"] == verdict).unwrap();
    let (allowed, denied) = (find("allowed"), find("denied"));
    assert_eq!((&allowed["request_key"], &allowed["principal"]), (&"ci".into(), &"ci".into()));
    assert_eq!((&denied["request_key"], &denied["reason"]), (&"ci".into(), &"replayed_request".into()));
    let all = serde_json::to_string(&lines).unwrap();
    assert!(!all.contains(&request.nonce) && !all.contains(request.header("signature").unwrap()));
}

/// Sends each of many signed requests over two of 64 connections at once.
#[test]
#[ignore = "takes minutes"]
fn of_a_hundred_thousand_requests_sent_twice_each_is_accepted_once() {
    const REQUESTS: usize = 100_000;
    const PAIRS: usize = 32;
    let signing = Signing::new(&format!("{REQUIRED}\nwindow = \"300s\"\nnonces = {REQUESTS}"));
    let accepted: usize = std::thread::scope(|scope| {
        let pairs: Vec<_> = (0..PAIRS).map(|_| scope.spawn(|| pair(&signing, REQUESTS / PAIRS))).collect();
        pairs.into_iter().map(|pair| pair.join().unwrap()).sum()
    });
    assert_eq!(accepted, REQUESTS);
    // The memory is full to its bound, and holds.
    let one_more = Signed::new("GET", READY, &signing.served.token, b"").sign(&signing.signer);
    let answer = signing.client().ask(one_more.bytes()).unwrap();
    refused("one more", &answer, 503, "too_many_signatures");
}

/// Sends requests over two connections, both at once, and counts those that were
/// accepted; fails where one is accepted twice or not at all.
fn pair(signing: &Signing, requests: usize) -> usize {
    let mut clients = [signing.client(), signing.client()];
    for _ in 0..requests {
        let mut request = Signed::new("GET", READY, &signing.served.token, b"");
        request.expires = request.created + 300;
        let bytes = request.sign(&signing.signer).bytes();
        for client in &mut clients {
            client.send(&bytes).unwrap();
        }
        let statuses = clients.each_mut().map(|client| client.answer().unwrap().status);
        assert!(matches!(statuses, [200, 401] | [401, 200]), "{statuses:?}");
    }
    requests
}
