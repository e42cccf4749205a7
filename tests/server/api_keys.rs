//! API keys: each way in, each refusal, and what stands where afterwards.

use std::time::Duration;

use sealserve::crypto::digest;
use sealserve::keyring::{NewApiKey, Presented, RootKey, Store};

use crate::support::forge::now;
use crate::support::{Answer, Sandbox, generation, text, wait_until};
use crate::{GOOD, Served, refused};

const INFER: &str = "/v2/models/digits/infer";
const CHALLENGE: &str = r#"Bearer realm="sealserve", error="invalid_token""#;

/// Makes an API key of ann's and returns its text.
fn create(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let all = ["apikey", "create", "--quiet", "--subject", "ann", "-o", "-"];
    sandbox.ok(all.iter().chain(arguments)).trim().to_owned()
}

fn id(key: &str) -> String {
    Presented::parse(key.as_bytes()).unwrap().id().to_owned()
}

/// `text` with the checksum that belongs to it.
fn with_checksum(body: &str) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // CRC-32, bit by bit.
    let crc = !body.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    });
    let digit = |place: u32| char::from(digits[(crc / 62_u32.pow(place) % 62) as usize]);
    let sum: String = (0..6).rev().map(digit).collect();
    format!("{body}{sum}")
}

/// This id with another secret, well-formed.
fn forged(key: &str) -> String {
    with_checksum(&format!("ss_{}_{}", id(key), "Forged0secret".repeat(4).split_at(43).0))
}

/// Where a key can stand.
const WAYS: [&str; 3] = ["X-Api-Key: ", "Authorization: Bearer ", "authorization: bearer "];

fn ask(served: &Served, headers: &[String]) -> Answer {
    let mut arguments = vec!["--data-binary", GOOD];
    for header in headers {
        arguments.extend(["-H", header]);
    }
    served.curl(INFER, &arguments)
}

fn with(served: &Served, key: &str) -> Answer {
    ask(served, &[format!("X-Api-Key: {key}")])
}

/// Asserts that `key` is refused, whichever way it comes, and that all refusals are alike.
#[track_caller]
fn invalid(served: &Served, what: &str, key: &str) {
    for way in WAYS {
        let answer = ask(served, &[format!("{way}{key}")]);
        refused(what, &answer, 401, "invalid_api_key");
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{what}");
        assert_eq!(answer.json()["error"], "the API key is not accepted", "{what}");
    }
}

#[test]
fn a_key_is_a_credential_in_both_headers_and_from_the_moment_it_is_made() {
    let served = Served::digits("");
    for way in WAYS {
        // No waiting for the server here: whoever was given the key does not know when it looked last.
        let key = create(&served.sandbox, &["--scope", "model:digits:infer"]);
        let answer = ask(&served, &[format!("{way}{key}")]);
        assert_eq!(answer.status, 200, "{way}: {}", text(&answer.body));
    }
}

#[test]
fn a_key_allows_its_scopes_and_nothing_else() {
    let served = Served::digits("");
    let key = create(&served.sandbox, &["--scope", "model:digits:metadata", "--scope", "model:other:infer"]);
    let header = format!("X-Api-Key: {key}");
    assert_eq!(served.curl("/v2/models/digits", &["-H", &header]).status, 200);
    let answer = ask(&served, &[header]);
    refused("scope", &answer, 403, "insufficient_scope");
    let challenge = r#"Bearer realm="sealserve", error="insufficient_scope""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let admin = create(&served.sandbox, &["--scope", "admin:*"]);
    refused("admin", &with(&served, &admin), 403, "insufficient_scope");
}

#[test]
fn exactly_one_credential_is_taken() {
    let served = Served::digits("");
    let key = create(&served.sandbox, &["--scope", "model:*:*"]);
    let (header, bearer) = (format!("X-Api-Key: {key}"), format!("Authorization: Bearer {key}"));
    assert_eq!(ask(&served, std::slice::from_ref(&header)).status, 200);
    let token = format!("Authorization: Bearer {}", served.token);
    for (what, headers) in [
        ("a key and a token", vec![header.clone(), token]),
        ("the key in both headers", vec![header.clone(), bearer.clone()]),
        ("the key twice", vec![header.clone(), header.clone()]),
        ("the key as bearer twice", vec![bearer.clone(), bearer.clone()]),
        ("a key and an empty one", vec![header.clone(), "X-Api-Key;".into()]),
        ("a key and another scheme", vec![header.clone(), "Authorization: Basic YTpi".into()]),
    ] {
        let answer = ask(&served, &headers);
        refused(what, &answer, 400, "several_credentials");
    }
    refused("two in one", &ask(&served, &[format!("{bearer} {key}")]), 400, "malformed_credential");
    refused("a list", &ask(&served, &[format!("{header}, {key}")]), 401, "invalid_api_key");
    refused("another scheme", &ask(&served, &[format!("Authorization: ApiKey {key}")]), 401, "no_credential");
    let query = served.curl(&format!("{INFER}?api_key={key}"), &["--data-binary", GOOD]);
    refused("a key in the address", &query, 401, "no_credential");
}

/// Adds a key that ended a second ago, of which no command can make one.
fn expired(sandbox: &Sandbox) -> String {
    let root = RootKey::read(&sandbox.path("config/sealserve/root.key")).unwrap();
    let new = NewApiKey {
        subject: "ann".into(),
        label: None,
        scopes: vec!["model:digits:infer".into()],
        lifetime: Some(Duration::from_mins(1)),
        networks: Vec::new(),
    };
    let store = Store::new(&sandbox.home(), root);
    let key = store.update(|keyring| Ok(keyring.create_api_key(new, now() - 61)?.1)).unwrap();
    text(key.expose())
}

#[test]
fn every_refusal_is_the_same_to_the_client_and_its_reason_is_in_the_audit_log() {
    let served = Served::digits("");
    let sandbox = &served.sandbox;
    let scope = ["--scope", "model:digits:infer"];
    let good = create(sandbox, &scope);
    let near = create(sandbox, &["--scope", "model:digits:infer", "--from", "::1", "--from", "127.0.0.0/8"]);
    let far = create(sandbox, &["--scope", "model:digits:infer", "--from", "10.0.0.0/8", "--from", "::/0"]);
    let revoked = create(sandbox, &scope);
    let dead = expired(sandbox);
    sandbox.ok(["apikey", "revoke", &id(&revoked)]);
    let unknown = with_checksum(&format!("ss_0123456789AB_{}", "x".repeat(43)));
    let mistyped = format!("{}{}", &good[..64], if good.ends_with('0') { '1' } else { '0' });
    for key in [&good, &near] {
        assert_eq!(with(&served, key).status, 200);
    }
    let mut expected = Vec::new();
    for (reason, key, said) in [
        ("api_key_unknown", &unknown, "there is no API key '0123456789AB'".into()),
        (
            "api_key_wrong_secret",
            &forged(&good),
            format!("the secret is not that of API key '{}'", id(&good)),
        ),
        ("api_key_revoked", &revoked, format!("API key '{}' was revoked at ", id(&revoked))),
        ("api_key_expired", &dead, format!("API key '{}' expired at ", id(&dead))),
        ("api_key_wrong_network", &far, format!("API key '{}' is not accepted from 127.0.0.1", id(&far))),
    ] {
        invalid(&served, reason, key);
        expected.push((reason, said, 3));
    }
    let malformed = [&mistyped, "ss_x_y", &good[1..], &format!("{good}0")];
    for (i, key) in malformed.iter().enumerate() {
        refused(&i.to_string(), &with(&served, key), 401, "invalid_api_key");
    }
    refused("empty", &ask(&served, &["X-Api-Key;".into()]), 401, "invalid_api_key");
    expected.push(("api_key_malformed", "the API key is mistyped or cut".into(), 5));
    let answer = with(&served, &good);
    assert_eq!(answer.status, 200);

    let keys = [good, near, far, revoked, dead, unknown, mistyped];
    let (log, keyring) = (served.server.log.clone(), sandbox.home().join("keyring.json"));
    let audit = sandbox.home().join("audit/audit.jsonl");
    let Served { server, sandbox, .. } = served;
    assert!(server.stop().success());
    let everything = [log, keyring, audit.clone()].map(|path| std::fs::read_to_string(path).unwrap());
    let lines: Vec<serde_json::Value> =
        everything[2].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (reason, said, count) in expected {
        let found: Vec<_> = lines.iter().filter(|line| line["reason"] == reason).collect();
        let counted: u64 = found.iter().map(|line| line["count"].as_u64().unwrap()).sum();
        assert_eq!(counted, count, "{reason}: {lines:?}");
        for line in found {
            assert!(line["detail"].as_str().unwrap().starts_with(&said), "{line}");
            assert_eq!((&line["verdict"], &line["status"]), (&"denied".into(), &401.into()), "{line}");
        }
    }
    let allowed = lines.iter().find(|l| l["request_id"] == answer.header("x-request-id").unwrap()).unwrap();
    for (member, value) in
        [("principal", "ann"), ("proof", "api-key"), ("key", &id(&keys[0])), ("verdict", "allowed")]
    {
        assert_eq!(allowed[member], value, "{allowed}");
    }
    assert_eq!(allowed.get("token"), None, "{allowed}");

    // Neither a key nor its digest stands anywhere.
    for key in &keys {
        let digest = digest::sha256(&[key.as_bytes()]);
        let traces = [
            key[16..40].to_owned(),
            key[36..].to_owned(),
            data_encoding::HEXLOWER.encode(&digest[..12]),
            data_encoding::BASE64.encode(&digest[..12]),
            data_encoding::BASE64.encode(&digest[12..24]),
            format!("{}, {}, {}", digest[0], digest[1], digest[2]),
        ];
        for (trace, place) in traces.iter().flat_map(|trace| everything.iter().map(move |p| (trace, p))) {
            assert!(!place.contains(trace), "{trace} in {place}");
        }
    }
    drop(sandbox);
}

#[test]
fn a_revoked_key_is_refused_once_the_server_shows_the_generation() {
    let served = Served::digits("");
    let scope = ["--scope", "model:*:*"];
    let (leaked, other) = (create(&served.sandbox, &scope), create(&served.sandbox, &scope));
    assert_eq!(with(&served, &leaked).status, 200);
    // As it was found in a log, white space and all.
    let found = served.sandbox.write_secret("leaked", format!("  {leaked}\n\n"));
    let revoke = ["apikey", "revoke", "--compromised", "--format", "json", "--key-file"];
    let said = served.sandbox.ok(revoke.iter().map(AsRef::as_ref).chain([found.as_os_str()]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["revoked"][0]["id"], id(&leaked));
    let new = said["generation"].as_u64().unwrap();
    wait_until("the server obeys", || generation(&served.sandbox) >= new);
    for _ in 0..3 {
        invalid(&served, "revoked", &leaked);
        assert_eq!(with(&served, &other).status, 200);
    }
}

#[test]
fn a_key_is_judged_again_while_its_request_is_under_way() {
    let served = Served::slow("sessions = 2", "");
    let key = create(&served.sandbox, &["--scope", "model:slow:infer", "--from", "127.0.0.1"]);
    let request = |iterations: u64| {
        let body = crate::slow(iterations);
        let length = body.len();
        format!(
            "POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let begin = || {
        let before = served.status()["requests"].as_u64().unwrap();
        let mut client = served.client();
        client.send(request(1000)).unwrap();
        wait_until("the request is there", || served.status()["requests"] == before + 1);
        client
    };
    // Another generation, in which the key is good: so it is where it came from.
    let mut client = begin();
    create(&served.sandbox, &["--scope", "admin:*"]);
    wait_until("the server obeys", || generation(&served.sandbox) == 3);
    assert_eq!(client.answer().unwrap().status, 200);
    let mut client = begin();
    served.sandbox.ok(["apikey", "revoke", &id(&key)]);
    wait_until("the server obeys", || generation(&served.sandbox) == 4);
    // A machine so fast that it was done before is allowed to have answered.
    let done_before = served.status()["models"][0]["done"] == 2;
    let answer = client.answer().unwrap();
    assert!(answer.status == 401 || done_before, "{}", text(&answer.body));
}

#[test]
fn clients_send_a_key_as_their_kind_does() {
    let served = Served::digits("");
    let (sandbox, url) = (&served.sandbox, format!("{}{INFER}", served.server.url));
    let key = create(sandbox, &["--scope", "model:digits:infer"]);
    sandbox.write_secret("cwd/ann.key", format!("{key}\n"));
    // curl, from a file: nothing in an argument.
    sandbox.write_secret("cwd/ann.header", format!("X-Api-Key: {key}\n"));
    let answer = served.curl(INFER, &["-H", "@ann.header", "--data-binary", GOOD]);
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    // As SDKs of the OpenAI kind do.
    let script = r#"
import json, ssl, sys, urllib.request
url, ca = sys.argv[1:]
request = urllib.request.Request(url, data=sys.stdin.buffer.read(), headers={
    "Authorization": f"Bearer {open('ann.key').read().strip()}",
    "Content-Type": "application/json",
})
with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)) as answer:
    print(len(json.load(answer)["outputs"][0]["data"]))
"#;
    let request = sandbox.write("request.json", GOOD);
    let output = sandbox
        .program("python3")
        .args(["-c", script, &url])
        .arg(sandbox.home().join("pki/ca.pem"))
        .stdin(std::fs::File::open(request).unwrap())
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout).trim(), "10", "{}", text(&output.stderr));
}
