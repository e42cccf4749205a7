//! The record of decisions: complete, chained, and without secrets.

use sealserve::crypto::digest;

use crate::support::{Sandbox, Server, text};
use crate::{GOOD, Served, refused};

#[test]
fn every_decision_has_a_line_that_says_who_did_what() {
    let served = Served::digits("");
    let answer = served.infer(GOOD);
    let bad = served.infer(r#"{"inputs":[]}"#);
    let metadata = served.curl_as(&served.token, "/v2/models/digits", &[]);
    let missing = served.curl_as(&served.token, "/v2/models/other", &[]);
    let path = served.sandbox.home().join("audit/audit.jsonl");
    let (token, sandbox_home) = (served.token.clone(), served.sandbox.home());
    let Served { server, sandbox, .. } = served;
    assert!(server.stop().success());
    let log = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |answer: &crate::Answer| {
        let id = answer.header("x-request-id").unwrap();
        let mut found = lines.iter().filter(|line| line["request_id"] == id);
        let line = found.next().unwrap_or_else(|| panic!("{id}: {log}"));
        assert!(found.next().is_none(), "two lines for {id}");
        line
    };
    for (answer, action, model, verdict, reason) in [
        (&answer, "infer", "digits", "allowed", None),
        (&bad, "infer", "digits", "denied", Some("invalid_input")),
        (&metadata, "metadata", "digits", "allowed", None),
        (&missing, "metadata", "other", "denied", Some("no_such_model")),
    ] {
        let line = find(answer);
        assert_eq!(line["action"], action);
        assert_eq!(line["model"], model);
        assert_eq!(line["verdict"], verdict);
        assert_eq!(line["reason"].as_str(), reason);
        assert_eq!(line["status"], answer.status);
        assert_eq!(line["principal"], "ann");
        assert_eq!(line["proof"], "token");
        assert_eq!(line["source"], "127.0.0.1");
        assert_eq!(line["response_bytes"], answer.body.len());
        assert!(line["key"].as_str().is_some_and(|key| key.len() == 43), "{line}");
        assert!(line["token"].as_str().is_some_and(|jti| jti.len() == 32), "{line}");
        assert!(line["microseconds"].is_u64(), "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert_eq!(find(&answer)["request_bytes"], GOOD.len());

    // Nothing of a credential or a tensor stands in it.
    for part in token.split('.') {
        assert!(!log.contains(part));
    }
    assert!(!log.contains("15, 13") && !log.contains("15,13"), "{log}");
    for line in &lines {
        let plain = |value: &serde_json::Value| !value.is_array() && !value.is_object() && !value.is_f64();
        assert!(line.as_object().unwrap().values().all(plain), "{line}");
    }
    drop((sandbox, sandbox_home));
}

#[test]
fn each_line_holds_the_hash_of_the_one_before() {
    let served = Served::digits("");
    for _ in 0..5 {
        served.infer(GOOD);
        served.curl("/v2", &[]);
    }
    let path = served.sandbox.home().join("audit/audit.jsonl");
    let Served { server, sandbox, .. } = served;
    assert!(server.stop().success());
    let log = std::fs::read_to_string(path).unwrap();
    let (mut previous, mut sequence) = ("0".repeat(64), 0);
    for line in log.lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(parsed["previous"], previous, "{line}");
        assert_eq!(parsed["sequence"], sequence, "{line}");
        previous = data_encoding::HEXLOWER.encode(&digest::sha256(&[line.as_bytes()]));
        sequence += 1;
    }
    assert_eq!(sequence, 6, "five inferences, and one line for five refusals: {log}");
    drop(sandbox);
}

#[test]
fn what_was_decided_before_the_end_is_written_before_the_end() {
    let sandbox = Sandbox::new();
    // A pipe that nobody empties: the writer stands still with most of the lines.
    let pipe = sandbox.path("pipe");
    assert!(sandbox.program("mkfifo").arg(&pipe).status().unwrap().success());
    sandbox.init_with_digits(&format!("[audit]\npath = \"{}\"\n", pipe.display()));
    let served = Served::start(sandbox);
    let mut log = std::fs::File::open(&pipe).unwrap();
    let mut client = served.client();
    let request = crate::support::client::infer("digits", &served.token, GOOD);
    for _ in 0..400 {
        assert_eq!(client.ask(&request).unwrap().status, 200);
    }
    served.curl("/v2", &[]);
    drop(client);
    let Served { server, sandbox, .. } = served;
    let end = std::thread::spawn(move || server.stop());
    crate::support::wait_until("the server is about to end", || {
        !sandbox.home().join("control.sock").exists()
    });
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut log, &mut lines).unwrap();
    assert!(end.join().unwrap().success());
    assert_eq!(lines.lines().count(), 401);
    assert!(lines.lines().last().unwrap().contains("no_credential"));
}

#[test]
fn the_log_is_only_for_its_owner_and_grows_across_restarts() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let token = sandbox.mint("ann", "model:*:*");
    let path = sandbox.home().join("audit/audit.jsonl");
    for round in 1..=2 {
        let server = Server::start(&sandbox, &[]);
        assert_eq!(crate::support::infer(&sandbox, &server, "digits", &token, GOOD).status, 200);
        assert!(server.stop().success());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), round);
    }
}

#[test]
fn a_log_that_cannot_be_written_is_counted_and_does_not_stop_the_server() {
    let served = Served::digits("[audit]\npath = \"/dev/full\"\n");
    assert_eq!(served.infer(GOOD).status, 200);
    crate::support::wait_until("the loss is seen", || {
        let status = served.status();
        status["audit_lines_lost"] == 1 && status["audit_healthy"] == false
    });
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn a_required_log_that_cannot_be_written_refuses_and_keeps_the_answer() {
    let served = Served::digits("[audit]\npath = \"/dev/full\"\nmode = \"required\"\n");
    for path in ["/v2/models/digits", "/v2"] {
        let answer = served.curl_as(&served.token, path, &[]);
        refused(path, &answer, 503, "audit_unavailable");
    }
    let answer = served.infer(GOOD);
    refused("infer", &answer, 503, "audit_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!text(&answer.body).contains("probabilities"));
    // Liveness is no decision.
    assert_eq!(served.curl("/v2/health/live", &[]).status, 200);
}

#[test]
fn a_required_log_has_the_line_before_the_client_has_the_answer() {
    let served = Served::digits("[audit]\nmode = \"required\"\n");
    let path = served.sandbox.home().join("audit/audit.jsonl");
    for _ in 0..10 {
        let answer = served.infer(GOOD);
        assert_eq!(answer.status, 200);
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.contains(answer.header("x-request-id").unwrap()));
    }
}

#[test]
fn two_servers_share_a_device_and_never_a_file() {
    let first = Served::digits("[audit]\npath = \"/dev/null\"\n");
    let second = Served::digits("[audit]\npath = \"/dev/null\"\n");
    assert_eq!((first.infer(GOOD).status, second.infer(GOOD).status), (200, 200));

    let served = Served::digits("");
    let log = served.sandbox.home().join("audit/audit.jsonl");
    let sandbox = Sandbox::new();
    sandbox.init_with_digits(&format!("[audit]\npath = \"{}\"\n", log.display()));
    let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("another server writes the audit log"), "{}", text(&output.stderr));
}
