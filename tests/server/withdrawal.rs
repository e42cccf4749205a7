//! Models whose key is revoked: while the server loads, while it runs, and at the next
//! start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::support::client::infer;
use crate::support::{Answer, Sandbox, Server, generation, testdata, text, wait_until};
use crate::{FOREVER, GOOD, Served, refused, slow};

/// Opens what it wrapped, but not before the file `go` is there.
const PATIENT: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case $SEALSERVE_OPERATION in
wrap) base64 -w0 | tr A-Za-z N-ZA-Mn-za-m ;;
unwrap) touch asked; until [ -e go ]; do sleep 0.02; done; tr A-Za-z N-ZA-Mn-za-m | base64 -d ;;
esac
"#;

/// Encrypts `model` as `name` with these options, into the home.
fn encrypt(sandbox: &Sandbox, model: &str, name: &str, options: &[&str]) {
    let output = sandbox.home().join(format!("models/{name}.sealed"));
    let mut command = sandbox.sealserve();
    command.args(["model", "encrypt", "--force", "--name", name, "-o"]).arg(output);
    let output = command.args(options).arg(testdata(model)).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn table(name: &str, more: &str) -> String {
    format!("[[model]]\nname = \"{name}\"\npath = \"models/{name}.sealed\"\n{more}")
}

const SIGNED: &str = "require_signature = true\ntrusted_signers = [\"pki/release.pem\"]\n";

/// A home with the signer `release`, and `tables` in its configuration.
fn home(tables: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.init(tables);
    sandbox.ok(["key", "create", "--use", "model", "--id", "spare"]);
    sandbox.ok(["key", "create", "--use", "signer", "--id", "release"]);
    let public = sandbox.home().join("pki/release.pem");
    sandbox.ok(["key", "public", "--signer", "release", "-o", public.to_str().unwrap()]);
    sandbox
}

/// Serves `digits`, opened by the key `model-1` and signed by `release`, and `slow`, opened
/// by the key `spare`.
fn two() -> Served {
    let tables = table("digits", SIGNED) + &table("slow", "sessions = 1\n");
    let sandbox = home(&format!("[limits]\ninference_timeout = \"1h\"\n{tables}"));
    encrypt(&sandbox, "digits.onnx", "digits", &["--key", "model-1", "--signer", "release"]);
    encrypt(&sandbox, "models/slow.onnx", "slow", &["--key", "spare"]);
    Served::start(sandbox)
}

/// Revokes `key` with these options, and waits until the server obeys that generation.
fn revoke(served: &Served, key: &str, options: &[&str]) -> Value {
    let all: Vec<&str> =
        ["key", "revoke", key, "--format", "json"].into_iter().chain(options.iter().copied()).collect();
    let said: Value = serde_json::from_str(&served.sandbox.ok(all)).unwrap();
    let wanted = said["generation"].as_u64().unwrap();
    wait_until("the generation is in force", || generation(&served.sandbox) >= wanted);
    said
}

fn model(served: &Served, name: &str) -> Value {
    let status = served.status();
    status["models"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap().clone()
}

fn ask(served: &Served, model: &str, body: &str) -> Answer {
    served.post(model, &[], body.as_bytes())
}

fn ready(served: &Served) -> (u16, Value) {
    let answer = served.curl("/v2/health/ready", &[]);
    (answer.status, answer.json()["ready"].clone())
}

/// The names of the server's threads that run `model`.
fn workers(served: &Served, model: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", served.server.pid())).unwrap();
    let names = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == format!("run {model}")).count()
}

#[test]
fn what_is_revoked_while_models_load_is_not_served() {
    let commands =
        "[keys]\nunwrap_command = [\"../cwd/patient\"]\ncommand_key = \"k\"\ncommand_authenticates = true\n";
    let (patient, digits) = (table("patient", ""), table("digits", SIGNED));
    let (before, after) = (format!("{digits}{patient}"), format!("{patient}{digits}"));
    for (tables, key, code, why) in [
        // Opened already, or not yet.
        (&before, "model-1", 4, "model 'digits' was opened, but model key 'model-1' is revoked now"),
        (&after, "model-1", 4, "no key opens"),
        (&before, "release", 1, "model 'digits' was opened, but signer key 'release' is revoked now"),
        (&after, "release", 1, "no trusted signer has signed it"),
    ] {
        let sandbox = home(&format!("{commands}{tables}"));
        let script = sandbox.write("cwd/patient", PATIENT);
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        encrypt(&sandbox, "digits.onnx", "digits", &["--key", "model-1", "--signer", "release"]);
        encrypt(&sandbox, "digits.onnx", "patient", &["--wrap-command", "./patient", "--command-key", "k"]);
        let output = std::thread::scope(|scope| {
            let server = scope.spawn(|| sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]));
            wait_until("the command is asked", || sandbox.path("cwd/asked").exists());
            sandbox.ok(["key", "revoke", key]);
            sandbox.write("cwd/go", "");
            server.join().unwrap()
        });
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{key}: {said}");
        assert!(said.contains(why) && said.contains("hint: "), "{key}: {said}");
    }
}

/// Between loading and ready there are seconds in which signatures settle.
#[test]
fn what_is_revoked_before_a_server_is_ready_is_not_served() {
    let sandbox = home(&(table("digits", "") + "[signing]\nmode = \"optional\"\n"));
    sandbox.ok(["key", "create", "--use", "request", "--owner", "ann"]);
    encrypt(&sandbox, "digits.onnx", "digits", &["--key", "model-1"]);
    let (server, ready) = Server::listening(&sandbox);
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap();
        assert!(status.success());
    };
    // However long the revocation takes, the server is not ready before it.
    signal("-STOP");
    assert!(!ready.exists());
    sandbox.ok(["key", "revoke", "model-1"]);
    signal("-CONT");
    let stat = format!("/proc/{}/stat", server.pid());
    wait_until("it ends", || fs::read_to_string(&stat).unwrap().contains(") Z "));
    let log = fs::read_to_string(&server.log).unwrap();
    assert!(log.contains("model 'digits' was opened, but model key 'model-1' is revoked now"), "{log}");
    assert_eq!((server.ended().code(), ready.exists()), (Some(4), false));
}

#[test]
fn a_loaded_model_whose_key_is_revoked_goes_on_and_is_seen() {
    let served = two();
    let before = model(&served, "digits");
    assert_eq!((&before["state"], &before["refused"]), (&"ready".into(), &Value::Null));
    assert_eq!(before["opened_by"]["kind"], "key");
    assert_eq!(before["vouched_by"].as_array().unwrap().len(), 1);
    let said = revoke(&served, "model-1", &[]);
    assert_eq!((&said["unload"], &said["kid"]), (&false.into(), &before["opened_by"]["key"]));
    let after = model(&served, "digits");
    assert_eq!(after["state"], "ready");
    assert_eq!(after["refused"]["id"], "model-1");
    assert_eq!((&after["refused"]["use"], &after["refused"]["state"]), (&"model".into(), &"revoked".into()));
    assert!(served.sandbox.ok(["status"]).contains("ready; model key revoked"));
    assert_eq!(model(&served, "slow")["refused"], Value::Null);
    assert_eq!(served.infer(GOOD).status, 200);

    // Told once, however often the keyring changes.
    let log = || fs::read_to_string(&served.server.log).unwrap();
    let warnings = || log().matches("is not accepted any more; it stays loaded").count();
    served.sandbox.ok(["key", "create", "--use", "model", "--id", "third"]);
    revoke(&served, "third", &[]);
    assert_eq!(warnings(), 1, "{}", log());
    // Of a signer it is told as well.
    revoke(&served, "release", &[]);
    assert_eq!(served.infer(GOOD).status, 200);
    let said = served.sandbox.run(["key", "revoke", "release"]);
    assert!(text(&said.stderr).contains("--unload withdraws them"), "{}", text(&said.stderr));
}

#[test]
fn a_withdrawn_model_answers_nothing_from_the_generation_on() {
    let served = two();
    // One runs, one waits.
    let mut clients = [served.client(), served.client()];
    for client in &mut clients {
        client.send(infer("slow", &served.token, &slow(FOREVER))).unwrap();
    }
    wait_until("one waits", || model(&served, "slow")["waiting"] == 1);
    assert_eq!(workers(&served, "slow"), 1);

    let said = revoke(&served, "spare", &["--unload", "--compromised"]);
    assert_eq!(said["unload"], true);
    refused("withdrawn", &ask(&served, "slow", &slow(1)), 503, "model_withdrawn");
    for client in &mut clients {
        refused("withdrawn", &client.answer().unwrap(), 503, "model_withdrawn");
    }
    for path in ["/v2/models/slow", "/v2/models/slow/ready", "/v2/models/slow/versions/1/ready"] {
        refused(path, &served.curl_as(&served.token, path, &[]), 503, "model_withdrawn");
    }
    let shown = model(&served, "slow");
    assert_eq!((&shown["state"], &shown["sessions"]), (&"withdrawn".into(), &0.into()));
    assert_eq!(shown["refused"]["id"], "spare");
    assert!(served.sandbox.ok(["status"]).contains("withdrawn"));
    wait_until("its threads are gone", || workers(&served, "slow") == 0);
    // Who may not know of it learns nothing.
    let stranger = served.sandbox.mint("bob", "model:digits:*");
    let answer = served.curl_as(&stranger, "/v2/models/slow/ready", &[]);
    refused("a stranger", &answer, 403, "insufficient_scope");

    // The other one is served on, until it is withdrawn too: here, by its signer.
    assert_eq!(served.infer(GOOD).status, 200);
    assert_eq!(ready(&served), (200, true.into()));
    revoke(&served, "release", &["--unload"]);
    refused("withdrawn", &served.infer(GOOD), 503, "model_withdrawn");
    assert_eq!(ready(&served), (503, false.into()));
    assert_eq!(served.status()["ready"], false);

    let lines = served.audit();
    let acts: Vec<_> = lines.iter().filter(|line| line["action"] == "withdraw").collect();
    let told: Vec<_> = acts.iter().map(|act| (act["model"].as_str(), act["key"].as_str())).collect();
    assert_eq!(told, [(Some("slow"), Some("spare")), (Some("digits"), Some("release"))]);
    assert!(acts.iter().all(|act| act.get("source").is_none() && act["verdict"] == "allowed"));
    let refusals = lines.iter().filter(|line| line["reason"] == "model_withdrawn");
    assert_eq!(refusals.filter(|line| line["action"] == "infer").count(), 4);
}

#[test]
fn a_quick_model_is_withdrawn_under_load() {
    let served = two();
    let (stop, wrong) = (std::sync::atomic::AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = served.client();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let answer = client.ask(infer("digits", &served.token, GOOD)).unwrap();
                let withdrawn = answer.status == 503 && answer.json()["code"] == "model_withdrawn";
                if answer.status != 200 && !withdrawn {
                    wrong.lock().unwrap().push(text(&answer.body));
                }
            }
        });
        wait_until("it answers", || model(&served, "digits")["done"].as_u64().unwrap() > 20);
        revoke(&served, "model-1", &["--unload"]);
        let done = model(&served, "digits")["done"].as_u64().unwrap();
        for _ in 0..5 {
            refused("withdrawn", &served.infer(GOOD), 503, "model_withdrawn");
        }
        assert_eq!(model(&served, "digits")["done"], done, "nothing runs any more");
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert_eq!(*wrong.lock().unwrap(), [""; 0]);
    wait_until("its threads are gone", || workers(&served, "digits") == 0);
}

#[test]
fn a_server_starts_without_what_is_withdrawn_and_not_without_what_is_revoked() {
    let served = two();
    revoke(&served, "spare", &[]);
    let Served { server, sandbox, .. } = served;
    assert!(server.stop().success());
    let refusal = |code: i32| {
        let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(refusal(4).contains("no key opens"));

    // Revoked already, it can still be said that models are to be withdrawn.
    let said = sandbox.ok(["key", "revoke", "spare", "--unload", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["changed"], true);
    let checked = sandbox.serve_in_vain(&["--check"]);
    let told = text(&checked.stderr);
    assert!(checked.status.success() && told.contains("the model is withdrawn"), "{told}");
    let served = Served::start(sandbox);
    refused("withdrawn", &ask(&served, "slow", &slow(1)), 503, "model_withdrawn");
    assert_eq!(model(&served, "slow")["state"], "withdrawn");
    assert_eq!(model(&served, "slow")["opened_by"], Value::Null);
    assert_eq!(served.infer(GOOD).status, 200);
    assert_eq!(ready(&served), (200, true.into()));

    // The same for a signer; then nothing is left.
    revoke(&served, "release", &["--unload"]);
    let Served { server, sandbox, .. } = served;
    assert!(server.stop().success());
    let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("no model is left to serve") && said.contains("hint: "), "{said}");

    // A file with another key is served again.
    encrypt(&sandbox, "models/slow.onnx", "slow", &["--key", "model-1"]);
    let served = Served::start(sandbox);
    assert_eq!(ask(&served, "slow", &slow(1)).status, 200);
    assert_eq!(model(&served, "digits")["refused"]["id"], "release");
    assert_eq!(model(&served, "digits")["state"], "withdrawn");
    let lines = served.audit();
    let acts = lines.iter().filter(|line| line["action"] == "withdraw" && line["key"] == "spare");
    assert_eq!(acts.count(), 1, "a start without a model is an act");
}

#[test]
fn only_keys_that_models_hang_on_can_unload() {
    let sandbox = home(&table("digits", ""));
    sandbox.ok(["key", "create", "--use", "request", "--owner", "ann", "--id", "request"]);
    let before = sandbox.ok(["key", "list", "--format", "json"]);
    for key in ["token-1", "request"] {
        let said = sandbox.fails(2, ["key", "revoke", key, "--unload"]);
        assert!(said.contains("no model hangs on it") && said.contains("hint: "), "{said}");
    }
    sandbox.ok(["key", "revoke", "spare", "--unload", "--dry-run"]);
    assert_eq!(sandbox.ok(["key", "list", "--format", "json"]), before, "nothing has changed");
    sandbox.ok(["key", "revoke", "spare", "--unload"]);
    let keys: Value = serde_json::from_str(&sandbox.ok(["key", "list", "--format", "json"])).unwrap();
    let unloads = |key: &&Value| key["unload"] == true;
    let found: Vec<_> =
        keys["keys"].as_array().unwrap().iter().filter(unloads).map(|key| &key["id"]).collect();
    assert_eq!(found, ["spare"]);
    // What was said once stays said.
    let said = sandbox.ok(["key", "revoke", "spare", "--format", "json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["changed"], &said["unload"]), (&false.into(), &true.into()));
}
