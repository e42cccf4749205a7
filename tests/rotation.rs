//! Keys and certificates change under a running server: it obeys at once, and no
//! legitimate request fails. Files that cannot be trusted change nothing.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustls::crypto::aws_lc_rs;
use sealserve::keyring::{KeyUse, Keyring, NewKey, Overlap, RootKey, Store};
use support::client::{Client, infer, tls};
use support::{Answer, Sandbox, Server, curl, generation, text, wait_until};

const GOOD: &str = include_str!("../testdata/digits-request.json");

fn served(more: &str) -> (Server, Sandbox) {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits(more);
    (Server::start(&sandbox, &[]), sandbox)
}

fn ask(sandbox: &Sandbox, server: &Server, token: &str) -> Answer {
    Client::new(sandbox, server).ask(infer("digits", token, GOOD)).unwrap()
}

fn get(sandbox: &Sandbox, server: &Server, path: &str) -> Answer {
    curl(sandbox, [format!("{}{path}", server.url)])
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> serde_json::Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
    serde_json::from_str(&sandbox.ok(all)).unwrap()
}

fn status(sandbox: &Sandbox) -> serde_json::Value {
    json(sandbox, &["status"])
}

/// Runs a command that changes the keyring, and waits until the server obeys.
fn change(sandbox: &Sandbox, arguments: &[&str]) {
    let new = json(sandbox, arguments)["generation"].as_u64().unwrap();
    wait_until("the server obeys", || generation(sandbox) >= new);
}

/// Puts `bytes` in the place of `path`, as a careful program does.
fn replace(path: &Path, bytes: &[u8], mode: u32) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Requests without a pause, from several clients that keep their connections.
struct Traffic {
    token: Mutex<String>,
    done: AtomicU64,
    stop: AtomicBool,
}

impl Traffic {
    /// Sends requests with `token` while `body` runs; every one must succeed.
    fn during(sandbox: &Sandbox, server: &Server, token: &str, body: impl FnOnce(&Self)) {
        let traffic = Self {
            token: Mutex::new(token.to_owned()),
            done: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            // Also when `body` fails: else its scope waits for ever.
            let _stop = Stop(&traffic.stop);
            for _ in 0..4 {
                let mut client = Client::new(sandbox, server);
                let traffic = &traffic;
                scope.spawn(move || {
                    while !traffic.stop.load(Ordering::Acquire) {
                        let request = infer("digits", &traffic.token.lock().unwrap().clone(), GOOD);
                        let answer = client.ask(request).unwrap();
                        assert_eq!(answer.status, 200, "{}", text(&answer.body));
                        traffic.done.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            traffic.flows();
            body(&traffic);
            traffic.flows();
        });
    }

    /// Waits until each client can have sent something since.
    fn flows(&self) {
        let goal = self.done.load(Ordering::Acquire) + 12;
        wait_until("requests succeed", || self.done.load(Ordering::Acquire) >= goal);
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sends requests with `token` while `body` runs, and fails if one that began after
/// `body` had set the flag succeeded.
fn watched(sandbox: &Sandbox, server: &Server, token: &str, body: impl FnOnce(&AtomicBool)) {
    let (dead, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let attacker = scope.spawn(|| {
            let mut client = Client::new(sandbox, server);
            let (mut before, mut after) = (0, 0);
            while !stop.load(Ordering::Acquire) || (dead.load(Ordering::Acquire) && after < 20) {
                let expected = dead.load(Ordering::Acquire);
                let answer = client.ask(infer("digits", token, GOOD)).unwrap();
                if expected {
                    assert_eq!(answer.status, 401, "a revoked token was accepted");
                    after += 1;
                } else {
                    before += u32::from(answer.status == 200);
                }
            }
            before
        });
        body(&dead);
        assert!(dead.load(Ordering::Acquire));
        stop.store(true, Ordering::Release);
        assert!(attacker.join().unwrap() > 0, "it was accepted before");
    });
}

#[test]
fn rotation_and_revocation_are_obeyed_at_once_and_no_legitimate_request_fails() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    watched(&sandbox, &server, &old, |dead| {
        Traffic::during(&sandbox, &server, &old, |traffic| {
            change(&sandbox, &["key", "rotate", "--use", "token"]);
            traffic.flows();
            let new = sandbox.mint("ann", "model:*:*");
            assert_eq!(ask(&sandbox, &server, &new).status, 200);
            assert_eq!(ask(&sandbox, &server, &old).status, 200);
            traffic.token.lock().unwrap().clone_from(&new);
            // Twice: what was begun with the old token is done after the first.
            traffic.flows();
            traffic.flows();
            change(&sandbox, &["key", "revoke", "token-1"]);
            dead.store(true, Ordering::Release);
            for _ in 0..5 {
                let answer = ask(&sandbox, &server, &old);
                assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("invalid_token")));
                assert_eq!(ask(&sandbox, &server, &new).status, 200);
            }
        });
    });
}

#[test]
fn a_token_of_a_new_key_is_accepted_as_soon_as_it_can_be_minted() {
    let (server, sandbox) = served("");
    for _ in 0..5 {
        sandbox.ok(["key", "rotate", "--use", "token"]);
        let new = sandbox.mint("ann", "model:*:*");
        // No waiting for the server here: whoever got the token does not know of the rotation.
        let answer = ask(&sandbox, &server, &new);
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
    }
}

#[test]
fn an_emergency_cuts_off_what_the_old_key_signed() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    let said = sandbox.fails(1, ["key", "rotate", "--use", "token", "--overlap", "0s"]);
    assert!(said.contains("--emergency"), "{said}");
    assert_eq!(ask(&sandbox, &server, &old).status, 200);
    watched(&sandbox, &server, &old, |dead| {
        change(&sandbox, &["key", "rotate", "--use", "token", "--overlap", "0s", "--emergency"]);
        dead.store(true, Ordering::Release);
        let new = sandbox.mint("ann", "model:*:*");
        Traffic::during(&sandbox, &server, &new, Traffic::flows);
    });
    let keys = get(&sandbox, &server, "/.well-known/jwks.json").json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
}

#[test]
fn a_revocation_reaches_requests_that_are_under_way() {
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"slow\"\npath = \"models/slow.sealed\"\n");
    sandbox.encrypt(&support::testdata("models/slow.onnx"), "slow");
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("ann", "model:*:*");
    let body = r#"{"inputs":[{"name":"iterations","shape":[1],"datatype":"INT64","data":[1000]}]}"#;
    let mut client = Client::new(&sandbox, &server);
    client.send(infer("slow", &token, body)).unwrap();
    wait_until("the request is there", || status(&sandbox)["requests"] == 1);
    change(&sandbox, &["key", "revoke", "token-1"]);
    // A machine so fast that it was done before is allowed to have answered.
    let done_before = status(&sandbox)["models"][0]["done"] == 1;
    let answer = client.answer().unwrap();
    assert!(answer.status == 401 || done_before, "{}", text(&answer.body));
}

#[test]
fn without_any_key_nobody_enters_and_a_new_key_opens_again() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    assert_eq!(ask(&sandbox, &server, &old).status, 200);
    change(&sandbox, &["key", "revoke", "token-1", "--compromised"]);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
    let keys = get(&sandbox, &server, "/.well-known/jwks.json").json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 0, "{keys}");
    sandbox.fails(1, ["token", "mint", "--subject", "ann", "--scope", "model:*:*", "-o", "-"]);
    change(&sandbox, &["key", "create", "--use", "token"]);
    assert_eq!(ask(&sandbox, &server, &sandbox.mint("ann", "model:*:*")).status, 200);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_ends_none() {
    let (server, sandbox) = served("");
    let other = Sandbox::new();
    other.init("");
    let trusts =
        |who: &Sandbox| Client::with(tls(who, aws_lc_rs::default_provider(), &["http/1.1"]), &server).is_ok();
    let from = |name: &str| fs::read(other.home().join("pki").join(name)).unwrap();
    let (certificate, key) = (sandbox.home().join("pki/server.pem"), sandbox.home().join("pki/server.key"));
    let token = sandbox.mint("ann", "model:*:*");
    Traffic::during(&sandbox, &server, &token, |traffic| {
        assert!(trusts(&sandbox) && !trusts(&other));
        // Between the two files they do not fit: the old pair stays.
        replace(&key, &from("server.key"), 0o600);
        wait_until("the server has seen the key", || {
            fs::read_to_string(&server.log).unwrap().contains("the new certificate cannot be used")
        });
        assert!(trusts(&sandbox) && !trusts(&other));
        traffic.flows();
        replace(&certificate, &from("server.pem"), 0o644);
        wait_until("the new certificate", || trusts(&other));
        assert!(!trusts(&sandbox));
        traffic.flows();
        // Nonsense changes nothing.
        replace(&certificate, b"nonsense", 0o644);
        replace(&key, &from("server.key"), 0o644);
        traffic.flows();
        assert!(trusts(&other));
    });
}

/// Files that must not be obeyed, made from a good one.
fn bad_keyrings(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let shown = text(good);
    let other = Sandbox::new();
    other.init("");
    vec![
        ("nothing", Vec::new()),
        ("garbage", b"garbage".to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("an edited state", shown.replacen("\"active\"", "\"pending\"", 1).into_bytes()),
        ("a later generation", shown.replacen("\"generation\":1", "\"generation\":9", 1).into_bytes()),
        ("another home's", fs::read(other.home().join("keyring.json")).unwrap()),
        ("another version", shown.replacen("\"version\":1", "\"version\":2", 1).into_bytes()),
    ]
}

#[test]
fn a_keyring_that_cannot_be_trusted_leaves_the_last_good_one_in_force() {
    let (server, sandbox) = served("");
    let token = sandbox.mint("ann", "model:*:*");
    let path = sandbox.home().join("keyring.json");
    let good = fs::read(&path).unwrap();
    let ready = || get(&sandbox, &server, "/v2/health/ready").status == 200;
    Traffic::during(&sandbox, &server, &token, |traffic| {
        for (what, bad) in bad_keyrings(&good) {
            assert_ne!(bad, good, "{what}");
            replace(&path, &bad, 0o600);
            wait_until(what, || !ready());
            let seen = status(&sandbox);
            assert_eq!(seen["ready"], false, "{what}");
            assert_eq!(seen["keyring"]["generation"], 1, "{what}");
            assert!(seen["keyring"]["unreadable_for_seconds"].is_u64(), "{what}: {seen}");
            traffic.flows();
            replace(&path, &good, 0o600);
            wait_until("it is ready again", ready);
            assert!(status(&sandbox)["keyring"]["unreadable_for_seconds"].is_null());
        }
        // One that others can read, and none at all.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, &good, 0o644);
        wait_until("a keyring for all", || !ready());
        replace(&path, &good, 0o600);
        wait_until("it is ready again", ready);
        fs::rename(&path, sandbox.path("away")).unwrap();
        wait_until("no keyring", || !ready());
        traffic.flows();
        fs::rename(sandbox.path("away"), &path).unwrap();
        wait_until("it is ready again", ready);
    });
    assert!(fs::read_to_string(&server.log).unwrap().contains("the last good one stays in force"));
}

#[test]
fn a_keyring_that_stays_unreadable_closes_the_server_until_it_is_good_again() {
    let (server, sandbox) = served("[keyring]\nmax_stale = \"1s\"\n");
    let token = sandbox.mint("ann", "model:*:*");
    let path = sandbox.home().join("keyring.json");
    let good = fs::read(&path).unwrap();
    assert_eq!(ask(&sandbox, &server, &token).status, 200);
    replace(&path, b"garbage", 0o600);
    wait_until("the server fails closed", || ask(&sandbox, &server, &token).status != 200);
    for _ in 0..3 {
        let answer = ask(&sandbox, &server, &token);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("stale_keyring")));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(get(&sandbox, &server, "/.well-known/jwks.json").status, 503);
    // Strangers and the revoked learn no more than anybody.
    let stranger = Client::new(&sandbox, &server).ask(infer("digits", "x", GOOD)).unwrap();
    assert_eq!(stranger.json()["code"], "stale_keyring");
    assert_eq!(get(&sandbox, &server, "/v2/health/live").status, 200);
    assert_eq!(get(&sandbox, &server, "/v2/health/ready").status, 503);
    replace(&path, &good, 0o600);
    wait_until("it is open again", || ask(&sandbox, &server, &token).status == 200);
    assert_eq!(get(&sandbox, &server, "/v2/health/ready").status, 200);
}

#[test]
fn an_unchanged_keyring_is_never_stale() {
    let (server, sandbox) = served("[keyring]\nmax_stale = \"1s\"\n");
    let token = sandbox.mint("ann", "model:*:*");
    let mut client = Client::new(&sandbox, &server);
    let started = std::time::Instant::now();
    while started.elapsed() < std::time::Duration::from_secs(3) {
        assert_eq!(client.ask(infer("digits", &token, GOOD)).unwrap().status, 200);
    }
}

#[test]
fn an_old_keyring_does_not_bring_back_what_was_revoked() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    let path = sandbox.home().join("keyring.json");
    let before = fs::read(&path).unwrap();
    change(&sandbox, &["key", "rotate", "--use", "token"]);
    change(&sandbox, &["key", "revoke", "token-1"]);
    let new = sandbox.mint("ann", "model:*:*");
    let after = fs::read(&path).unwrap();

    replace(&path, &before, 0o600);
    wait_until("the old copy is seen", || get(&sandbox, &server, "/v2/health/ready").status == 503);
    assert_eq!(status(&sandbox)["keyring"]["generation"], 3);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
    assert_eq!(ask(&sandbox, &server, &new).status, 200);
    // Nor does a command build on it, which would make it look new.
    let said = sandbox.fails(1, ["key", "rotate", "--use", "token"]);
    assert!(said.contains("old copy"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);

    // Nor a restart.
    assert!(server.stop().success());
    let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("old copy"), "{}", text(&output.stderr));
    replace(&path, &after, 0o600);
    let server = Server::start(&sandbox, &[]);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
    assert_eq!(ask(&sandbox, &server, &new).status, 200);
}

#[test]
fn a_server_remembers_the_keyring_that_it_starts_with() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    sandbox.ok(["key", "rotate", "--use", "token"]);
    let memory = sandbox.home().join("state/keyring-seen");
    fs::remove_file(&memory).unwrap();
    let _server = Server::start(&sandbox, &[]);
    assert!(memory.exists());
}

#[test]
fn an_old_keyring_shows_until_it_is_gone_even_where_the_memory_of_the_newest_is_lost() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    let path = sandbox.home().join("keyring.json");
    let before = fs::read(&path).unwrap();
    change(&sandbox, &["key", "revoke", "token-1"]);
    let after = fs::read(&path).unwrap();
    fs::remove_file(sandbox.home().join("state/keyring-seen")).unwrap();
    replace(&path, &before, 0o600);
    let unreadable = || status(&sandbox)["keyring"]["unreadable_for_seconds"].as_u64();
    // Not once only: it goes on as long as the old copy lies there.
    wait_until("it shows", || unreadable().is_some());
    wait_until("it goes on", || unreadable().expect("it still shows") >= 2);
    assert_eq!(get(&sandbox, &server, "/v2/health/ready").status, 503);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
    replace(&path, &after, 0o600);
    wait_until("it is ready", || get(&sandbox, &server, "/v2/health/ready").status == 200);
    assert_eq!(ask(&sandbox, &server, &old).status, 401);
}

#[test]
fn readers_and_writers_at_once_never_take_each_other_for_a_rollback() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let root = RootKey::read(&sandbox.path("config/sealserve/root.key")).unwrap();
    let store = Store::new(&sandbox.home(), root);
    // Many keys: reading takes long enough for a writer to come in between.
    let request = |id: String| NewKey { usage: KeyUse::Request, id: Some(id), owner: Some("o".into()) };
    let many = |keyring: &mut Keyring| {
        (0..400).try_for_each(|n| keyring.create(request(format!("many-{n}")), 1).map(drop))
    };
    store.update(many).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, stop) = (&store, &stop);
        let readers: Vec<_> = [true, false, false]
            .map(|remembers| {
                scope.spawn(move || {
                    let (mut seen, mut reads) = (0, 0_u64);
                    while !stop.load(Ordering::Acquire) {
                        let keyring = store.read().unwrap();
                        // Waits for the writer, so not all of them may do it.
                        if remembers {
                            store.remember(&keyring).unwrap();
                        }
                        assert!(keyring.generation >= seen);
                        (seen, reads) = (keyring.generation, reads + 1);
                    }
                    reads
                })
            })
            .into();
        {
            let _stop = Stop(stop);
            for n in 0..120 {
                let now = 1_800_000_000 + n;
                store
                    .update(|keyring| match n % 3 {
                        0 => keyring.create(request(format!("r{n}")), now).map(drop),
                        1 => keyring.rotate(KeyUse::Token, None, Overlap::Standard, now).map(drop),
                        _ => keyring.revoke(&format!("r{}", n - 2), false, now).map(drop),
                    })
                    .unwrap();
            }
        }
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert_eq!(store.read().unwrap().generation, 122);
}

#[test]
fn a_change_that_cannot_be_remembered_is_obeyed_all_the_same_and_shows() {
    let (server, sandbox) = served("");
    let old = sandbox.mint("ann", "model:*:*");
    assert_eq!(ask(&sandbox, &server, &old).status, 200);
    let path = sandbox.home().join("keyring.json");
    // Revoked in a copy of the home, whose keyring then comes here, as a deployment tool does it.
    let copy = Sandbox::new();
    let copied = std::process::Command::new("cp").arg("-a").arg(sandbox.home()).arg(copy.home()).status();
    assert!(copied.unwrap().success());
    let root = RootKey::read(&sandbox.path("config/sealserve/root.key")).unwrap();
    let elsewhere = Store::new(&copy.home(), root);
    elsewhere.update(|keyring| keyring.revoke("token-1", false, 1_800_000_000).map(drop)).unwrap();
    // The memory cannot be written, since the lock cannot be taken.
    let lock = sandbox.home().join("keyring.lock");
    let _ = fs::remove_file(&lock);
    fs::create_dir(&lock).unwrap();
    replace(&path, &fs::read(elsewhere.path()).unwrap(), 0o600);
    wait_until("it shows", || get(&sandbox, &server, "/v2/health/ready").status == 503);
    // Obeyed all the same, and it goes on showing.
    for _ in 0..3 {
        assert_eq!(ask(&sandbox, &server, &old).status, 401);
        assert!(status(&sandbox)["keyring"]["unreadable_for_seconds"].is_u64());
    }
    fs::remove_dir(&lock).unwrap();
    wait_until("it is ready", || get(&sandbox, &server, "/v2/health/ready").status == 200);
}
