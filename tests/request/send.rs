//! `request send` to a Python server that verifies and signs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use data_encoding::BASE64;
use serde_json::Value;

use crate::support::text;
use crate::{Python, at, bad, good, header, request, served};

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
fn a_refusal_with_a_false_signature_is_not_repeated_and_not_obeyed() {
    let (sandbox, python) = served(&[]);
    for (how, words) in [
        ("other-key", "the signature does not verify"),
        ("other-status", "the signature does not verify"),
        ("other-type", "the signature does not verify"),
        ("no-digest", "which the message does not have"),
        ("other-body", "body is not the one that was signed"),
    ] {
        for status in [401, 403, 503] {
            let line = format!("send SERVER/false_{how}_{status} -d @in.json --retry 2 KEY");
            // Not 4: nobody knows that a credential was refused.
            let said = bad(&sandbox, 1, &at(&python, &line));
            let expected = format!("the server answered {status} (its signature does not hold)\n");
            assert!(said.contains(&expected) && said.contains(words), "{how}: {said}");
            assert!(!said.to_lowercase().contains("forged"), "{how}: {said}");
        }
    }
    assert_eq!(python.seen().len(), 5 * 3);
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

#[test]
fn a_server_that_has_just_started_is_asked_again_when_it_says() {
    let (sandbox, python) = served(&[]);
    // One attempt more: it must be late enough.
    let line = "send SERVER/starting-3 -d @in.json --retry 1 --format json KEY";
    let document: Value = serde_json::from_str(&good(&sandbox, &at(&python, line))).unwrap();
    assert_eq!((&document["attempts"], &document["signature"]), (&2.into(), &"verified".into()));
    let seen = python.seen();
    let input = |request: usize| header(&seen[request], "signature-input").unwrap().to_owned();
    assert_eq!(seen.len(), 2);
    assert_ne!(input(0), input(1));
    drop(python);

    let python = Python::start(&sandbox, &[]);
    let said = bad(&sandbox, 1, &at(&python, "send SERVER/starting-6 KEY"));
    assert!(said.contains("just_started") && said.contains("try again in 6 s, or pass --retry"), "{said}");
}

#[test]
fn the_answer_goes_where_it_is_wanted() {
    let (sandbox, python) = served(&[]);
    let all: Vec<u8> = (0..=255).collect();
    let output = request(&sandbox, &at(&python, "send SERVER/binary KEY"));
    assert_eq!(output.stdout, all);
    assert_eq!(good(&sandbox, &at(&python, "send SERVER/binary -o out KEY")), "");
    let mode = || sandbox.path("cwd/out").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(fs::read(sandbox.path("cwd/out")).unwrap(), all);
    assert_eq!(mode(), 0o600);
    assert!(bad(&sandbox, 1, &at(&python, "send SERVER/echo -o out KEY")).contains("exists already"));
    good(&sandbox, &at(&python, "send SERVER/echo -o out --force KEY"));
    assert!(fs::read_to_string(sandbox.path("cwd/out")).unwrap().contains("echo"));
    assert_eq!(mode(), 0o600);
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
