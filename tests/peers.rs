//! Real peers, pinned: what the clients of the world get from a real server, and
//! what their libraries make of our tokens and files.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use data_encoding::HEXLOWER;
use support::forge::AUTHORITY;
use support::{
    Sandbox, Server, curl, generation, peer, peer_of, python, python_with_kserve, repository, testdata, text,
    wait_until,
};

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

#[test]
fn an_api_key_serves_in_the_place_of_a_bearer_token() {
    let (sandbox, server) = served();
    let create = "apikey create --quiet --subject peer --scope model:digits:* -o -";
    sandbox.write_secret("token", sandbox.ok(create.split(' ')));
    digits(&sandbox, server.authority(), "triton_json.py");
}

/// Serves digits and the models that give back what they get, whatever its data type.
fn served_with_echo() -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    let table = |name| format!("[[model]]\nname = \"{name}\"\npath = \"models/{name}.sealed\"\n");
    sandbox.init_with_digits(&["echo", "bf16"].map(table).concat());
    for name in ["echo", "bf16"] {
        sandbox.encrypt(&testdata(&format!("models/{name}.onnx")), name);
    }
    let server = Server::start(&sandbox, &[]);
    sandbox.write_secret("token", sandbox.mint("peer", "model:*:*"));
    (sandbox, server)
}

#[test]
fn tritonclient_works_in_binary_and_compressed() {
    let (sandbox, server) = served_with_echo();
    let report = digits(&sandbox, server.authority(), "triton_binary.py");
    assert_eq!(report["rows"], 360, "{report}");
    assert_eq!(report["label_mismatches"], 0, "{report}");
    // In JSON and in binary, outputs named or not, three codings each way.
    assert_eq!(report["exchanges"], 36, "{report}");
    assert_eq!(report["echoed"], 12 * 13, "{report}");
}

#[test]
fn kserves_client_works_in_json_and_in_binary() {
    let (sandbox, server) = served_with_echo();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let report = peer_of(
        &python_with_kserve(),
        &sandbox,
        "kserve_client.py",
        [
            "--url",
            &server.url,
            "--ca",
            &path(sandbox.home().join("pki/ca.pem")),
            "--token-file",
            &path(sandbox.path("token")),
            "--rows",
            &path(testdata("digits-heldout.csv")),
        ],
    );
    assert_eq!(report["rows"], 360, "{report}");
    assert!(report["accuracy"].as_f64().unwrap() >= 0.97, "{report}");
    assert_eq!(report["echoed"], 4 * 13, "{report}");
    for (call, status, message) in
        [("without_token", 401, "a credential is required"), ("wrong_shape", 400, "has shape")]
    {
        assert_eq!(report[call]["status"], status, "{report}");
        assert!(report[call]["message"].as_str().unwrap().contains(message), "{report}");
    }
}

/// Verifies the token in the sandbox with PyJWT and joserfc, under the keys in `jwks`.
fn verify(sandbox: &Sandbox, jwks: &Path) -> Output {
    sandbox
        .program(python())
        .arg(repository().join("tests/peers/verify_token.py"))
        .arg("--token-file")
        .arg(sandbox.path("token"))
        .arg("--jwks")
        .arg(jwks)
        .args(["--issuer", AUTHORITY, "--audience", AUTHORITY])
        .output()
        .unwrap()
}

/// The key ids in a JWK Set.
fn kids(jwks: &str) -> Vec<String> {
    let jwks: serde_json::Value = serde_json::from_str(jwks).unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pyjwt_and_joserfc_verify_our_tokens_until_their_key_is_revoked() {
    let (sandbox, server) = served();
    let shown = || sandbox.ok(["key", "jwks"]);
    let answered = || text(&curl(&sandbox, [format!("{}/.well-known/jwks.json", server.url)]).body);
    let first = kids(&shown());
    assert_eq!(first.len(), 1);

    sandbox.ok(["key", "rotate", "--use", "token"]);
    wait_until("the server obeys", || generation(&sandbox) == 2);
    let rotated = shown();
    assert_eq!(kids(&rotated).len(), 2);
    assert_eq!(kids(&rotated), kids(&answered()));
    // The token of the first key, then one of the second.
    for subject in ["peer", "ann"] {
        if subject == "ann" {
            sandbox.write_secret("token", sandbox.mint("ann", "admin:*"));
        }
        for jwks in [shown(), answered()] {
            let output = verify(&sandbox, &sandbox.write("jwks.json", jwks));
            assert!(output.status.success(), "{}", text(&output.stderr));
            let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(found["claims"]["sub"], subject);
            assert_eq!(found["claims"]["iss"], AUTHORITY);
            assert_eq!(found["header"]["typ"], "at+jwt");
        }
    }

    sandbox.ok(["key", "revoke", "token-1"]);
    wait_until("the server obeys", || generation(&sandbox) == 3);
    for jwks in [shown(), answered()] {
        assert_eq!(kids(&jwks).len(), 1);
        assert!(!kids(&jwks).contains(&first[0]));
        assert!(verify(&sandbox, &sandbox.write("jwks.json", jwks)).status.success());
    }
    // Without its key the token means nothing to them.
    sandbox.ok(["key", "revoke", &kids(&shown())[0]]);
    let jwks = shown();
    assert_eq!(kids(&jwks).len(), 0);
    assert!(!verify(&sandbox, &sandbox.write("jwks.json", jwks)).status.success());
}

const LABEL: &[u8] = b"sealserve/v1/";

/// Where the parts of an encrypted model are (docs/file-format.md), read here without our code.
struct Parts {
    preamble: Vec<u8>,
    /// Type and key id of the only recipient, and the wrapped data key.
    recipient: Vec<u8>,
    wrapped: Vec<u8>,
    payload: usize,
}

impl Parts {
    fn of(file: &[u8]) -> Self {
        let number = |at: usize, length: usize| {
            file[at..at + length].iter().fold(0_usize, |n, byte| n << 8 | usize::from(*byte))
        };
        assert_eq!(&file[..8], b"\x89SEALED\n");
        let slot = 4096;
        assert_eq!(number(slot + 12, 2), 1, "one recipient");
        assert_eq!(number(slot + 14, 2), 1, "a key-encryption key");
        let blob = slot + 34;
        let length = number(blob - 2, 2);
        assert_eq!(length, 104);
        Self {
            preamble: file[..64].to_vec(),
            recipient: file[slot + 14..slot + 32].to_vec(),
            wrapped: file[blob..blob + length].to_vec(),
            payload: number(36, 4),
        }
    }

    fn context(&self, what: &str, more: &[u8]) -> String {
        HEXLOWER.encode(&[LABEL, what.as_bytes(), b"\0", &self.preamble, more].concat())
    }
}

/// Runs `cobblestone.py`; the key file holds hex.
fn cobblestone(sandbox: &Sandbox, action: &str, key: &Path, context: &str, source: &Path) -> Output {
    sandbox
        .program(python())
        .arg(repository().join("tests/peers/cobblestone.py"))
        .arg(action)
        .arg("--key-hex-file")
        .arg(key)
        .args(["--context-hex", context])
        .arg(source)
        .arg("-")
        .output()
        .unwrap()
}

#[test]
fn cryptography_opens_our_payload_and_we_open_its() {
    let sandbox = Sandbox::new();
    let kek = sandbox.write_secret("kek", "0f".repeat(32));
    let (kek_path, sealed, opened) =
        (kek.to_str().unwrap(), sandbox.path("model.sealed"), sandbox.path("opened"));
    for size in [0, 1, 16383, 16384, 16385, 1 << 20] {
        let plain: Vec<u8> = (0..size).map(|i: usize| (i.wrapping_mul(31) >> 3).to_le_bytes()[0]).collect();
        let source = sandbox.write("plain", &plain);
        for path in [&sealed, &opened] {
            let _ = std::fs::remove_file(path);
        }
        // What the file holds is not looked at here: the container takes any bytes.
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        sandbox.ok([
            "model",
            "encrypt",
            &path(&source),
            "--name",
            "m",
            "--key-file",
            kek_path,
            "-o",
            &path(&sealed),
        ]);
        let file = std::fs::read(&sealed).unwrap();
        let parts = Parts::of(&file);

        // Theirs opens ours: the data key out of the header, then the payload.
        let wrapped = sandbox.write("wrapped", &parts.wrapped);
        let dek = cobblestone(&sandbox, "decrypt", &kek, &parts.context("wrap", &parts.recipient), &wrapped);
        assert!(dek.status.success(), "{size}: {}", text(&dek.stderr));
        assert_eq!(dek.stdout.len(), 32);
        let key = sandbox.write_secret("dek", HEXLOWER.encode(&dek.stdout));
        let context = parts.context("payload", b"");
        let payload = sandbox.write("payload", &file[parts.payload..]);
        let theirs = cobblestone(&sandbox, "decrypt", &key, &context, &payload);
        assert!(theirs.status.success(), "{size}: {}", text(&theirs.stderr));
        assert!(theirs.stdout == plain, "{size}");
        // And only in its place.
        let elsewhere = parts.context("meta", b"");
        assert!(!cobblestone(&sandbox, "decrypt", &key, &elsewhere, &payload).status.success());

        // Ours opens theirs: our header, their payload.
        let made = cobblestone(&sandbox, "encrypt", &key, &context, &source);
        assert!(made.status.success(), "{size}: {}", text(&made.stderr));
        assert_ne!(made.stdout, file[parts.payload..], "another salt");
        let spliced = sandbox.write("spliced.sealed", [&file[..parts.payload], &made.stdout].concat());
        sandbox.ok(["model", "decrypt", &path(&spliced), "--key-file", kek_path, "-o", &path(&opened)]);
        assert!(std::fs::read(&opened).unwrap() == plain, "{size}");
    }
}

#[test]
fn the_documented_python_client_signs_and_gets_signed_answers() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("[signing]\nmode = \"required\"");
    let server = Server::start(&sandbox, &[]);
    sandbox.write_secret("token", sandbox.mint("ci", "model:digits:infer"));
    sandbox.ok(["key", "export", "ci", "-o", sandbox.path("ci.key").to_str().unwrap()]);
    let page = fs::read_to_string(repository().join("docs/request-signing.md")).unwrap();
    let script = page.split_once("\n```python\n").unwrap().1.split_once("\n```").unwrap().0;
    let body = fs::read_to_string(testdata("digits-request.json")).unwrap();
    assert!(script.contains(r#"json={"inputs": []}"#));
    let script = script.replace(r#"json={"inputs": []}"#, &format!("json={body}"));
    let output = sandbox
        .program(python())
        .args(["-c", &script, &format!("{}/v2/models/digits/infer", server.url)])
        .args([sandbox.home().join("pki/ca.pem"), sandbox.path("token")])
        .arg("ci")
        .arg(sandbox.path("ci.key"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["outputs"][0]["shape"], serde_json::json!([1, 10]), "{answer}");
}
