//! The keyring, the home and its certificates, as files on a disk that others
//! write to, edit, copy and kill.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealserve::clock::UnixSeconds;
use sealserve::keyring::{
    DEFAULT_MAX_TOKEN_LIFETIME, KeyState, KeyUse, Keyring, KeyringError, NewKey, Overlap, RootKey, Store,
};
use serde_json::Value;
use support::{Sandbox, text};

fn entries(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn listed(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.ok(["key", "list", "--format", "json"])).unwrap()
}

#[test]
fn no_acknowledged_key_is_lost_among_writers_that_are_killed() {
    const WRITERS: u64 = 60;
    let sandbox = Sandbox::new();
    sandbox.init("");
    let before = entries(&sandbox.home());
    let spawn = |i: u64| -> Child {
        let id = format!("k{i}");
        let mut command = sandbox.sealserve();
        command.args(["key", "create", "--use", "model", "--quiet", "--id", &id]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut writers: Vec<_> = (0..WRITERS).map(spawn).collect();
    // Every third one is killed, at moments spread over the time that all take.
    for (i, writer) in writers.iter_mut().enumerate().filter(|(i, _)| i % 3 == 1) {
        writer.kill().unwrap();
        std::thread::sleep(Duration::from_micros(i as u64 * 40));
        // Whatever was killed when: there is a whole keyring to read.
        assert!(sandbox.run(["key", "list"]).status.success());
    }
    let mut acknowledged = BTreeSet::new();
    for (i, writer) in writers.into_iter().enumerate() {
        let output = writer.wait_with_output().unwrap();
        if output.status.success() {
            acknowledged.insert(format!("k{i}"));
        } else {
            assert_eq!((i % 3, output.status.code()), (1, None), "{}", text(&output.stderr));
        }
    }
    assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
    let list = listed(&sandbox);
    let found: BTreeSet<String> =
        list["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
    assert!(acknowledged.is_subset(&found), "lost: {:?}", acknowledged.difference(&found));
    // One generation for each change, none twice and none skipped.
    let made = found.iter().filter(|id| id.starts_with('k')).count() as u64;
    assert_eq!(list["generation"], 1 + made);
    sandbox.ok(["key", "create", "--use", "model", "--id", "last"]);
    assert_eq!(entries(&sandbox.home()), before);
}

#[test]
fn what_a_killed_writer_left_is_swept_by_the_next() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let before = entries(&sandbox.home());
    sandbox.write("home/.keyring.json.tmp-4242-0", "half a keyring");
    sandbox.ok(["key", "list"]);
    sandbox.ok(["key", "create", "--use", "model"]);
    assert_eq!(entries(&sandbox.home()), before);
}

#[test]
fn an_edited_keyring_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.ok(["key", "create", "--use", "model", "--id", "second"]);
    sandbox.ok(["key", "revoke", "second"]);
    let file = sandbox.home().join("keyring.json");
    let good = fs::read_to_string(&file).unwrap();
    let parsed: Value = serde_json::from_str(&good).unwrap();
    let keys = &parsed["keyring"]["model_keys"];
    let secret = |i: usize| keys[i]["secret"].as_str().unwrap();
    let swapped = good.replace(secret(0), "#").replace(secret(1), secret(0)).replace('#', secret(1));
    let mac = format!(r#""mac":"{}""#, parsed["mac"].as_str().unwrap());
    let other = {
        let other = Sandbox::new();
        other.init("");
        fs::read_to_string(other.home().join("keyring.json")).unwrap()
    };
    let other: Value = serde_json::from_str(&other).unwrap();
    let foreign = good.replace(parsed["data_key"].as_str().unwrap(), other["data_key"].as_str().unwrap());
    for (what, text_, exit, expected) in [
        ("a state changed", good.replacen("revoked\"", "active\"", 1), 1, "does not authenticate"),
        ("two secrets swapped", swapped, 1, "does not authenticate"),
        (
            "the generation changed",
            good.replace(r#""generation":3"#, r#""generation":2"#),
            1,
            "does not authenticate",
        ),
        ("an owner changed", good.replace(r#""owner":"ci""#, r#""owner":"me""#), 1, "does not authenticate"),
        ("a key renamed", good.replace("second", "third"), 1, "does not authenticate"),
        (
            "white space added",
            good.replacen(r#""keyring":{"#, r#""keyring":{ "#, 1),
            1,
            "does not authenticate",
        ),
        ("no MAC", good.replace(&format!("{mac},"), ""), 1, "is malformed"),
        ("an empty MAC", good.replace(&mac, r#""mac":"""#), 1, "does not authenticate"),
        ("half a MAC", good.replace(&mac[..40], r#""mac":""#), 1, "does not authenticate"),
        ("another's data key", foreign, 1, "does not authenticate"),
        ("another version", good.replacen(r#""version":1"#, r#""version":2"#, 1), 1, "has version 2"),
        (
            "another root key",
            good.replacen(parsed["root_key"].as_str().unwrap(), other["root_key"].as_str().unwrap(), 1),
            4,
            "another root key",
        ),
        ("a field more", good.replacen(r#""version":1"#, r#""version":1,"x":1"#, 1), 1, "is malformed"),
        ("a state that is none", good.replacen("revoked\"", "asleep\"", 1), 1, "does not authenticate"),
        ("half of it", good[..good.len() / 2].to_owned(), 1, "is malformed"),
        ("nothing", String::new(), 1, "is malformed"),
        ("nesting", "[".repeat(100_000), 1, "is malformed"),
    ] {
        assert_ne!(text_, good, "{what}");
        fs::write(&file, &text_).unwrap();
        for verb in [&["key", "list"][..], &["key", "create", "--use", "model"], &["key", "revoke", "ci"]] {
            let said = sandbox.fails(exit, verb);
            assert!(
                said.contains(expected) && said.contains("keyring.json") && said.contains("hint: "),
                "{what}: {said}"
            );
        }
        // Nothing is repaired, or overwritten, on the way.
        assert_eq!(fs::read_to_string(&file).unwrap(), text_, "{what}");
    }
    fs::write(&file, good).unwrap();
    sandbox.ok(["key", "list"]);
}

#[test]
fn an_edited_api_key_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let create = "apikey create --subject ann --lifetime 1h --from 10.0.0.0/8 --label x -o";
    for (name, scope) in [("one", "model:digits:infer"), ("two", "model:other:infer")] {
        sandbox.ok(create.split(' ').chain([name, "--scope", scope]));
    }
    let id = fs::read_to_string(sandbox.path("cwd/two")).unwrap()[3..15].to_owned();
    sandbox.ok(["apikey", "revoke", &id]);
    let file = sandbox.home().join("keyring.json");
    let good = fs::read_to_string(&file).unwrap();
    let parsed: Value = serde_json::from_str(&good).unwrap();
    let keys = &parsed["keyring"]["api_keys"];
    let member = |name: &str, i: usize| format!(r#","{name}":{}"#, keys[i][name]);
    // The records as they stand there, the first without its last brace.
    let (text, _) = good.split_once(r#""api_keys":["#).unwrap().1.rsplit_once("]}").unwrap();
    let (first, second) = text.split_once("},").unwrap();
    let digest = |i: usize| keys[i]["digest"].as_str().unwrap();
    for (what, edited) in [
        ("another scope", good.replacen("model:digits:infer", "model:digits:*", 1)),
        ("one scope more", good.replacen(r#""model:digits:infer""#, r#""model:digits:infer","admin:*""#, 1)),
        ("another end", good.replacen(&member("expires", 0), r#","expires":9999999999"#, 1)),
        ("no end", good.replacen(&member("expires", 0), "", 1)),
        ("another network", good.replacen("10.0.0.0/8", "0.0.0.0/0", 1)),
        ("any network", good.replacen(&member("networks", 0), "", 1)),
        ("another subject", good.replacen(r#""subject":"ann""#, r#""subject":"eve""#, 1)),
        ("not revoked", good.replacen(&member("revoked", 1), "", 1)),
        ("another's digest", good.replacen(digest(1), digest(0), 1)),
        ("a key less", good.replacen(&format!("{first}}},"), "", 1)),
        ("no keys", good.replacen(&format!(r#","api_keys":[{first}}},{second}]"#), "", 1)),
    ] {
        assert_ne!(edited, good, "{what}");
        fs::write(&file, edited).unwrap();
        for verb in [&["apikey", "list"][..], &["apikey", "revoke", &id]] {
            let said = sandbox.fails(1, verb);
            assert!(said.contains("does not authenticate"), "{what}: {said}");
        }
    }
    fs::write(&file, good).unwrap();
    sandbox.ok(["apikey", "list"]);
}

#[test]
fn a_wrong_or_exposed_root_key_is_a_refused_credential() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let wrong = sandbox.write_secret("wrong.key", format!("{}\n", "07".repeat(32)));
    let said = sandbox.fails(4, ["--root-key".as_ref(), wrong.as_os_str(), "key".as_ref(), "list".as_ref()]);
    assert!(said.contains("belongs to another root key"), "{said}");
    let root = sandbox.path("config/sealserve/root.key");
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    for mode in [0o640, 0o604, 0o610] {
        fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        let said = sandbox.fails(4, ["key", "list"]);
        assert!(said.contains("readable by others") && said.contains("root.key"), "{said}");
    }
}

#[test]
fn a_home_or_keyring_that_others_can_read_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    for (path, good) in [(sandbox.home(), 0o700), (sandbox.home().join("keyring.json"), 0o600)] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, good);
        for other in [0o040, 0o004, 0o010, 0o001, 0o020, 0o055] {
            fs::set_permissions(&path, fs::Permissions::from_mode(good | other)).unwrap();
            let said = sandbox.fails(1, ["key", "list"]);
            assert!(said.contains(&format!("'{}' is readable by others", path.display())), "{said}");
            sandbox.fails(1, ["key", "create", "--use", "model"]);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(good)).unwrap();
    }
    sandbox.ok(["key", "list"]);
}

#[test]
fn no_secret_stands_in_the_keyring_in_the_clear() {
    let (_directory, store, keyring) = scratch();
    let file = fs::read(store.path()).unwrap();
    let file = String::from_utf8(file).unwrap();
    assert_eq!(keyring.keys.len(), 3);
    for key in &keyring.keys {
        let secret = key.secret.expose();
        for encoding in [data_encoding::BASE64, data_encoding::HEXLOWER] {
            // Any stretch of it would do.
            for part in secret.chunks_exact(12) {
                assert!(!file.contains(&encoding.encode(part)), "{}", key.id);
            }
        }
    }
}

/// A keyring of its own on disk, with a key for each use.
fn scratch() -> (tempfile::TempDir, Store, Keyring) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path(), RootKey::generate());
    store.create::<_, KeyringError>(|| Ok((keyring(), ()))).unwrap();
    let read = store.read().unwrap();
    (directory, store, read)
}

const NOW: UnixSeconds = 2_000_000_000;

fn new(usage: KeyUse, id: &str) -> NewKey {
    NewKey { usage, id: Some(id.into()), owner: (usage == KeyUse::Request).then(|| "owner".into()) }
}

fn keyring() -> Keyring {
    let mut keyring = Keyring::default();
    for (usage, id) in [(KeyUse::Token, "t"), (KeyUse::Request, "r"), (KeyUse::Model, "m")] {
        keyring.create(new(usage, id), NOW).unwrap();
    }
    keyring
}

#[test]
fn a_key_goes_from_active_over_retiring_to_expired_or_revoked() {
    let mut keyring = keyring();
    let rotated = keyring.rotate(KeyUse::Token, None, Overlap::Standard, NOW).unwrap();
    let until = rotated.verify_until.unwrap();
    // The longest token, and a minute for clocks that differ.
    assert_eq!(until, NOW + DEFAULT_MAX_TOKEN_LIFETIME.as_secs() + 60);
    let state = |keyring: &Keyring, id: &str, now| keyring.get(id).unwrap().state_at(now);
    assert_eq!(state(&keyring, "t", NOW), KeyState::Retiring);
    assert_eq!(state(&keyring, "t", until - 1), KeyState::Retiring);
    assert_eq!(state(&keyring, "t", until), KeyState::Expired);
    assert!(
        KeyState::Retiring.is_accepted()
            && !KeyState::Expired.is_accepted()
            && !KeyState::Revoked.is_accepted()
    );
    assert_eq!(keyring.active(KeyUse::Token).unwrap().id, rotated.new.id);
    // Only the active one is rotated.
    for name in ["t", rotated.old.kid.as_str()] {
        let error = keyring.rotate(KeyUse::Token, Some(name), Overlap::Standard, NOW).unwrap_err();
        assert!(matches!(error, KeyringError::NotUsable { state: KeyState::Retiring, .. }), "{error}");
    }
    // Revoked is final, from any state and at any time.
    keyring.revoke("t", false, NOW + 1).unwrap();
    for now in [NOW, until, until + 1_000_000] {
        assert_eq!(state(&keyring, "t", now), KeyState::Revoked);
    }
    keyring.revoke("t", true, NOW + 9).unwrap();
    let key = keyring.get("t").unwrap();
    assert_eq!((key.revoked, key.compromised), (Some(NOW + 1), true));
    keyring.revoke("t", false, NOW + 10).unwrap();
    assert!(keyring.get("t").unwrap().compromised, "a leak is not taken back");
}

#[test]
fn an_overlap_shorter_than_tokens_live_needs_emergency() {
    let short = |seconds, emergency| Overlap::For { duration: Duration::from_secs(seconds), emergency };
    let least = DEFAULT_MAX_TOKEN_LIFETIME.as_secs() + 60;
    for (seconds, emergency, allowed) in [
        (0, false, false),
        (least - 1, false, false),
        (least, false, true),
        (0, true, true),
        (u64::MAX, false, true),
    ] {
        let mut keyring = keyring();
        let before = keyring.clone();
        let outcome = keyring.rotate(KeyUse::Token, None, short(seconds, emergency), NOW);
        assert_eq!(outcome.is_ok(), allowed, "{seconds} {emergency}");
        if !allowed {
            assert!(matches!(outcome, Err(KeyringError::ShortOverlap { .. })));
            assert_eq!(keyring.keys.len(), before.keys.len());
            assert_eq!(keyring.get("t").unwrap().state, KeyState::Active);
        }
    }
    // Emergency with no overlap at all: refused from that second on.
    let mut cut = keyring();
    cut.rotate(KeyUse::Token, None, short(0, true), NOW).unwrap();
    assert_eq!(cut.get("t").unwrap().state_at(NOW), KeyState::Expired);
    // A model key's files must be rewrapped first, so only revocation ends it.
    let mut model = keyring();
    model.rotate(KeyUse::Model, None, Overlap::Standard, NOW).unwrap();
    assert_eq!(model.get("m").unwrap().state_at(u64::MAX), KeyState::Retiring);
}

#[test]
fn names_are_checked_and_taken_once() {
    let mut keyring = keyring();
    for bad in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
        let error = keyring.create(new(KeyUse::Model, bad), NOW).unwrap_err();
        assert!(matches!(error, KeyringError::KeyName { .. }), "{bad:?}");
    }
    keyring.create(new(KeyUse::Model, &"x".repeat(64)), NOW).unwrap();
    let kid = keyring.get("m").unwrap().kid.clone();
    // Neither an id nor a kid is given again, whatever the use; nor one of a dead key.
    keyring.revoke("m", false, NOW).unwrap();
    for taken in ["t", "m", kid.as_str()] {
        let error = keyring.create(new(KeyUse::Model, taken), NOW).unwrap_err();
        assert!(matches!(error, KeyringError::KeyExists { .. }), "{taken}");
    }
    let nobody = keyring.create(NewKey { usage: KeyUse::Request, id: None, owner: None }, NOW);
    assert!(matches!(nobody, Err(KeyringError::NoOwner)));
    for owner in ["", "a\nb", "\u{1b}[2J", "\u{85}", &"x".repeat(513)] {
        let new = NewKey { usage: KeyUse::Request, id: None, owner: Some(owner.into()) };
        assert!(matches!(keyring.create(new, NOW), Err(KeyringError::Owner { .. })), "{owner:?}");
    }
    assert!(matches!(keyring.revoke("nobody", false, NOW), Err(KeyringError::NoSuchKey { .. })));
    assert!(matches!(keyring.unload("nobody"), Err(KeyringError::NoSuchKey { .. })));
    assert!(matches!(keyring.unload("t"), Err(KeyringError::NothingToUnload { .. })));
    let alive = keyring.create(new(KeyUse::Signer, "alive"), NOW).unwrap().id;
    assert!(matches!(keyring.unload(&alive), Err(KeyringError::NotRevoked { .. })));
    assert_eq!((keyring.unload("m").unwrap(), keyring.unload("m").unwrap()), (true, false));
    let wrong = keyring.rotate(KeyUse::Model, Some("t"), Overlap::Standard, NOW);
    assert!(matches!(wrong, Err(KeyringError::WrongUse { .. })));
}

#[test]
fn a_change_that_fails_writes_nothing() {
    let (directory, store, _) = scratch();
    let before = fs::read(store.path()).unwrap();
    let outcome = store.update(|keyring| {
        keyring.revoke("t", true, NOW)?;
        keyring.revoke("nobody", true, NOW)
    });
    assert!(outcome.is_err());
    assert_eq!(fs::read(store.path()).unwrap(), before);
    let again = store.create::<(), KeyringError>(|| panic!("keys are made for a keyring that cannot be"));
    assert!(matches!(again, Err(KeyringError::Exists { .. })));
    assert_eq!(fs::read(store.path()).unwrap(), before);
    assert_eq!(entries(directory.path()), ["keyring.json", "keyring.lock", "state"].map(Into::into).into());
}

#[test]
fn a_reader_never_takes_a_change_for_a_rollback() {
    let (_directory, store, _) = scratch();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whoever remembers waits for the lock of the writer; whoever only reads does not.
        for remembers in [false, false, false, true] {
            let (done, store) = (&done, &store);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let keyring = store.read().unwrap();
                    if remembers {
                        store.remember(&keyring).unwrap();
                    }
                }
            });
        }
        for _ in 0..200 {
            store.update(|keyring| keyring.revoke("m", false, NOW)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.read().unwrap().generation, 201);
}

#[test]
fn an_old_keyring_does_not_come_back() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let file = sandbox.home().join("keyring.json");
    let old = fs::read(&file).unwrap();
    sandbox.ok(["key", "revoke", "token-1"]);
    let new = fs::read(&file).unwrap();
    fs::write(&file, &old).unwrap();
    for verb in [&["key", "list"][..], &["key", "create", "--use", "model"]] {
        let said = sandbox.fails(1, verb);
        assert!(
            said.contains("it has generation 1, and generation 2 was seen") && said.contains("hint: "),
            "{said}"
        );
    }
    // Nor does another history of the same length: the old one, changed otherwise.
    let memory = sandbox.home().join("state/keyring-seen");
    let remembered = fs::read(&memory).unwrap();
    fs::write(&memory, "").unwrap();
    sandbox.fails(1, ["key", "list"]);
    fs::remove_file(&memory).unwrap();
    sandbox.ok(["key", "create", "--use", "model"]);
    fs::write(&memory, remembered).unwrap();
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.fails(1, ["key", "list"]);
    fs::write(&file, new).unwrap();
    sandbox.ok(["key", "list"]);
}

#[test]
fn a_second_init_leaves_the_first_home_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.ok(["init"]);
    let files = |sandbox: &Sandbox| -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for directory in [sandbox.home(), sandbox.home().join("pki"), sandbox.path("config/sealserve")] {
            for name in entries(&directory) {
                let path = directory.join(&name);
                all.push((name, fs::read(path).unwrap_or_default()));
            }
        }
        all
    };
    let before = files(&sandbox);
    let said = sandbox.fails(1, ["init", "--name", "other.example"]);
    assert!(said.contains("there is a keyring at") && said.contains("hint: "), "{said}");
    assert!(files(&sandbox) == before);
}

#[test]
fn the_root_key_never_lies_in_the_home() {
    let sandbox = Sandbox::new();
    for inside in ["root.key", "state/root.key"] {
        let path = sandbox.home().join(inside);
        let said = sandbox.fails(2, ["init".as_ref(), "--root-key".as_ref(), path.as_os_str()]);
        assert!(said.contains("must not lie in the home"), "{said}");
    }
    let mut relative = sandbox.sealserve();
    let output = relative.args(["init", "--home", ".", "--root-key", "root.key"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(!sandbox.home().exists() && entries(&sandbox.path("cwd")).is_empty());
}

#[test]
fn names_of_every_kind_stand_in_the_certificate_and_in_the_configuration() {
    for (names, san, issuer) in [
        (&["models.example"][..], "DNS:models.example", "https://models.example"),
        (&["*.models.example"], "DNS:*.models.example", "https://models.example"),
        (&["10.0.0.7", "a.example"], "IP Address:10.0.0.7, DNS:a.example", "https://10.0.0.7"),
        (&["::1"], "IP Address:0:0:0:0:0:0:0:1", "https://[::1]"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.ok(["init"].into_iter().chain(names.iter().flat_map(|name| ["--name", *name])));
        let shown = openssl(
            &sandbox,
            &["x509", "-noout", "-ext", "subjectAltName", "-in", &pem(&sandbox, "server.pem")],
        );
        assert!(shown.1.contains(san), "{}", shown.1);
        let config = fs::read_to_string(sandbox.home().join("sealserve.toml")).unwrap();
        assert!(config.contains(&format!("issuer = \"{issuer}\"")), "{config}");
        assert!(verifies(&sandbox, &[]), "{names:?}");
    }
    let sandbox = Sandbox::new();
    for bad in [
        "",
        "a_b.example",
        "-a.example",
        "a..b",
        "*.*.example",
        "1.2.3",
        "https://a.example",
        "a.example:8443",
        "*",
    ] {
        sandbox.fails(2, ["init", "--name", bad]);
    }
    assert!(!sandbox.home().exists());
}

fn openssl(sandbox: &Sandbox, arguments: &[&str]) -> (bool, String) {
    let output = sandbox.program("openssl").args(arguments).output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn pem(sandbox: &Sandbox, name: &str) -> String {
    sandbox.home().join("pki").join(name).to_str().unwrap().to_owned()
}

/// Whether openssl, strictly, finds the server's chain good.
fn verifies(sandbox: &Sandbox, more: &[&str]) -> bool {
    let (ca, server) = (pem(sandbox, "ca.pem"), pem(sandbox, "server.pem"));
    let mut arguments =
        vec!["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", &ca, "-untrusted", &server];
    arguments.extend(more);
    arguments.push(&server);
    openssl(sandbox, &arguments).0
}

#[test]
fn the_servers_certificate_is_what_strict_verifiers_want() {
    let sandbox = Sandbox::new();
    sandbox.ok(["init", "--name", "models.example", "--name", "10.0.0.7"]);
    assert!(verifies(&sandbox, &["-verify_hostname", "models.example"]));
    assert!(verifies(&sandbox, &["-verify_ip", "10.0.0.7"]));
    assert!(!verifies(&sandbox, &["-verify_hostname", "other.example"]));
    let server = pem(&sandbox, "server.pem");
    let shown = openssl(&sandbox, &["x509", "-noout", "-text", "-in", &server]).1;
    for part in [
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
        "TLS Web Server Authentication",
        "Digital Signature",
        "CA:FALSE",
        "Version: 3",
        "ecdsa-with-SHA256",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("Certificate Sign") && !shown.contains("Client Authentication"));
    let serial = openssl(&sandbox, &["x509", "-noout", "-serial", "-in", &server]).1;
    assert_eq!(serial.trim().len(), "serial=".len() + 40, "{serial}");
    // 90 days, begun five minutes ago.
    let ends = |seconds: u64| {
        !openssl(&sandbox, &["x509", "-noout", "-checkend", &seconds.to_string(), "-in", &server]).0
    };
    assert!(!ends(90 * 86400 - 600) && ends(90 * 86400 + 1));
    // The private key belongs to it, and to nobody else.
    let key = pem(&sandbox, "server.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    let public = |arguments: &[&str]| openssl(&sandbox, arguments).1;
    assert_eq!(
        public(&["x509", "-noout", "-pubkey", "-in", &server]),
        public(&["pkey", "-pubout", "-in", &key])
    );
}

#[test]
fn a_user_without_privileges_gets_all_of_it() {
    // The process keeps its memory from other processes of its user, and so /proc
    // belongs to root; files are linked into place through it all the same.
    let sandbox = Sandbox::new();
    let who = sandbox.program("id").arg("-u").output().unwrap();
    let mut as_user = if text(&who.stdout).trim() == "0" {
        let mut command = sandbox.program("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash"]);
        command
    } else {
        sandbox.program("bash")
    };
    // A copy, since the build may lie where this user may not look.
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let binary = scratch.path().join("sealserve");
    fs::copy(env!("CARGO_BIN_EXE_sealserve"), &binary).unwrap();
    let script = r#"
        set -e
        mkdir user && cd user && export HOME=$PWD
        unset SEALSERVE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
        sealserve init
        sealserve key create --use model --out key
        head -c 100000 /dev/urandom > m.onnx
        sealserve model encrypt --key-file key m.onnx
        sealserve model encrypt --key-file key m.onnx --force
        sealserve model decrypt --key-file key m.sealed | cmp - m.onnx
        sealserve key rotate --use token
        test "$(stat -c %a key)" = 600
        ls -A"#;
    let path = format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap());
    let output = as_user.args(["-c", script]).env("PATH", path).current_dir(&scratch).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(
        text(&output.stdout).ends_with(".config\n.local\nkey\nm.onnx\nm.sealed\n"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn ids_that_begin_with_a_hyphen_are_taken_by_every_command() {
    let sandbox = Sandbox::new();
    sandbox.ok(["init"]);
    sandbox.ok(["key", "create", "--use", "signer", "--id", "-release"]);
    sandbox.ok(["key", "create", "--use", "request", "--id", "-ann", "--owner", "-ann"]);
    let exported = sandbox.path("ann.key");
    sandbox.ok(["key", "export", "-ann", "-o", exported.to_str().unwrap()]);
    sandbox.ok(["key", "rotate", "--use", "signer", "--id", "-release"]);
    for id in ["-release", "-ann"] {
        sandbox.ok(["key", "revoke", id, "--compromised", "--quiet"]);
    }
    let keys = listed(&sandbox);
    let state = |id: &str| {
        keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap()["state"].clone()
    };
    assert_eq!((state("-release"), state("-ann")), ("revoked".into(), "revoked".into()));
    // A thumbprint that no key has is looked for, and not taken for options.
    for id in ["-n-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s", "--n-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hns"] {
        for line in [
            &["key", "revoke", id, "--dry-run"][..],
            &["key", "revoke", "--dry-run", id],
            &["key", "export", id, "-o", "-"],
            &["apikey", "revoke", id, "--dry-run"],
        ] {
            let said = sandbox.fails(1, line);
            assert!(said.contains(&format!("'{id}'")), "{line:?}: {said}");
        }
    }
    assert!(sandbox.fails(2, ["key", "revoke", "--compromized", "-ann"]).contains("--compromized"));
}
