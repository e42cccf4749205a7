//! What an operator does when a key leaked, over many files: find out what it opens,
//! whether everything is whole and signed, and give all of it new keys.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Output, Stdio};

use serde_json::Value;
use support::{Sandbox, text};

const IDENTITY: &str = "AGE-SECRET-KEY-1TSZXVJNM9G56D77LK49V7U7RJE2SAPJ6ZGUZU390KUGZA69UL4ZQZT9MED";
const RECIPIENT: &str = "age1wk5cm2tjvspkfjvf2ldcq5nhn0lf5al28060vuv68hcehu9nypms5vykag";

/// Wraps by shuffling the letters of a base64 text.
const KMS: &str = r#"#!/bin/sh
case $SEALSERVE_OPERATION in
wrap) base64 -w0 | tr A-Za-z N-ZA-Mn-za-m ;;
unwrap) tr A-Za-z N-ZA-Mn-za-m | base64 -d ;;
esac
"#;

/// Where the header slots stand.
const SLOTS: [std::ops::Range<usize>; 2] = [4096..12288, 12288..20480];

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A sandbox with a model, two keys, a passphrase, an identity, a command and a signer.
struct Desk(Sandbox);

impl Desk {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("cwd/m.onnx", vec![5; 40_000]);
        sandbox.write_secret("cwd/k1", "11".repeat(32));
        sandbox.write_secret("cwd/k2", "22".repeat(32));
        sandbox.write_secret("cwd/phrase", "correct horse battery staple\n");
        sandbox.write_secret("cwd/identity", format!("{IDENTITY}\n"));
        let kms = sandbox.write("cwd/kms", KMS);
        fs::set_permissions(kms, fs::Permissions::from_mode(0o755)).unwrap();
        Self(sandbox)
    }

    fn ok(&self, line: &str) -> String {
        self.0.ok(words(line))
    }

    fn fails(&self, code: i32, line: &str) -> String {
        self.0.fails(code, words(line))
    }

    fn run(&self, line: &str) -> Output {
        self.0.run(words(line))
    }

    /// Runs it with `input` on its standard input.
    fn feed(&self, line: &str, input: &[u8]) -> Output {
        let mut command = self.0.sealserve();
        let command = command.args(words(line)).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    fn json(&self, code: i32, line: &str) -> Value {
        let output = self.run(&format!("{line} --format json"));
        assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path(&format!("cwd/{name}"))).unwrap()
    }

    fn there(&self, name: &str) -> bool {
        self.0.path(&format!("cwd/{name}")).symlink_metadata().is_ok()
    }

    /// A key of a signer, and its public half.
    fn signer(&self) {
        self.ok("key create --use signer --out signer");
        self.ok("key public --signer-key signer -o signer.pem");
    }
}

/// File name and status of each file of a report.
fn statuses(report: &Value) -> Vec<(&str, &str)> {
    let files = report["files"].as_array().unwrap().iter();
    files
        .map(|file| {
            let path = file["path"].as_str().unwrap();
            (path.rsplit('/').next().unwrap(), file["status"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn a_header_that_stands_alone_gets_a_new_payload() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1 --detached p1");
    let (header, payload) = (desk.bytes("m.sealed"), desk.bytes("p1"));
    let again = "model reencrypt m.sealed --key-file k1 --new-key-file k2";
    // Without saying where, and in other wrong ways, nothing happens.
    let said = desk.fails(1, again);
    assert!(said.contains("--new-payload"), "{said}");
    desk.fails(2, &format!("{again} --payload p1"));
    desk.fails(2, &format!("{again} --payload - --new-payload p2"));
    desk.fails(2, &format!("{again} m.onnx --payload p1 --new-payload p2"));
    let said = desk.fails(1, &format!("{again} --payload p1 --new-payload p1"));
    assert!(said.contains("'p1' exists already") && !said.contains("--force"), "{said}");
    desk.0.write("cwd/other", &payload[..payload.len() - 1]);
    desk.fails(1, &format!("{again} --payload other --new-payload p2"));
    desk.ok(&format!("{again} --payload p1 --new-payload p2 --dry-run"));
    assert!(desk.bytes("m.sealed") == header && desk.bytes("p1") == payload && !desk.there("p2"));

    let output = desk.run(&format!("{again} --payload p1 --new-payload p2"));
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("'p1' belongs to no header any more"), "{said}");
    desk.ok("model verify m.sealed --key-file k2 --payload p2");
    desk.fails(4, "model verify m.sealed --key-file k1 --payload p2");
    desk.fails(3, "model verify m.sealed --key-file k2 --payload p1");
    // The old pair still opens, which is why the old payload must go.
    desk.0.write("cwd/old", &header);
    desk.ok("model verify old --key-file k1 --payload p1");
    assert!(desk.bytes("p1") == payload && desk.bytes("m.sealed")[..64] != header[..64]);

    let last = "model reencrypt m.sealed --key-file k2 --new-key-file k1 --payload p2 --new-payload p3";
    let report = desk.json(0, &format!("{last} --remove-payload"));
    assert_eq!(report["files"][0]["stale_payload"], Value::Null);
    assert!(!desk.there("p2"));
    assert_eq!(desk.run("model decrypt m.sealed --key-file k1 --payload p3").stdout, vec![5; 40_000]);
    // A file that holds its payload itself has no other.
    desk.ok("model encrypt m.onnx -o whole --key-file k1");
    let said =
        desk.fails(2, "model reencrypt whole --key-file k1 --new-key-file k2 --payload p3 --new-payload p4");
    assert!(said.contains("holds its payload itself") && !desk.there("p4"), "{said}");
}

#[test]
fn a_payload_is_never_replaced_and_goes_only_with_its_last_name() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1 --detached p1");
    let payload = desk.bytes("p1");
    let said = desk.fails(1, "model encrypt m.onnx --key-file k1 --detached p1 --force");
    assert!(said.contains("'p1' exists already") && !said.contains("--force"), "{said}");
    desk.ok("model verify m.sealed --key-file k1 --payload p1");
    // What is removed would stay under another name.
    fs::hard_link(desk.0.path("cwd/p1"), desk.0.path("cwd/hard")).unwrap();
    symlink("hard", desk.0.path("cwd/soft")).unwrap();
    for (old, new) in [("p1", "p2"), ("soft", "p3")] {
        desk.ok("model encrypt m.onnx --key-file k1 -o fresh --detached p --force");
        let (fresh, p) = (desk.bytes("fresh"), desk.bytes("p"));
        fs::remove_file(desk.0.path("cwd/p")).unwrap();
        desk.0.write("cwd/hard", &p);
        desk.0.write("cwd/m.sealed", &fresh);
        if old == "soft" {
            fs::remove_file(desk.0.path("cwd/p1")).unwrap();
        }
        let again = format!(
            "model reencrypt m.sealed --key-file k1 --new-key-file k2 --payload {old} --new-payload {new} --remove-payload"
        );
        let report = desk.json(0, &again);
        assert_eq!(report["files"][0]["stale_payload"], old);
        assert!(desk.bytes(old) == p && desk.bytes("hard") == p && payload != p);
        desk.ok(&format!("model verify m.sealed --key-file k2 --payload {new}"));
    }
}

#[test]
fn a_new_payload_that_cannot_be_written_leaves_the_old_header() {
    let desk = Desk::new();
    desk.0.write("cwd/m.onnx", vec![5; 400_000]);
    desk.ok("model encrypt m.onnx --key-file k1 --detached p1");
    let header = desk.bytes("m.sealed");
    let line = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let again =
        words("model reencrypt m.sealed --key-file k1 --new-key-file k2 --payload p1 --new-payload p2");
    let mut command = desk.0.program("bash");
    let command = command.args(["-c", line, "bash", env!("CARGO_BIN_EXE_sealserve")]).args(again);
    let output = command.args(["--remove-payload"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("cannot write 'p2'"), "{}", text(&output.stderr));
    assert!(desk.bytes("m.sealed") == header && !desk.there("p2"));
    desk.ok("model verify m.sealed --key-file k1 --payload p1");
}

#[test]
fn signing_many_files_can_be_rehearsed_and_run_again() {
    let desk = Desk::new();
    desk.signer();
    for name in ["a", "b/c"] {
        fs::create_dir_all(desk.0.path("cwd/tree/b")).unwrap();
        desk.ok(&format!("model encrypt m.onnx --key-file k1 -o tree/{name}.sealed"));
    }
    let sign = "model sign tree --key-file k1 --signer-key signer";
    let before = desk.bytes("tree/a.sealed");
    let rehearsed = desk.json(0, &format!("{sign} --dry-run"));
    assert_eq!((&rehearsed["done"], &rehearsed["dry_run"]), (&2.into(), &true.into()));
    assert!(desk.bytes("tree/a.sealed") == before);
    // One is done before, as by a run that was interrupted.
    let one = desk.feed("model sign --files0-from - --key-file k1 --signer-key signer", b"tree/a.sealed\0");
    assert!(one.status.success(), "{}", text(&one.stderr));
    let before = desk.bytes("tree/a.sealed");
    let signed = desk.json(0, sign);
    assert_eq!(statuses(&signed), [("a.sealed", "skipped"), ("c.sealed", "done")]);
    assert!(desk.bytes("tree/a.sealed") == before);
    desk.ok("model verify tree --key-file k1 --trusted-signer signer.pem");
    // A rehearsal reads all of the file, as signing does.
    let mut damaged = desk.bytes("tree/b/c.sealed");
    *damaged.last_mut().unwrap() ^= 1;
    desk.0.write("cwd/tree/b/c.sealed", damaged);
    let rehearsed = desk.json(1, &format!("{sign} --dry-run"));
    assert_eq!(statuses(&rehearsed), [("a.sealed", "skipped"), ("c.sealed", "failed")]);
}

#[test]
fn a_key_that_leaked_is_known_also_in_a_file() {
    let desk = Desk::new();
    desk.ok("init");
    desk.ok("model encrypt m.onnx");
    desk.ok("key export model-1 -o exported");
    desk.ok("key revoke model-1 --compromised");
    let rewrap = "model rewrap m.sealed --key-file exported --new-key-file k2";
    let before = desk.bytes("m.sealed");
    for dry in ["", "--dry-run"] {
        let said = desk.fails(4, &format!("{rewrap} {dry}"));
        assert!(said.contains("leaked") && said.contains("model reencrypt"), "{said}");
    }
    // Also where another key opens the file, which is for the leaked one as well.
    desk.ok("model recipient add m.sealed --key-file exported --new-key-file k1");
    let said = desk.fails(4, "model rewrap m.sealed --key-file k1 --new-key-file k2");
    assert!(said.contains("which leaked"), "{said}");
    assert!(desk.bytes("m.sealed") != before);
    // Taking the key away alone gives no file a new data key, which is said.
    let removed = desk.run("model recipient remove m.sealed model-1 --key-file k1 --dry-run");
    assert!(text(&removed.stderr).contains("model reencrypt"), "{}", text(&removed.stderr));
    // Where there is no home nothing is known, and nothing is asked for.
    fs::copy(desk.0.path("cwd/m.sealed"), desk.0.path("cwd/n.sealed")).unwrap();
    let elsewhere = rewrap.replace("m.sealed", "n.sealed");
    desk.ok(&format!("{elsewhere} --home nowhere"));
    // A home that does not open tells nothing either: then nothing is done.
    fs::copy(desk.0.path("cwd/m.sealed"), desk.0.path("cwd/n.sealed")).unwrap();
    let said = desk.fails(4, &format!("{elsewhere} --root-key absent"));
    assert!(said.contains("not known") && desk.bytes("n.sealed") == desk.bytes("m.sealed"), "{said}");
    desk.ok(&format!("{rewrap} --rewrap-only --insecure"));
    desk.ok("model verify m.sealed --key-file k2");
}

#[test]
fn a_second_run_skips_what_only_others_open_now() {
    let desk = Desk::new();
    let age = format!("-r {RECIPIENT}");
    for (new, opens) in [
        (age.as_str(), "-i identity"),
        ("--wrap-command ./kms --new-command-key x", "--unwrap-command ./kms --command-key x"),
    ] {
        desk.ok("model encrypt m.onnx --force --key-file k1");
        let rewrap = format!("model rewrap m.sealed --key-file k1 {new}");
        let first = desk.bytes("m.sealed");
        assert_eq!(desk.json(0, &rewrap)["files"][0]["authentic"], true);
        let done = desk.bytes("m.sealed");
        let again = desk.json(0, &rewrap);
        assert_eq!(
            (&again["files"][0]["status"], &again["files"][0]["authentic"]),
            (&"skipped".into(), &false.into())
        );
        let said = text(&desk.run(&rewrap).stderr);
        assert!(said.contains("what their headers say"), "{said}");
        assert!(desk.bytes("m.sealed") == done);
        // Interrupted after either slot, it is ended by who began it.
        for slot in SLOTS {
            let mut torn = done.clone();
            torn[slot.clone()].copy_from_slice(&first[slot]);
            desk.0.write("cwd/m.sealed", torn);
            let listed = desk.json(0, "model recipient list m.sealed");
            assert_eq!([0, 1].map(|i| listed["recipients"][i]["stale"] == true), [false, true]);
            let ended = desk.json(0, &rewrap);
            assert_eq!(
                (&ended["files"][0]["status"], &ended["files"][0]["healed"]),
                (&"done".into(), &true.into())
            );
            desk.fails(4, "model decrypt m.sealed --key-file k1");
            desk.ok(&format!("model verify m.sealed {opens}"));
            assert_eq!(desk.json(0, &rewrap)["files"][0]["status"], "skipped");
        }
        // What is not for all of the new recipients is not done, nor what is not whole.
        let mut damaged = done.clone();
        damaged[SLOTS[1].start + 100] ^= 1;
        desk.0.write("cwd/m.sealed", damaged);
        desk.fails(4, &rewrap);
        desk.0.write("cwd/m.sealed", done);
        desk.fails(4, &format!("{rewrap} --new-key-file k2"));
    }
    desk.ok("model encrypt m.onnx --force --key-file k2");
    desk.fails(4, &format!("model rewrap m.sealed --key-file k1 -r {RECIPIENT}"));
}

#[test]
fn models_outside_of_the_home_are_looked_at_when_their_key_is_revoked() {
    let desk = Desk::new();
    desk.ok("init");
    desk.ok("model encrypt m.onnx -o far.sealed");
    let far = desk.0.path("cwd/far.sealed");
    let config = desk.0.home().join("sealserve.toml");
    let mut contents = fs::read_to_string(&config).unwrap();
    contents.push_str(&format!("\n[[model]]\nname = \"m\"\npath = \"{}\"\n", far.display()));
    fs::write(&config, &contents).unwrap();
    let report = desk.json(0, "key revoke model-1 --compromised --dry-run");
    assert_eq!(report["files"], serde_json::json!([far]));
    assert_eq!(report["searched"], serde_json::json!([desk.0.home().join("models"), far]));
    assert!(report["next"].as_str().unwrap().contains("far.sealed"));
    // A configuration that cannot be read keeps no key alive.
    fs::write(&config, "nonsense").unwrap();
    let output = desk.run("key revoke model-1 --compromised");
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("sealserve.toml cannot be read"), "{said}");
    assert!(said.contains("looked for files that it opens in"), "{said}");
    assert!(desk.ok("key list").contains("compromised"));
}

/// `tree/` with a file for `k1` and one for `k2`.
fn tree(desk: &Desk) {
    fs::create_dir_all(desk.0.path("cwd/tree/deep")).unwrap();
    desk.ok("model encrypt m.onnx --key-file k1 -o tree/a.sealed");
    desk.ok("model encrypt m.onnx --key-file k2 -o tree/deep/b.sealed");
}

#[test]
fn a_tree_is_verified_file_by_file() {
    let desk = Desk::new();
    desk.signer();
    tree(&desk);
    let verify = "model verify tree --key-file k1 --key-file k2";
    let all = desk.json(0, verify);
    assert_eq!(all["schema"], "sealserve.model.verify.files/v1");
    assert_eq!(statuses(&all), [("a.sealed", "done"), ("b.sealed", "done")]);
    assert_eq!(all["files"][0]["plaintext_bytes"], 40_000);
    let opened = [&all["files"][0]["opened_by"]["key_id"], &all["files"][1]["opened_by"]["key_id"]];
    assert_ne!(opened[0], opened[1]);
    assert!(desk.ok(verify).contains("verified: tree/deep/b.sealed: 'm' version 1, 40000 bytes"));
    // Not opened: no answer at all. Not signed: the answer is no.
    assert_eq!(statuses(&desk.json(4, "model verify tree --key-file k1"))[1], ("b.sealed", "failed"));
    desk.ok("model sign tree/a.sealed --key-file k1 --signer-key signer");
    let signed = desk.json(3, &format!("{verify} --trusted-signer signer.pem"));
    assert_eq!(statuses(&signed), [("a.sealed", "done"), ("b.sealed", "failed")]);
    assert_eq!(signed["files"][0]["signed_by"].as_array().unwrap().len(), 1);
    desk.ok("model sign tree --key-file k1 --key-file k2 --signer-key signer");
    desk.ok(&format!("{verify} --trusted-signer signer.pem"));
    // Damage is a no, whatever else is wrong; the others get their answers.
    let mut damaged = desk.bytes("tree/a.sealed");
    *damaged.last_mut().unwrap() ^= 1;
    desk.0.write("cwd/tree/a.sealed", damaged);
    symlink("a.sealed", desk.0.path("cwd/tree/link.sealed")).unwrap();
    symlink("..", desk.0.path("cwd/tree/deep/loop")).unwrap();
    let mixed = desk.json(3, verify);
    let expected = [("a.sealed", "failed"), ("b.sealed", "done"), ("link.sealed", "skipped")];
    assert_eq!(statuses(&mixed), expected);
    assert_eq!([&mixed["done"], &mixed["skipped"], &mixed["failed"]], [1, 1, 1]);
    assert!(desk.fails(3, verify).contains("tree/a.sealed"));
    let listed = b"tree/deep/b.sealed\0absent.sealed\0";
    let listed = desk.feed("model verify --files0-from - --key-file k2", listed);
    assert_eq!(listed.status.code(), Some(1), "{}", text(&listed.stderr));
    desk.fails(2, "model verify tree --payload p --key-file k1");
    desk.fails(2, "model verify tree - --key-file k1");
}

#[test]
fn a_passphrase_is_read_once_for_many_files() {
    let desk = Desk::new();
    fs::create_dir(desk.0.path("cwd/tree")).unwrap();
    for name in ["a", "b"] {
        desk.ok(&format!("model encrypt m.onnx --passphrase phrase -o tree/{name}.sealed"));
    }
    // A pipe gives it only once.
    let phrase = desk.bytes("phrase");
    for line in ["model verify tree", "model rewrap tree --new-key-file k1"] {
        let output = desk.feed(&format!("{line} --passphrase -"), &phrase);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
    desk.ok("model verify tree --key-file k1");
}

#[test]
fn who_opens_what_is_told_of_a_tree() {
    let desk = Desk::new();
    desk.ok("init");
    tree(&desk);
    desk.ok("model encrypt m.onnx -o tree/home.sealed");
    desk.ok("key revoke model-1 --compromised");
    let list = desk.json(0, "model recipient list tree");
    let home = &list["files"][2]["recipients"][0];
    assert_eq!((&home["name"], &home["compromised"]), (&"model-1".into(), &true.into()));
    let said = desk.ok("model recipient list tree");
    let line = said.lines().find(|line| line.ends_with("tree/home.sealed")).unwrap();
    assert!(line.contains("model-1") && line.contains("compromised"), "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
    desk.0.write("cwd/tree/junk.sealed", "junk");
    let list = desk.json(3, "model recipient list tree");
    assert_eq!([&list["done"], &list["failed"]], [3, 1]);
    // One file has its own form, and may be a stream.
    let one = desk.feed("model recipient list --format json", &desk.bytes("tree/a.sealed"));
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one["schema"], "sealserve.model.recipient.list/v1");
    assert_eq!(one["recipients"].as_array().unwrap().len(), 1);
}

#[test]
fn header_and_payload_may_be_streams_but_not_both() {
    let desk = Desk::new();
    let made = desk.run("model encrypt m.onnx --key-file k1 -o h --detached -");
    assert!(made.status.success() && made.stdout.len() > 40_000, "{}", text(&made.stderr));
    let verified = desk.feed("model verify h --payload - --key-file k1", &made.stdout);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    let opened = desk.feed("model decrypt h --payload - --key-file k1", &made.stdout);
    assert_eq!(opened.stdout, vec![5; 40_000]);
    desk.0.write("cwd/p", &made.stdout);
    let part = desk.feed("model decrypt - --payload p --key-file k1 --range 0-2", &desk.bytes("h"));
    assert_eq!(part.stdout, [5; 3], "{}", text(&part.stderr));
    fs::create_dir(desk.0.path("cwd/d")).unwrap();
    symlink("d", desk.0.path("cwd/link")).unwrap();
    let header = desk.run("model encrypt m.onnx --key-file k1 -o - --detached p2");
    let verified = desk.feed("model verify - --payload p2 --key-file k1", &header.stdout);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    for line in [
        "model encrypt m.onnx --key-file k1 -o - --detached -",
        "model encrypt m.onnx --key-file k1 -o new --detached new --force",
        "model encrypt m.onnx --key-file k1 -o new --detached ./new --force",
        "model encrypt m.onnx --key-file k1 -o d/new --detached d/../link/new --force",
        "model verify - --payload - --key-file k1",
        "model decrypt h --payload - --key-file k1 --range 0-2",
        "model sign h --payload - --key-file k1",
    ] {
        desk.fails(2, line);
    }
    desk.ok("model verify h --payload p --key-file k1");
    assert!(!desk.there("-") && !desk.there("new") && !desk.there("d/new"));
    // What does not open names the header, which says for whom it is.
    let said = desk.fails(4, "model verify h --payload p --key-file k2");
    assert!(said.contains("no key opens 'h'"), "{said}");
}

#[test]
fn a_stream_is_not_changed_in_place() {
    let desk = Desk::new();
    for line in [
        "model rewrap - --key-file k1 --new-key-file k2",
        "model reencrypt - --key-file k1 --new-key-file k2",
        "model sign - --key-file k1",
        "model recipient add - --key-file k1 --new-key-file k2",
        "model recipient remove - 00000000000000000000000000000000 --key-file k1",
    ] {
        let said = desk.fails(2, line);
        assert!(said.contains("a stream cannot be") && said.contains("name a file"), "{line}: {said}");
    }
}

#[test]
fn what_is_named_twice_is_done_once() {
    let desk = Desk::new();
    tree(&desk);
    fs::hard_link(desk.0.path("cwd/tree/a.sealed"), desk.0.path("cwd/tree/z.sealed")).unwrap();
    let paths = "tree tree/a.sealed tree/../tree/a.sealed tree/deep";
    let keys = "--key-file k1 --key-file k2";
    let report = desk.json(0, &format!("model reencrypt {paths} {keys} --new-key-file k1"));
    // Another name of the same file leads to the old one, until that is replaced, too.
    assert_eq!(statuses(&report), [("a.sealed", "done"), ("b.sealed", "done"), ("z.sealed", "done")]);
    assert_eq!(report["files"][0]["other_links"], 1);
    desk.ok("model verify tree --key-file k1");
}

#[test]
fn the_root_key_may_come_from_standard_input() {
    let desk = Desk::new();
    desk.ok("init");
    desk.ok("model encrypt m.onnx");
    desk.ok("key rotate --use model");
    let root = fs::read(desk.0.path("config/sealserve/root.key")).unwrap();
    let output = desk.feed("model rewrap m.sealed --root-key -", &root);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("done"), "{}", text(&output.stdout));
}

#[test]
fn names_that_are_not_text_are_in_the_report_of_all() {
    let desk = Desk::new();
    tree(&desk);
    let odd = std::ffi::OsStr::from_bytes(b"cwd/tree/odd\xff.sealed");
    fs::copy(desk.0.path("cwd/tree/a.sealed"), desk.0.path("").join(odd)).unwrap();
    let report = desk.json(0, "model rewrap tree --key-file k1 --new-key-file k2");
    let names: Vec<_> = statuses(&report).into_iter().map(|(name, _)| name.to_owned()).collect();
    assert!(names.contains(&"odd\u{fffd}.sealed".to_owned()), "{names:?}");
    assert_eq!((&report["done"], names.len()), (&2.into(), 3));
    let listed = [b"tree/odd\xff.sealed\0".to_vec()].concat();
    let output = desk.feed("model verify --files0-from - --key-file k2 --format json", &listed);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn who_does_not_listen_is_answered_by_the_exit_code() {
    let desk = Desk::new();
    desk.signer();
    tree(&desk);
    let mut damaged = desk.bytes("tree/a.sealed");
    *damaged.last_mut().unwrap() ^= 1;
    desk.0.write("cwd/tree/a.sealed", damaged);
    for (code, line) in [
        (3, "model verify tree --key-file k1"),
        (1, "model reencrypt tree --key-file k1 --new-key-file k2 --dry-run m.onnx"),
        (1, "model rewrap tree m.onnx --key-file k1 --new-key-file k2 --dry-run"),
        (1, "model sign tree --key-file k1 --signer-key signer --dry-run"),
        (3, "model recipient list tree m.onnx"),
        (1, "model encrypt m.onnx --key-file k1 -o - --detached half"),
        (1, "model encrypt m.onnx --key-file k1 -o half --detached -"),
    ] {
        for format in ["text", "json"] {
            let mut command = desk.0.sealserve();
            let command = command.args(words(line)).args(["--format", format]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            drop(child.stdout.take());
            assert_eq!(child.wait().unwrap().code(), Some(code), "{line} {format}");
            assert!(!desk.there("half"), "{line}");
        }
    }
}

#[test]
fn where_only_links_are_nothing_was_done() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1");
    fs::create_dir(desk.0.path("cwd/links")).unwrap();
    symlink("../m.sealed", desk.0.path("cwd/links/m.sealed")).unwrap();
    for line in [
        "model verify links --key-file k1",
        "model recipient list links",
        "model rewrap links --key-file k1 --new-key-file k2",
        "model reencrypt links --key-file k1 --new-key-file k2",
    ] {
        let said = desk.fails(1, line);
        assert!(said.contains("no *.sealed file below 'links' (1 symbolic links are left alone)"), "{said}");
    }
    desk.ok("model verify m.sealed --key-file k1");
}

#[test]
fn a_dash_in_a_list_is_a_file_of_that_name() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1 -o ./-x");
    fs::rename(desk.0.path("cwd/-x"), desk.0.path("cwd/-")).unwrap();
    desk.0.write("cwd/list", b"-\0");
    let whole = desk.bytes("-");
    for line in ["model verify --key-file k1", "model recipient list"] {
        let output = desk.feed(&format!("{line} --files0-from list --format json"), b"not a model");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(statuses(&report), [("-", "done")]);
    }
    // Nor is what comes from there taken for it.
    desk.0.write("cwd/-", "not a model");
    let output = desk.feed("model verify --key-file k1 --files0-from list", &whole);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

#[test]
fn what_is_read_is_not_written_to() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1");
    let before = [desk.bytes("m.onnx"), desk.bytes("m.sealed")];
    for (line, file) in [("encrypt m.onnx", "m.onnx"), ("decrypt m.sealed", "m.sealed")] {
        let mut command = desk.0.sealserve();
        let command = command.args(words(&format!("model {line} --key-file k1 -o -")));
        let out = fs::File::options().append(true).open(desk.0.path(&format!("cwd/{file}"))).unwrap();
        let output = command.stdout(out).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    }
    assert!([desk.bytes("m.onnx"), desk.bytes("m.sealed")] == before);
}

#[test]
fn an_output_that_cannot_be_is_refused_before_anything_is_read() {
    let desk = Desk::new();
    desk.ok("model encrypt m.onnx --key-file k1");
    fs::create_dir(desk.0.path("cwd/d")).unwrap();
    for (output, why) in [
        ("out/", "'out/' is no regular file"),
        ("/dev/null", "'/dev/null' is no regular file"),
        ("d", "a directory is never replaced"),
        ("d/", "a directory is never replaced"),
    ] {
        for force in ["", "--force"] {
            let said = desk.fails(1, &format!("model decrypt absent --key-file k1 -o {output} {force}"));
            assert!(said.contains(why) && !said.contains("--force"), "{said}");
        }
    }
    let said = desk.fails(1, "model decrypt absent --key-file k1 -o no/where");
    assert!(said.contains("cannot open directory 'no'"), "{said}");
}
