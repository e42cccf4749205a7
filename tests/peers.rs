//! Real peers, pinned: what the clients of the world get from a real server, and
//! what their libraries make of our tokens and files.

mod support;

use support::{Sandbox, Server, peer, testdata};

fn served() -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("peer", "model:digits:*");
    sandbox.write_secret("token", token);
    (sandbox, server)
}

fn digits(sandbox: &Sandbox, url: &str, script: &str) -> serde_json::Value {
    let (ca, token) = (sandbox.home().join("pki/ca.pem"), sandbox.path("token"));
    let (onnx, rows) = (testdata("digits.onnx"), testdata("digits-heldout.csv"));
    let arguments: Vec<std::ffi::OsString> = vec![
        "--url".into(),
        url.into(),
        "--model".into(),
        "digits".into(),
        "--ca".into(),
        ca.into(),
        "--token-file".into(),
        token.into(),
        "--onnx".into(),
        onnx.into(),
        "--rows".into(),
        rows.into(),
    ];
    peer(sandbox, script, arguments)
}

#[test]
fn every_held_out_digit_gets_the_answer_of_python_onnxruntime() {
    let (sandbox, server) = served();
    let report = digits(&sandbox, &server.url, "accuracy.py");
    assert_eq!(report["rows"], 360);
    assert_eq!(report["label_mismatches"], 0);
    assert!(report["max_abs_diff"].as_f64().unwrap() <= 1e-6, "{report}");
    assert!(report["accuracy"].as_f64().unwrap() >= 0.97, "{report}");
}

#[test]
fn tritonclient_works_as_it_is() {
    let (sandbox, server) = served();
    digits(&sandbox, server.authority(), "triton_json.py");
}
