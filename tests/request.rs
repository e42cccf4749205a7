//! Signed requests: what Python's libraries make of ours and we of theirs, and
//! `request sign`, `verify` and `send` as a shell meets them.

mod support;

use std::fs;
use std::process::{Child, Output, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};
use support::{PATIENCE, Sandbox, python, repository, text};

const URL: &str = "https://models.example/v2/models/digits/infer?trace=1";
const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// A sandbox with a request key, a token and an API key in files, and no home.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_secret("ci.key", KEY);
    sandbox.write_secret("token", "token-of-ci\n");
    sandbox.write_secret("apikey", "ss_key\n");
    sandbox.write("cwd/in.json", r#"{"inputs": []}"#);
    sandbox
}

/// Runs a line of `sealserve request`; `KEY` stands for the key's two options.
fn request(sandbox: &Sandbox, line: &str) -> Output {
    let key = format!("--sign-key-file {} --sign-key-id ci", sandbox.path("ci.key").display());
    let line = line.replace("KEY", &key).replace("URL", URL);
    sandbox.sealserve().arg("request").args(line.split_whitespace()).output().unwrap()
}

fn good(sandbox: &Sandbox, line: &str) -> String {
    let output = request(sandbox, line);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn bad(sandbox: &Sandbox, code: i32, line: &str) -> String {
    let output = request(sandbox, line);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
    text(&output.stderr)
}

/// Header lines as `request sign` prints them.
fn pairs(lines: &str) -> Vec<(String, String)> {
    lines.lines().map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
}

/// Runs `signatures.py`, which must succeed.
fn peer(sandbox: &Sandbox, action: &str, document: &Value) -> Value {
    let output = try_peer(sandbox, action, document);
    assert!(output.status.success(), "{action}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn try_peer(sandbox: &Sandbox, action: &str, document: &Value) -> Output {
    use std::io::Write;
    let mut child = sandbox
        .program(python())
        .arg(repository().join("tests/peers/signatures.py"))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn document(method: &str, headers: &[(String, String)], body: &[u8]) -> Value {
    json!({
        "method": method,
        "url": URL,
        "headers": headers,
        "body": BASE64.encode(body),
        "key_id": "ci",
        "key": KEY,
    })
}

/// Writes header lines to a file of the working directory.
fn fields(sandbox: &Sandbox, name: &str, headers: &Value) {
    let lines = headers.as_array().unwrap().iter();
    let lines = lines.map(|pair| format!("{}: {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    sandbox.write(&format!("cwd/{name}"), lines.collect::<String>());
}

#[test]
fn python_verifies_what_we_sign() {
    let sandbox = sandbox();
    let secrets = "--token-file ../token --api-key-file ../apikey --reveal";
    let full = format!("sign URL -d @in.json {secrets} -H Inference-Header-Content-Length:14 KEY");
    let binary = "inference-header-content-length";
    for (line, method, given, body) in [
        ("sign URL KEY", "GET", &[][..], &b""[..]),
        ("sign -X DELETE URL KEY --window 5m", "DELETE", &[], b""),
        ("sign URL -d @in.json KEY", "POST", &[], br#"{"inputs": []}"#),
        (&full, "POST", &[(binary, "14")], br#"{"inputs": []}"#),
        (
            "sign URL -d text -H Content-Type:text/plain KEY",
            "POST",
            &[("content-type", "text/plain")],
            b"text",
        ),
    ] {
        let mut headers = pairs(&good(&sandbox, line));
        headers.extend(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let signed = document(method, &headers, body);
        let found = peer(&sandbox, "verify", &signed);
        assert_eq!(found["label"], "sealserve", "{line}");
        assert_eq!(found["parameters"]["tag"], "sealserve");
        assert_eq!(found["parameters"]["keyid"], "ci");
        let (created, expires) = (&found["parameters"]["created"], &found["parameters"]["expires"]);
        let window = if line.contains("5m") { 300 } else { 60 };
        assert_eq!(expires.as_u64().unwrap() - created.as_u64().unwrap(), window);

        // They, too, refuse what was changed.
        let other = document("PUT", &headers, body);
        assert!(!try_peer(&sandbox, "verify", &other).status.success(), "{line}");
        if !body.is_empty() {
            let other = document(method, &headers, b"other");
            assert!(!try_peer(&sandbox, "verify", &other).status.success(), "{line}");
        }
    }
}

#[test]
fn we_verify_what_python_signs() {
    let sandbox = sandbox();
    let plain = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let full = plain(&[
        ("Content-Type", "application/octet-stream"),
        ("Authorization", "Bearer token-of-ci"),
        ("X-Api-Key", "ss_key"),
        ("Inference-Header-Content-Length", "14"),
        ("Accept", "application/json"),
    ]);
    for (method, headers, body) in [
        ("GET", plain(&[]), &b""[..]),
        ("POST", plain(&[("Content-Type", "application/json")]), br#"{"inputs": []}"#),
        ("POST", full, br#"{"inputs": []}"#),
    ] {
        for action in ["sign", "sign-requests"] {
            let mut document = document(method, &headers, body);
            if action == "sign" && body.is_empty() {
                // Any order, more than we ask for, and no redundant algorithm.
                document["include_alg"] = false.into();
                document["covered"] = json!([
                    "@query",
                    "@path",
                    "@scheme",
                    "@authority",
                    "@query-param;name=\"trace\"",
                    "@method"
                ]);
                document["covered"][4] = "\"@query-param\";name=\"trace\"".into();
            }
            let signed = peer(&sandbox, action, &document);
            fields(&sandbox, "fields", &signed["headers"]);
            let data = if body.is_empty() { "" } else { "-d @in.json" };
            let verify = format!("verify -X {method} URL {data} -H @fields --sign-key-file ../ci.key");
            let said = good(&sandbox, &verify);
            assert!(said.starts_with("verified: signed with key ci"), "{said}");
            let other = verify.replace(method, "PUT");
            assert!(bad(&sandbox, 3, &other).contains("does not verify"), "{action}");
        }
    }
}

#[test]
fn what_python_leaves_out_by_default_is_named() {
    let sandbox = sandbox();
    let mut document = document("GET", &[], b"");
    document["covered"] = json!(["@method", "@authority", "@target-uri"]);
    let signed = peer(&sandbox, "sign", &document);
    fields(&sandbox, "fields", &signed["headers"]);
    let said = bad(&sandbox, 3, "verify URL -H @fields --sign-key-file ../ci.key");
    assert!(said.contains("the signature does not cover \"@path\""), "{said}");
}

/// The request signed by us, the response signed by Python.
#[test]
fn a_response_that_python_signs_is_verified_and_bound_to_its_request() {
    let sandbox = sandbox();
    let lines = good(&sandbox, "sign URL -d @in.json KEY");
    sandbox.write("cwd/fields", &lines);
    let answer = br#"{"outputs": []}"#;
    for body in [&answer[..], b""] {
        let mut signed = document("POST", &pairs(&lines), br#"{"inputs": []}"#);
        signed["status"] = 200.into();
        signed["response_headers"] = json!({"Content-Type": "application/json", "Server": "python"});
        signed["response_body"] = BASE64.encode(body).into();
        let headers = peer(&sandbox, "sign-response", &signed)["headers"].clone();
        fields(&sandbox, "answer", &headers);
        let head = fs::read_to_string(sandbox.path("cwd/answer")).unwrap();
        let write = |head: &str, body: &[u8]| {
            sandbox.write("cwd/answer", [head.as_bytes(), b"\r\n", body].concat());
        };
        let whole = |status: &str| format!("HTTP/1.1 {status}\r\n{}", head.replace('\n', "\r\n"));
        let verify = "verify URL -d @in.json -H @fields --sign-key-file ../ci.key --response answer";
        write(&whole("200 OK"), body);
        let said = good(&sandbox, verify);
        assert!(said.contains("verified: the response, 200, signed "), "{said}");
        write(&whole("201 Created"), body);
        assert!(bad(&sandbox, 3, verify).contains("the response is refused"));
        write(&whole("200 OK"), b"other");
        assert!(bad(&sandbox, 3, verify).contains("the response"));
        write(&whole("200 OK").replace("application/json", "text/html"), body);
        assert!(bad(&sandbox, 3, verify).contains("does not verify"));

        // The answer to one request is none to another, which differs in its nonce only.
        write(&whole("200 OK"), body);
        sandbox.write("cwd/other", good(&sandbox, "sign URL -d @in.json KEY"));
        assert!(bad(&sandbox, 3, &verify.replace("@fields", "@other")).contains("does not verify"));
    }
}

/// What the server's half of the library signs, Python verifies.
#[test]
fn python_verifies_the_responses_that_we_sign() {
    use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
    use sealserve::signing::{RequestHead, RequestKey, ResponseHead, content_digest, read, sign_response};
    let sandbox = sandbox();
    let lines = pairs(&good(&sandbox, "sign URL -d @in.json KEY"));
    let mut headers = HeaderMap::new();
    for (name, value) in &lines {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let head = RequestHead {
        method: &Method::POST,
        authority: "models.example",
        path: "/v2/models/digits/infer",
        query: Some("trace=1"),
        headers: &headers,
    };
    let key = RequestKey::parse("ci", KEY.as_bytes(), "the test").unwrap();
    let received = read(&head).unwrap().unwrap();
    received.verify(key.secret()).unwrap();
    let binding = received.into_binding();
    let body: &[u8] = br#"{"outputs": []}"#;
    for (status, body, kind) in [(200, body, "application/json"), (503, b"", ""), (200, body, "")] {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert("content-digest", content_digest(body));
        }
        if !kind.is_empty() {
            headers.insert("content-type", HeaderValue::from_static(kind));
            headers.insert("inference-header-content-length", HeaderValue::from_static("15"));
        }
        let status_code = StatusCode::from_u16(status).unwrap();
        let response = ResponseHead { status: status_code, headers: &headers };
        let fields = sign_response(&binding, &response, &key, support::forge::now()).unwrap();
        headers.insert("signature-input", fields.input);
        headers.insert("signature", fields.signature);
        let mut signed = document("POST", &lines, br#"{"inputs": []}"#);
        signed["status"] = status.into();
        signed["response_body"] = BASE64.encode(body).into();
        signed["response_headers"] = headers
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap())))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let found = peer(&sandbox, "verify-response", &signed);
        assert_eq!(found["parameters"]["tag"], "sealserve-response");
        signed["status"] = 202.into();
        assert!(!try_peer(&sandbox, "verify-response", &signed).status.success());
    }
}

/// `signing_server.py`; dropped, it is killed.
struct Python {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
}

impl Python {
    fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let free = |n: &u32| !sandbox.path(&format!("python-{n}.ready")).exists();
        let ready = sandbox.path(&format!("python-{}.ready", (0..).find(free).unwrap()));
        let child = sandbox
            .program(python())
            .arg(repository().join("tests/peers/signing_server.py"))
            .arg("--certificate")
            .arg(sandbox.home().join("pki/server.pem"))
            .arg("--key")
            .arg(sandbox.home().join("pki/server.key"))
            .arg("--sign-key")
            .arg(sandbox.path("ci.key"))
            .arg("--ready")
            .arg(&ready)
            .args(more)
            // Handshakes that fail are what some tests are about.
            .stderr(fs::File::create(ready.with_extension("err")).unwrap())
            .spawn()
            .unwrap();
        let log = ready.with_extension("log");
        let mut python = Self { child, port: 0, log };
        let begun = std::time::Instant::now();
        while !ready.exists() {
            assert!(python.child.try_wait().unwrap().is_none(), "the peer ended");
            assert!(begun.elapsed() < PATIENCE, "the peer is not ready");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        python.port = fs::read_to_string(ready).unwrap().parse().unwrap();
        python
    }

    /// What it was sent, oldest first.
    fn seen(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sandbox` with a home, and a server that answers signed requests.
fn served(more: &[&str]) -> (Sandbox, Python) {
    let sandbox = sandbox();
    sandbox.ok(["init", "--quiet"]);
    let python = Python::start(&sandbox, more);
    (sandbox, python)
}

fn at(python: &Python, line: &str) -> String {
    line.replace("SERVER", &format!("https://localhost:{}", python.port))
}

fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a str> {
    let headers = seen["headers"].as_array().unwrap().iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).next()
}

#[test]
fn send_signs_and_takes_only_the_signed_answer_to_its_request() {
    let (sandbox, python) = served(&[]);
    let secrets = "--token-file ../token --api-key-file ../apikey";
    let said = good(&sandbox, &at(&python, &format!("send SERVER/echo?x=1 -d @in.json {secrets} KEY")));
    assert_eq!(said, r#"{"echo": "{\"inputs\": []}", "signed": true}"#);
    let seen = &python.seen()[0];
    assert_eq!((seen["method"].as_str(), seen["target"].as_str()), (Some("POST"), Some("/echo?x=1")));
    assert_eq!(header(seen, "authorization"), Some("Bearer token-of-ci"));
    assert_eq!(header(seen, "x-api-key"), Some("ss_key"));
    assert_eq!(header(seen, "content-type"), Some("application/json"));
    assert_eq!(header(seen, "host"), Some(at(&python, "SERVER").strip_prefix("https://").unwrap()));

    good(&sandbox, &at(&python, "send SERVER/echo KEY"));
    assert_eq!(good(&sandbox, &at(&python, "send SERVER/empty KEY")), "");
    for (path, words) in [
        ("unsigned", "is not signed"),
        ("other-body", "body is not the one that was signed"),
        ("other-type", "the signature does not verify"),
        ("other-path", "the signature does not verify"),
        ("other-status", "the signature does not verify"),
        ("other-key", "the signature does not verify"),
        ("no-digest", "which the message does not have"),
    ] {
        let line = at(&python, &format!("send SERVER/{path} -d @in.json KEY"));
        let output = request(&sandbox, &line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{path}: {said}");
        assert!(output.stdout.is_empty(), "{path}");
        assert!(said.contains(words), "{path}: {said}");
        // Not even into a file.
        bad(&sandbox, 1, &format!("{line} -o refused"));
        assert!(!sandbox.path("cwd/refused").exists());
    }
    let output =
        request(&sandbox, &at(&python, "send SERVER/unsigned -d @in.json --allow-unsigned-response KEY"));
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("echo"));
    assert!(text(&output.stderr).contains("warning: the answer is not signed"));
    // What is signed, and wrong, is refused all the same.
    bad(&sandbox, 1, &at(&python, "send SERVER/other-body -d @in.json --allow-unsigned-response KEY"));
}

#[test]
fn send_gives_a_key_of_the_home_and_an_unsigned_request_their_answers() {
    let (sandbox, python) = served(&[]);
    let unsigned = good(&sandbox, &at(&python, "send SERVER/echo -X PUT -d text -H Content-Type:text/plain"));
    assert_eq!(unsigned, r#"{"echo": "text", "signed": false}"#);
    let seen = &python.seen()[0];
    assert_eq!(seen["method"], "PUT");
    assert_eq!(header(seen, "content-type"), Some("text/plain"));
    assert!(header(seen, "user-agent").unwrap().starts_with("sealserve/"));
    // The home's key `ci` is another than the peer's.
    let said = bad(&sandbox, 4, &at(&python, "send SERVER/echo --sign-key ci"));
    assert!(said.contains("bad_signature"), "{said}");
    assert!(bad(&sandbox, 4, &at(&python, "send SERVER/echo --sign-key nobody")).contains("no key 'nobody'"));
}

#[test]
fn send_says_what_the_server_said_and_exits_by_its_status() {
    let (sandbox, python) = served(&[]);
    for (status, code) in [(401, 4), (403, 4), (400, 1), (404, 1), (429, 1), (500, 1), (503, 1)] {
        for key in ["", "KEY"] {
            let output = request(&sandbox, &at(&python, &format!("send SERVER/status-{status} {key}")));
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{status}: {said}");
            assert!(output.stdout.is_empty());
            // A server's escape sequences do not reach the terminal.
            let words =
                format!("the server answered {status}: as asked \u{fffd}[31m{status} (code_{status})");
            assert!(said.contains(&words), "{said}");
        }
    }
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/redirect"));
    assert!(said.contains("302") && said.contains("redirects are not followed"), "{said}");
    let wrong = sandbox.write_secret("wrong.key", "0f".repeat(32));
    let line = format!("send SERVER/echo --sign-key-file {} --sign-key-id ci", wrong.display());
    let said = bad(&sandbox, 4, &at(&python, &line));
    assert!(said.contains("401 (not signed)") && said.contains("bad_signature"), "{said}");
}

#[test]
fn send_tries_again_where_that_is_safe_with_a_new_nonce() {
    let (sandbox, python) = served(&[]);
    let said = good(&sandbox, &at(&python, "send SERVER/busy-503-2 --retry 2 --format json KEY"));
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["attempts"], 3);
    assert_eq!(document["signature"], "verified");
    let seen = python.seen();
    let nonces: Vec<_> = seen.iter().map(|request| header(request, "signature-input").unwrap()).collect();
    assert_eq!(nonces.len(), 3);
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2]);
    drop(python);

    let python = Python::start(&sandbox, &[]);
    bad(&sandbox, 1, &at(&python, "send SERVER/busy-429-9 --retry 2"));
    // Whoever asks to wait an hour is not waited for.
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/later --retry 2"));
    assert!(said.contains("try again in 3600 s"), "{said}");
    bad(&sandbox, 1, &at(&python, "send SERVER/status-500 --retry 2"));
    assert_eq!(python.seen().len(), 3 + 1 + 1);
}

/// Makes `NAME.pem` and `NAME.key` in the working directory: a CA, or a certificate by `ca`.
fn certificate(sandbox: &Sandbox, name: &str, ca: Option<&str>) {
    let openssl = |arguments: String| {
        let output = sandbox.program("openssl").args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    match ca {
        None => openssl(format!("{new} -x509 -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2")),
        Some(ca) => openssl(format!(
            "{new} -x509 -CA {ca}.pem -CAkey {ca}.key -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"
        )),
    }
}

#[test]
fn a_client_certificate_is_shown_and_its_refusal_is_a_refused_credential() {
    let sandbox = sandbox();
    sandbox.ok(["init", "--quiet"]);
    certificate(&sandbox, "clients", None);
    certificate(&sandbox, "ci", Some("clients"));
    certificate(&sandbox, "stranger", None);
    let ca = sandbox.path("cwd/clients.pem");
    let python = Python::start(&sandbox, &["--client-ca", ca.to_str().unwrap()]);
    let send = |identity: &str| at(&python, &format!("send SERVER/echo -d @in.json KEY {identity}"));
    let said = good(&sandbox, &send("--client-cert ci.pem --client-key ci.key"));
    assert!(said.contains("echo"));
    for identity in ["", "--client-cert stranger.pem --client-key stranger.key"] {
        let said = bad(&sandbox, 4, &send(identity));
        assert!(said.contains("refused the client certificate"), "{said}");
    }
    for (identity, code, words) in [
        ("--client-cert ci.pem", 2, "--client-key"),
        ("--client-key ci.key", 2, "--client-cert"),
        ("--client-cert none.pem --client-key ci.key", 1, "none.pem"),
        ("--client-cert in.json --client-key ci.key", 1, "malformed"),
        ("--client-cert ci.pem --client-key ../token", 4, "private key is malformed"),
        ("--client-cert ci.pem --client-key none.key", 4, "none.key"),
        ("--client-cert ci.pem --client-key stranger.key", 1, "cannot be used"),
    ] {
        let said = bad(&sandbox, code, &send(identity));
        assert!(said.contains(words), "{identity}: {said}");
    }
}

#[test]
fn only_a_certificate_that_is_trusted_is_talked_to() {
    let (sandbox, python) = served(&[]);
    certificate(&sandbox, "other", None);
    let home_ca = sandbox.home().join("pki/ca.pem");
    let send = |more: &str| at(&python, &format!("send SERVER/echo {more}"));
    good(&sandbox, &send(&format!("--cacert {}", home_ca.display())));
    for more in ["--cacert other.pem", "--home elsewhere"] {
        let said = bad(&sandbox, 1, &send(more));
        assert!(said.contains("is not trusted"), "{more}: {said}");
        assert!(said.contains("--cacert"), "{said}");
    }
    // The system's store, which OpenSSL's variable names.
    let line = send("--home elsewhere");
    let output = sandbox
        .sealserve()
        .arg("request")
        .args(line.split_whitespace())
        .env("SSL_CERT_FILE", &home_ca)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The certificate is for localhost and 127.0.0.1, not for every name of this machine.
    let said = bad(&sandbox, 1, &send("").replace("localhost", "127.0.0.2"));
    assert!(said.contains("is not trusted") || said.contains("cannot connect"), "{said}");
    assert!(bad(&sandbox, 1, &send("--cacert none.pem")).contains("none.pem"));
    assert!(bad(&sandbox, 1, &send("--cacert in.json")).contains("malformed"));
}

#[test]
fn http_goes_to_this_machine_only_and_only_when_asked() {
    let (sandbox, python) = served(&["--plain"]);
    let plain = |line: &str| at(&python, line).replace("https:", "http:");
    good(&sandbox, &plain("send SERVER/echo -d @in.json --insecure KEY"));
    assert!(bad(&sandbox, 2, &plain("send SERVER/echo")).contains("--insecure"));
    assert!(bad(&sandbox, 2, "send http://models.example/ --insecure").contains("loopback"));
    // A server that speaks no TLS, and one that is not there.
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/echo"));
    assert!(said.contains("TLS handshake"), "{said}");
    let line = at(&python, "send SERVER/echo --retry 1");
    drop(python);
    assert!(bad(&sandbox, 1, &line).contains("cannot connect to localhost:"));
}

#[test]
fn a_slow_server_is_given_up() {
    let (sandbox, python) = served(&[]);
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/slow --timeout 1s --retry 3"));
    assert!(said.contains("did not answer within 1s"), "{said}");
    // It was sent, so it is not sent again.
    assert_eq!(python.seen().len(), 1);
}

#[test]
fn the_answer_goes_where_it_is_wanted() {
    let (sandbox, python) = served(&[]);
    let all: Vec<u8> = (0..=255).collect();
    let output = request(&sandbox, &at(&python, "send SERVER/binary KEY"));
    assert_eq!(output.stdout, all);
    assert_eq!(good(&sandbox, &at(&python, "send SERVER/binary -o out KEY")), "");
    assert_eq!(fs::read(sandbox.path("cwd/out")).unwrap(), all);
    assert!(bad(&sandbox, 1, &at(&python, "send SERVER/echo -o out KEY")).contains("exists already"));
    good(&sandbox, &at(&python, "send SERVER/echo -o out --force KEY"));
    assert!(fs::read_to_string(sandbox.path("cwd/out")).unwrap().contains("echo"));
    // A file that cannot be made is found out before anything is sent.
    let before = python.seen().len();
    bad(&sandbox, 1, &at(&python, "send SERVER/echo -o none/out KEY"));
    assert_eq!(python.seen().len(), before);

    let json = |line: &str| -> Value {
        serde_json::from_str(&good(&sandbox, &at(&python, &format!("{line} --format json KEY")))).unwrap()
    };
    let document = json("send SERVER/echo -d @in.json");
    assert_eq!(document["schema"], "sealserve.request.send/v1");
    assert_eq!(document["body"]["signed"], true);
    assert_eq!((document["status"].as_u64(), document["signature"].as_str()), (Some(200), Some("verified")));
    let document = json("send SERVER/binary");
    assert_eq!(BASE64.decode(document["body_base64"].as_str().unwrap().as_bytes()).unwrap(), all);
    let document = json("send SERVER/binary -o json");
    assert_eq!((&document["body_base64"], document["bytes"].as_u64()), (&Value::Null, Some(256)));
}

#[test]
fn a_secret_is_neither_argument_nor_output() {
    let sandbox = sandbox();
    for name in ["Authorization", "x-api-key", "COOKIE", "Proxy-Authorization"] {
        for verb in ["sign URL KEY", "verify URL", "send URL"] {
            let said = bad(&sandbox, 2, &format!("{verb} -H {name}:hunter2"));
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("must not be an argument"), "{said}");
        }
    }
    assert!(!bad(&sandbox, 2, "send URL -H hunter2").contains("hunter2"));
    assert!(!bad(&sandbox, 2, "send https://ann:hunter2@models.example/").contains("hunter2"));
    let secrets = "--token-file ../token --api-key-file ../apikey";
    let said = good(&sandbox, &format!("sign URL KEY {secrets}"));
    assert!(said.contains("\"authorization\" \"x-api-key\"") && !said.contains("token-of-ci"), "{said}");
    let said = good(&sandbox, &format!("sign URL KEY {secrets} --reveal"));
    assert!(said.contains("Authorization: Bearer token-of-ci\nX-Api-Key: ss_key\n"), "{said}");
    // A file may hold it, and a key given in the place of its file is not repeated.
    sandbox.write_secret("cwd/fields", "Authorization: Bearer hunter2\n");
    assert!(!good(&sandbox, "sign URL KEY -H @fields").contains("hunter2"));
    let said = bad(&sandbox, 2, &format!("sign URL --sign-key-file {KEY} --sign-key-id ci"));
    assert!(!said.contains(KEY), "{said}");
}

#[test]
fn bad_input_is_refused_with_its_reason() {
    let sandbox = sandbox();
    sandbox.write("cwd/readable.key", KEY);
    sandbox.write_secret("cwd/short.key", "5a5a");
    sandbox.write_secret("cwd/empty", "");
    sandbox.write_secret("cwd/lines", "a\nb\n");
    sandbox.write("cwd/fields", "no colon\n");
    sandbox.write("cwd/many", (0..27_000).map(|n| format!("a{n}:\n")).collect::<String>());
    sandbox.write("cwd/signature", "Signature: sealserve=:AAAA:\n");
    for (code, line, words) in [
        (2, "sign", "<URL>"),
        (2, "sign models.example KEY", "must begin with https://"),
        (2, "sign ftp://models.example KEY", "must begin with https://"),
        (2, "sign https://u:p@models.example KEY", "user name"),
        (2, "sign https://models.example:0/ KEY", "port"),
        (2, "sign URL", "no key to sign with"),
        (2, "sign URL --sign-key-file ../ci.key", "--sign-key-id"),
        (2, "sign URL --sign-key-id ci", "--sign-key-file"),
        (2, "sign URL --sign-key ci KEY", "cannot be used with"),
        (1, "sign URL --sign-key ci", "no keyring"),
        (4, "sign URL --sign-key-file none --sign-key-id ci", "none"),
        (4, "sign URL --sign-key-file readable.key --sign-key-id ci", "readable by others"),
        (4, "sign URL --sign-key-file short.key --sign-key-id ci", "64 hexadecimal digits"),
        (2, "sign URL --sign-key-file ../ci.key --sign-key-id é", "printable"),
        (2, "sign URL KEY --window 0s", "1 s to 300 s"),
        (2, "sign URL KEY --window 301s", "1 s to 300 s"),
        (2, "sign URL KEY --window soon", "length of time"),
        (2, "sign URL KEY -X A/B", "--method"),
        (2, "sign URL KEY -H novalue", "'Name: value'"),
        (2, "sign URL KEY -H :value", "'Name: value'"),
        (2, "sign URL KEY -H @fields", "'Name: value'"),
        (1, "sign URL KEY -H @none", "none"),
        (2, "sign URL KEY -H Host:other", "leave it out"),
        (2, "sign URL KEY -H Content-Digest:x", "leave it out"),
        (2, "sign URL KEY -H @signature", "leave it out"),
        (2, "sign URL KEY -H @many", "too many fields"),
        (1, "sign URL KEY -d @none", "none"),
        (4, "sign URL KEY --token-file none", "none"),
        (4, "sign URL KEY --token-file empty", "holds nothing"),
        (4, "sign URL KEY --token-file lines", "holds nothing"),
        (4, "sign URL KEY --token-file env:NONE", "NONE"),
        (2, "sign URL KEY --token-file - --data @-", "only one thing"),
        (2, "sign URL KEY -H @- --data @-", "only one thing"),
        (3, "verify URL", "not signed"),
        (3, "verify URL -H @signature", "without a Signature-Input"),
        (2, "verify URL -H Host:other", "leave it out"),
        (2, "verify URL --at yesterday", "RFC 3339"),
        (2, "verify URL --window 1h", "1 s to 300 s"),
        (1, "verify URL --response none", "none"),
        (2, "send", "<URL>"),
        (2, "send http://models.example/", "--insecure"),
        (2, "send URL --timeout 0s", "--timeout"),
        (2, "send URL --retry=-1", "--retry"),
        (2, "send URL --retry 101", "--retry"),
        (2, "send URL --force", "--out"),
        (2, "send URL --allow-unsigned", "--allow-unsigned"),
        (2, "send URL --sign-key-file ../ci.key", "--sign-key-id"),
    ] {
        let said = bad(&sandbox, code, line);
        assert!(said.contains(words), "{line}: {said}");
    }
}

#[test]
fn verify_says_what_is_wrong_and_what_it_does_not_check() {
    let sandbox = sandbox();
    sandbox.write("cwd/fields", good(&sandbox, "sign URL -d @in.json KEY"));
    let verify = "verify URL -d @in.json -H @fields";
    let key = "--sign-key-file ../ci.key";
    let said = good(&sandbox, &format!("{verify} {key}"));
    assert!(said.contains("not checked: whether the request was sent before"), "{said}");
    let document: Value =
        serde_json::from_str(&good(&sandbox, &format!("{verify} {key} --format json"))).unwrap();
    assert_eq!(document["schema"], "sealserve.request.verify/v1");
    assert_eq!((&document["verified"], &document["replay_checked"]), (&true.into(), &false.into()));
    // What it says of its times can be given back to it.
    let at = |time: &Value| format!("{verify} {key} --at {}", time.as_str().unwrap());
    good(&sandbox, &at(&document["created"]));
    let said = bad(&sandbox, 3, &at(&document["expires"]));
    assert!(said.contains("the signature expired at"), "{said}");
    assert!(bad(&sandbox, 3, &format!("{verify} {key} --at 1000000000")).contains("created in the future"));
    assert!(bad(&sandbox, 3, &format!("{verify} {key} --window 59s")).contains("longer than 59 s"));

    sandbox.write_secret("other.key", "0f".repeat(32));
    for (line, words) in [
        (format!("{verify} --sign-key-file ../other.key"), "does not verify"),
        (format!("{verify} {key} --sign-key-id other"), "not with 'other'"),
        (format!("{verify} {key}").replace("@in.json", "other"), "body is not the one"),
        (format!("{verify} {key} -X PUT"), "does not verify"),
        (format!("{verify} {key} -H X-Api:1"), ""),
        (format!("{verify} {key} -H DPoP:proof"), "does not cover \"dpop\""),
        (format!("{verify} {key}").replace("-d @in.json", "-X POST"), "body is not the one"),
    ] {
        if words.is_empty() {
            good(&sandbox, &line);
        } else {
            assert!(bad(&sandbox, 3, &line).contains(words), "{line}");
        }
    }
    // A body that nobody signed.
    sandbox.write("cwd/fields", good(&sandbox, "sign -X POST URL KEY"));
    assert!(bad(&sandbox, 3, &format!("{verify} {key}")).contains("has a body, but none was signed"));
    // A response that is none.
    let line = format!("verify -X POST URL -H @fields {key} --response in.json");
    assert!(bad(&sandbox, 1, &line).contains("curl -i"));
}

#[test]
fn a_revoked_key_of_the_home_signs_and_verifies_nothing() {
    let sandbox = sandbox();
    sandbox.ok(["init", "--quiet"]);
    sandbox.write("cwd/fields", good(&sandbox, "sign URL --sign-key ci"));
    good(&sandbox, "verify URL -H @fields");
    sandbox.ok(["key", "revoke", "ci"]);
    assert!(bad(&sandbox, 4, "sign URL --sign-key ci").contains("key 'ci' is revoked"));
    assert!(bad(&sandbox, 3, "verify URL -H @fields").contains("key 'ci' is revoked"));
    sandbox.ok(["key", "create", "--use", "request", "--id", "cd", "--owner", "cd"]);
    assert!(bad(&sandbox, 4, "sign URL --sign-key model-1").contains("is for model"));
    assert!(bad(&sandbox, 4, "send URL --sign-key token-1").contains("is for token"));
    sandbox.write("cwd/fields", good(&sandbox, "sign URL KEY"));
    good(&sandbox, "verify URL -H @fields --sign-key-file ../ci.key");
    let said = bad(&sandbox, 3, "verify URL -H @fields --sign-key cd");
    assert!(said.contains("signed with key 'ci', not with 'cd'"), "{said}");
}

/// The page's Python client, as a reader would paste it, against a server of the same profile.
#[test]
fn the_python_client_of_the_documentation_works() {
    let (sandbox, python_server) = served(&[]);
    let page = fs::read_to_string(repository().join("docs/request-signing.md")).unwrap();
    let script = page.split_once("\n```python\n").unwrap().1.split_once("\n```").unwrap().0;
    let script = sandbox.write("client.py", script);
    let run = |path: &str| {
        sandbox
            .program(python())
            .arg(&script)
            .arg(at(&python_server, &format!("SERVER/{path}")))
            .arg(sandbox.home().join("pki/ca.pem"))
            .arg(sandbox.path("token"))
            .arg("ci")
            .arg(sandbox.path("ci.key"))
            .output()
            .unwrap()
    };
    let output = run("echo?x=1");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"signed\": true"));
    for path in ["unsigned", "other-body", "other-path"] {
        assert!(!run(path).status.success(), "{path}");
    }
}
