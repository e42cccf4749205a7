//! Bad input, secrets in the wrong place, and what `request verify` finds wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::{KEY, bad, good, sandbox};

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
    let said = good(&sandbox, &format!("sign URL KEY {secrets} --reveal -o -"));
    assert!(said.contains("Authorization: Bearer token-of-ci\nX-Api-Key: ss_key\n"), "{said}");
    // A file may hold it, and a key given in the place of its file is not repeated.
    sandbox.write_secret("cwd/fields", "Authorization: Bearer hunter2\n");
    assert!(!good(&sandbox, "sign URL KEY -H @fields").contains("hunter2"));
    let said = bad(&sandbox, 2, &format!("sign URL --sign-key-file {KEY} --sign-key-id ci"));
    assert!(!said.contains(KEY), "{said}");
}

#[test]
fn fields_with_a_secret_are_kept_private() {
    let sandbox = sandbox();
    let sign = "sign URL KEY --token-file ../token --reveal";
    let said = bad(&sandbox, 2, sign);
    assert!(said.contains("not written to a pipe") && !said.contains("token-of-ci"), "{said}");
    assert_eq!(good(&sandbox, &format!("{sign} -o fields")), "");
    let path = sandbox.path("cwd/fields");
    let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
    let fields = fs::read_to_string(&path).unwrap();
    assert!(fields.starts_with("Authorization: Bearer token-of-ci\n") && fields.contains("Signature: "));
    assert_eq!(mode(), 0o600);
    assert!(bad(&sandbox, 1, &format!("{sign} -o fields")).contains("exists already"));
    assert_eq!(fs::read_to_string(&path).unwrap(), fields);
    let document = good(&sandbox, &format!("{sign} -o fields --force --format json"));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["out"], &document["headers"]), (&"fields".into(), &Value::Null));
    assert_eq!(mode(), 0o600);
    good(&sandbox, "verify URL -H @fields --sign-key-file ../ci.key");

    for name in ["Authorization", "x-api-key", "COOKIE", "Proxy-Authorization"] {
        fs::write(&path, format!("Accept: */*\n{name}: hunter2\n")).unwrap();
        for (mode, taken) in [(0o644, false), (0o640, false), (0o600, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if taken {
                good(&sandbox, "sign URL KEY -H @fields");
                continue;
            }
            for verb in ["sign URL KEY", "verify URL", "send URL"] {
                let said = bad(&sandbox, 4, &format!("{verb} -H @fields"));
                let field = format!("the field '{}' holds a secret", name.to_lowercase());
                assert!(said.contains(&field) && said.contains("chmod 600 fields"), "{said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
    }
    // Others need not be.
    sandbox.write("cwd/plain", "Accept: */*\n");
    good(&sandbox, "sign URL KEY -H @plain");
}

#[test]
fn bad_input_is_refused_with_its_reason() {
    let sandbox = sandbox();
    sandbox.write("cwd/readable.key", KEY);
    sandbox.write_secret("cwd/short.key", "5a5a");
    sandbox.write_secret("cwd/empty", "");
    sandbox.write_secret("cwd/lines", "a\nb\n");
    sandbox.write("cwd/fields", "no colon\n");
    let many = |count: usize, name: &str| (0..count).map(|n| name.replace('#', &n.to_string())).collect();
    for (name, lines) in [
        // Their capacity is that of http's map: one more of any kind would not fit.
        ("full", many(24_576, "a#:\n")),
        ("many", many(30_000, "a#:\n")),
        ("same", many(60_000, "a:\n")),
        ("most", many(1000, "a#:\n")),
        ("more", many(1001, "a#:\n")),
    ] {
        let lines: String = lines;
        sandbox.write(&format!("cwd/{name}"), lines);
    }
    good(&sandbox, "sign URL KEY -H @most --token-file ../token --api-key-file ../apikey -d @in.json");
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
        (2, "sign URL KEY -H @same", "too many fields"),
        (2, "sign URL KEY -H @full", "too many fields"),
        (2, "sign URL KEY -H @more", "too many fields"),
        (2, "send URL -H @full --token-file ../token", "too many fields"),
        (2, "verify URL -H @full --api-key-file ../apikey", "too many fields"),
        (2, "sign URL KEY -H @most -H b:1", "too many fields"),
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
    assert!(
        said.ends_with("not checked: its credential, whose key it is, whether it was sent before\n"),
        "{said}"
    );
    let document: Value =
        serde_json::from_str(&good(&sandbox, &format!("{verify} {key} --format json"))).unwrap();
    assert_eq!(document["schema"], "sealserve.request.verify/v1");
    assert_eq!(document["verified"], true);
    assert_eq!(document["not_checked"], serde_json::json!(["credential", "owner", "replay"]));
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
