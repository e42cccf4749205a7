//! Rotation of files that are sealed for passphrases, age and commands: what is
//! replaced, what stays, and what is refused.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::age::{IDENTITY, RECIPIENT};
use support::{Sandbox, text};

/// Wraps by shuffling the letters of a base64 text, and counts how often it is asked.
const KMS: &str = r#"#!/bin/sh
echo "$SEALSERVE_OPERATION $SEALSERVE_KEY_NAME" >> asked
case $SEALSERVE_OPERATION in
wrap) base64 -w0 | tr A-Za-z N-ZA-Mn-za-m ;;
unwrap) tr A-Za-z N-ZA-Mn-za-m | base64 -d ;;
esac
"#;

/// A sandbox with a model, two keys, two passphrases, an identity and a command.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("cwd/m.onnx", vec![5; 40_000]);
    sandbox.write_secret("cwd/k1", "11".repeat(32));
    sandbox.write_secret("cwd/k2", "22".repeat(32));
    sandbox.write_secret("cwd/phrase", "correct horse battery staple\n");
    sandbox.write_secret("cwd/other", "another four random words\n");
    sandbox.write_secret("cwd/identity", format!("{IDENTITY}\n"));
    let kms = sandbox.write("cwd/kms", KMS);
    fs::set_permissions(kms, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn model(sandbox: &Sandbox, line: &str) -> String {
    sandbox.ok(words(&format!("model {line}")))
}

fn opens(sandbox: &Sandbox, options: &str) -> bool {
    let output = sandbox.run(words(&format!("model decrypt m.sealed {options}")));
    output.status.success() && output.stdout == vec![5; 40_000]
}

/// What became of `m.sealed`.
fn report(sandbox: &Sandbox, line: &str) -> Value {
    let report: Value = serde_json::from_str(&model(sandbox, &format!("{line} --format json"))).unwrap();
    report["files"][0].clone()
}

#[test]
fn a_rewrap_of_a_key_leaves_age_and_commands_as_they_are() {
    let sandbox = sandbox();
    model(
        &sandbox,
        &format!("encrypt m.onnx --key-file k1 -r {RECIPIENT} --wrap-command ./kms --command-key x"),
    );
    model(&sandbox, "rewrap --key-file k1 --new-key-file k2 m.sealed");
    assert_eq!(fs::read_to_string(sandbox.path("cwd/asked")).unwrap(), "wrap x\n");
    assert!(!opens(&sandbox, "--key-file k1"));
    for options in ["--key-file k2", "-i identity", "--unwrap-command ./kms --command-key x"] {
        assert!(opens(&sandbox, options), "{options}");
    }
}

#[test]
fn a_passphrase_is_replaced_and_a_second_run_has_nothing_to_do() {
    let sandbox = sandbox();
    model(&sandbox, "encrypt m.onnx --passphrase phrase");
    let rewrap = "rewrap m.sealed --passphrase phrase --new-passphrase other";
    assert_eq!(report(&sandbox, rewrap)["status"], "done");
    assert!(opens(&sandbox, "--passphrase other") && !opens(&sandbox, "--passphrase phrase"));
    let before = fs::read(sandbox.path("cwd/m.sealed")).unwrap();
    assert_eq!(report(&sandbox, rewrap)["status"], "skipped");
    assert!(fs::read(sandbox.path("cwd/m.sealed")).unwrap() == before);
    // From a passphrase to a key, and back.
    model(&sandbox, "rewrap m.sealed --passphrase other --new-key-file k1");
    assert!(opens(&sandbox, "--key-file k1") && !opens(&sandbox, "--passphrase other"));
    model(&sandbox, "rewrap m.sealed --key-file k1 --new-passphrase phrase");
    assert!(opens(&sandbox, "--passphrase phrase") && !opens(&sandbox, "--key-file k1"));
}

#[test]
fn a_passphrase_stays_alone() {
    let sandbox = sandbox();
    for (first, added) in [
        ("--passphrase phrase", "--new-key-file k2".to_owned()),
        ("--passphrase phrase", format!("-r {RECIPIENT}")),
    ] {
        model(&sandbox, &format!("encrypt --force m.onnx {first}"));
        let before = fs::read(sandbox.path("cwd/m.sealed")).unwrap();
        let said = sandbox.fails(2, words(&format!("model recipient add m.sealed {first} {added}")));
        assert!(said.contains("beside a passphrase") && said.contains("model rewrap"), "{said}");
        assert!(fs::read(sandbox.path("cwd/m.sealed")).unwrap() == before, "{first} {added}");
    }
    // Another recipient beside the key that goes would be one beside the passphrase.
    model(&sandbox, &format!("encrypt --force m.onnx --key-file k1 -r {RECIPIENT}"));
    let rewrap = "model rewrap m.sealed --key-file k1 --new-passphrase phrase";
    let said = sandbox.fails(2, words(rewrap));
    assert!(said.contains("beside a passphrase") && said.contains("model recipient remove"), "{said}");
    // As it says.
    model(&sandbox, &format!("recipient remove m.sealed --key-file k1 {RECIPIENT}"));
    sandbox.ok(words(rewrap));
    assert!(opens(&sandbox, "--passphrase phrase") && !opens(&sandbox, "--key-file k1"));
}

#[test]
fn what_was_tried_is_listed_once() {
    let sandbox = sandbox();
    model(&sandbox, &format!("encrypt m.onnx -r {RECIPIENT}"));
    let rewrap = "model rewrap m.sealed --key-file k1 --new-key-file k1 --new-key-file k2";
    let said = sandbox.fails(4, words(rewrap));
    let tried = said.split_once("; tried ").unwrap().1.lines().next().unwrap();
    assert_eq!(tried.split(", ").count(), 2, "{said}");
}

#[test]
fn where_there_is_no_home_keys_in_files_are_named() {
    let sandbox = sandbox();
    let said = sandbox.fails(1, words("model encrypt m.onnx"));
    assert!(said.contains("sealserve init") && said.contains("--key-file FILE, which needs none"), "{said}");
    model(&sandbox, "encrypt m.onnx --key-file k1");
    let said = sandbox.fails(1, words("model decrypt m.sealed"));
    assert!(said.contains("--key-file FILE, which needs none"), "{said}");
    let said = sandbox.fails(1, words("model rewrap m.sealed --key-file k1"));
    assert!(said.contains("--new-key-file FILE, which needs none"), "{said}");
    // A home that is there is to be opened, and its revoked key not to be used.
    sandbox.ok(["init"]);
    let said = sandbox.fails(4, words("--root-key absent model encrypt m.onnx"));
    assert!(!said.contains("--key-file"), "{said}");
    sandbox.ok(["key", "revoke", "model-1"]);
    let said = sandbox.fails(1, words("model encrypt m.onnx --key model-1"));
    assert!(said.contains("hint: name another key"), "{said}");
}

/// What could never be done is no option.
#[test]
fn a_passphrase_is_never_added_to_others() {
    let sandbox = sandbox();
    model(&sandbox, "encrypt m.onnx --key-file k1");
    for option in ["--new-passphrase phrase", "--ask-new-passphrase"] {
        let said = sandbox.fails(2, words(&format!("model recipient add m.sealed --key-file k1 {option}")));
        assert!(said.contains("unexpected argument"), "{said}");
    }
}

#[test]
fn the_key_of_a_command_is_removed_by_its_name() {
    let sandbox = sandbox();
    sandbox.ok(["init"]);
    let sealed = "encrypt --force m.onnx --key-file k1 --wrap-command ./kms --command-key";
    let remove =
        |name: &str| sandbox.run(words(&format!("model recipient remove m.sealed --key-file k1 {name}")));
    model(&sandbox, &format!("{sealed} alias/x"));
    let other = text(&remove("alias/y").stderr);
    assert!(other.contains("there is no key 'alias/y'"), "{other}");
    let removed = remove("alias/x");
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert!(
        !opens(&sandbox, "--unwrap-command ./kms --command-key alias/x") && opens(&sandbox, "--key-file k1")
    );
    // A name of the keyring that the file does not know is in nobody's way, one of both is.
    model(&sandbox, &format!("{sealed} model-1"));
    assert!(remove("model-1 --dry-run").status.success());
    model(&sandbox, &format!("{sealed} model-1 --key model-1"));
    let both = remove("model-1");
    let said = text(&both.stderr);
    assert!(both.status.code() == Some(2) && said.contains("is two of the recipients"), "{said}");
    assert!(opens(&sandbox, "--key model-1"));
}

#[test]
fn the_key_of_a_command_is_retired() {
    let sandbox = sandbox();
    let with = |key: &str| format!("--unwrap-command ./kms --command-key {key}");
    model(&sandbox, "encrypt m.onnx --key-file k1 --wrap-command ./kms --command-key 2025");
    let rewrap = format!("rewrap m.sealed {} --wrap-command ./kms --new-command-key 2026", with("2025"));
    assert_eq!(report(&sandbox, &rewrap)["status"], "done");
    // Once to open the file, and once for the new key; telling who leaves runs nothing.
    let asked = fs::read_to_string(sandbox.path("cwd/asked")).unwrap();
    assert_eq!(asked, "wrap 2025\nunwrap 2025\nwrap 2026\n");
    assert!(opens(&sandbox, &with("2026")) && !opens(&sandbox, &with("2025")));
    assert!(opens(&sandbox, "--key-file k1"));
    let said = sandbox.fails(2, words("model rewrap m.sealed --key-file k1 --wrap-command ./kms"));
    assert!(said.contains("--new-command-key"), "{said}");
}

#[test]
fn a_new_version_of_a_commands_key_is_taken_under_its_old_name() {
    let sandbox = sandbox();
    let with = "--unwrap-command ./kms --command-key alias";
    model(&sandbox, "encrypt m.onnx --key-file k1 --wrap-command ./kms --command-key alias");
    let rewrap = format!("rewrap m.sealed {with} --wrap-command ./kms --new-command-key alias");
    for _ in 0..2 {
        let done = report(&sandbox, &rewrap);
        assert_eq!(
            (done["status"].as_str(), done["removed"].as_array().map(Vec::len)),
            (Some("done"), Some(0))
        );
    }
    let asked = fs::read_to_string(sandbox.path("cwd/asked")).unwrap();
    assert_eq!(asked, format!("wrap alias\n{}", "unwrap alias\nwrap alias\n".repeat(2)));
    assert!(opens(&sandbox, with) && opens(&sandbox, "--key-file k1"));
}

#[test]
fn a_strangers_file_does_not_become_ones_own_unnoticed() {
    let sandbox = sandbox();
    let to_key = "-i identity --new-key-file k2";
    for (verb, options, unknown) in [
        ("rewrap", to_key, true),
        ("rewrap --dry-run", to_key, true),
        ("recipient add", to_key, true),
        ("rewrap --quiet", to_key, true),
        ("reencrypt", to_key, true),
        ("reencrypt", "-i identity -r", false),
        ("rewrap", "-i identity -r", false),
    ] {
        model(&sandbox, &format!("encrypt --force m.onnx -r {RECIPIENT}"));
        let to = if options.ends_with("-r") { RECIPIENT } else { "" };
        let done = sandbox.run(words(&format!("model {verb} m.sealed --format json {options} {to}")));
        let (said, warned) = (text(&done.stdout), text(&done.stderr));
        let document: Value = serde_json::from_str(&said).unwrap();
        let row = document.get("files").map_or(&document, |files| &files[0]);
        assert_eq!(row["of_unknown_origin"], unknown, "{verb}: {said}");
        let warned =
            warned.contains("warning: nothing shows who made 'm.sealed'") && warned.contains("reencrypt");
        assert_eq!(warned, unknown, "{verb}");
    }
}

#[test]
fn who_is_named_twice_is_added_once() {
    let sandbox = sandbox();
    let age = format!("-r {RECIPIENT}");
    for (new, opened_by) in [(age.as_str(), "-i identity"), ("--new-key-file k2", "--key-file k2")] {
        for verb in ["rewrap", "recipient add"] {
            model(&sandbox, "encrypt m.onnx --force --key-file k1");
            model(&sandbox, &format!("{verb} m.sealed --key-file k1 {new} {new}"));
            assert!(opens(&sandbox, opened_by), "{verb} {new}");
        }
    }
}

#[test]
fn an_identity_is_replaced_and_others_stay() {
    let sandbox = sandbox();
    model(&sandbox, &format!("encrypt m.onnx --key-file k1 -r {RECIPIENT}"));
    model(&sandbox, "rewrap m.sealed -i identity --new-key-file k2");
    assert!(!opens(&sandbox, "-i identity"));
    assert!(opens(&sandbox, "--key-file k1") && opens(&sandbox, "--key-file k2"));
}

#[test]
fn age_recipients_are_added_without_their_identity_and_removed_by_their_name() {
    let sandbox = sandbox();
    model(&sandbox, "encrypt m.onnx --key-file k1");
    let add = format!("recipient add m.sealed --key-file k1 -r {RECIPIENT}");
    model(&sandbox, &add);
    assert!(opens(&sandbox, "-i identity"));
    let list = model(&sandbox, "recipient list m.sealed");
    assert!(list.contains("age") && list.contains("key"), "{list}");
    let said = sandbox.fails(1, words("model recipient add m.sealed -i identity --new-key-file k1"));
    assert!(said.contains("is sealed for recipient ") && said.contains(" already"), "{said}");
    // Whether the header's word for age is true cannot be seen without the identity.
    model(&sandbox, &add);
    assert!(opens(&sandbox, "-i identity") && opens(&sandbox, "--key-file k1"));
    let list = model(&sandbox, "recipient list m.sealed --format json");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["recipients"].as_array().unwrap().len(), 2, "{list}");
    // Whoever has the identity may take the key away, or itself.
    let removed = sandbox.run(words(&format!("model recipient remove m.sealed -i identity {RECIPIENT}")));
    let said = text(&removed.stderr);
    assert!(removed.status.success() && said.contains("no longer lets age "), "{said}");
    assert!(!opens(&sandbox, "-i identity") && opens(&sandbox, "--key-file k1"));
}

#[test]
fn what_is_encrypted_again_is_for_the_new_recipients_alone() {
    let sandbox = sandbox();
    model(&sandbox, &format!("encrypt m.onnx --key-file k1 -r {RECIPIENT}"));
    let again = report(&sandbox, "reencrypt m.sealed -i identity --new-passphrase phrase");
    assert_eq!(again["removed"].as_array().unwrap().len(), 2);
    assert!(opens(&sandbox, "--passphrase phrase"));
    assert!(!opens(&sandbox, "-i identity") && !opens(&sandbox, "--key-file k1"));
    model(&sandbox, &format!("reencrypt m.sealed --passphrase phrase -r {RECIPIENT} --new-key-file k2"));
    assert!(opens(&sandbox, "-i identity") && opens(&sandbox, "--key-file k2"));
    assert!(!opens(&sandbox, "--passphrase phrase"));
}

#[test]
fn recovery_recipients_survive_a_new_data_key() {
    let sandbox = sandbox();
    sandbox.ok(["init", "--recovery", RECIPIENT]);
    model(&sandbox, "encrypt m.onnx");
    model(&sandbox, "reencrypt m.sealed");
    assert!(opens(&sandbox, "-i identity") && opens(&sandbox, "--key model-1"));
    model(&sandbox, "reencrypt m.sealed --no-recovery");
    assert!(!opens(&sandbox, "-i identity") && opens(&sandbox, "--key model-1"));
}

#[test]
fn a_header_of_its_own_is_rewritten_without_its_payload() {
    let sandbox = sandbox();
    model(&sandbox, "encrypt m.onnx --key-file k1 --detached payload");
    let payload = fs::read(sandbox.path("cwd/payload")).unwrap();
    fs::rename(sandbox.path("cwd/payload"), sandbox.path("cwd/elsewhere")).unwrap();
    model(&sandbox, "rewrap m.sealed --key-file k1 --new-key-file k2");
    model(&sandbox, &format!("recipient add m.sealed --key-file k2 -r {RECIPIENT}"));
    assert!(fs::read(sandbox.path("cwd/elsewhere")).unwrap() == payload);
    for options in ["--key-file k2", "-i identity"] {
        assert!(opens(&sandbox, &format!("--payload elsewhere {options}")), "{options}");
    }
    assert!(!opens(&sandbox, "--payload elsewhere --key-file k1"));
    // Encrypting again needs a new payload, too.
    for dry in ["", "--dry-run"] {
        let again = format!("model reencrypt m.sealed --key-file k2 --new-key-file k1 {dry}");
        let said = sandbox.fails(1, words(&again));
        assert!(said.contains("payload in another file") && said.contains("--new-payload"), "{said}");
    }
}

#[test]
fn models_are_signed_without_a_secret_that_opens_them_and_whatever_they_consist_of() {
    let sandbox = sandbox();
    sandbox.ok(words("key create --use signer --out signer"));
    sandbox.ok(words("key public --signer-key signer -o signer.pem"));
    fs::create_dir(sandbox.path("cwd/dir")).unwrap();
    sandbox.write("cwd/dir/model.onnx", "model");
    sandbox.write("cwd/dir/notes.txt", "notes");
    let verify = |options: &str| {
        let line = format!("model verify m.sealed {options} --trusted-signer signer.pem");
        sandbox.run(words(&line)).status.code()
    };
    for (recipient, identity) in [
        (format!("-r {RECIPIENT}"), "-i identity"),
        ("--passphrase phrase".into(), "--passphrase phrase"),
        ("--wrap-command ./kms --command-key x".into(), "--unwrap-command ./kms --command-key x"),
    ] {
        for (input, payload, attach) in
            [("m.onnx", "", ""), ("m.onnx", "--detached payload", "--payload payload"), ("dir", "", "")]
        {
            let line = format!("encrypt {input} --force -o m.sealed {recipient} {payload}");
            let encrypt = |more: &str| {
                let _ = fs::remove_file(sandbox.path("cwd/payload"));
                model(&sandbox, &format!("{line} {more}"))
            };
            encrypt("");
            assert_eq!(verify(&format!("{identity} {attach}")), Some(3), "{line}");
            // Afterwards, by who can open it; or at once.
            model(&sandbox, &format!("sign m.sealed --signer-key signer {identity} {attach}"));
            assert_eq!(verify(&format!("{identity} {attach}")), Some(0), "{line}");
            encrypt("--signer-key signer");
            assert_eq!(verify(&format!("{identity} {attach}")), Some(0), "{line}");
            let new = format!("rewrap m.sealed {identity} --new-key-file k1");
            model(&sandbox, &new);
            assert_eq!(verify(&format!("--key-file k1 {attach}")), Some(0), "{line}");
        }
    }
    let said = sandbox.fails(2, words("model sign m.sealed m.sealed --payload p --signer-key signer"));
    assert!(said.contains("belongs to one header"), "{said}");
}

#[test]
fn signatures_are_dropped_with_the_payload_that_they_vouch_for() {
    let sandbox = sandbox();
    sandbox.ok(words("key create --use signer --out signer"));
    model(&sandbox, "encrypt m.onnx --key-file k1 --signer-key signer");
    let again = sandbox.run(words("model reencrypt m.sealed --key-file k1 --new-key-file k2"));
    assert!(text(&again.stderr).contains("sign it again"), "{}", text(&again.stderr));
    assert!(model(&sandbox, "inspect m.sealed --key-file k2").contains("signatures  0"));
}
