//! `http_message_signatures` and `requests-http-signature`, both ways.

use std::fs;
use std::process::{Output, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::{self, Sandbox, python, repository, text};
use crate::{KEY, URL, at, bad, good, pairs, sandbox, served};

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
    sandbox.write_secret(&format!("cwd/{name}"), lines.collect::<String>());
}

#[test]
fn python_verifies_what_we_sign() {
    let sandbox = sandbox();
    let secrets = "--token-file ../token --api-key-file ../apikey --reveal -o -";
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
