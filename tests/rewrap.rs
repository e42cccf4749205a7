//! Rotation of model files by the built binary: many files, lists, links, and the keys
//! of a home. What faults leave of them is in `faults/`.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Sandbox, text};

const A: usize = 4096;
const B: usize = A + 8192;
const PAYLOAD: usize = B + 8192;

/// Key files `old`, `new` and `third`, and `models/a.sealed` for `old`.
struct Case {
    sandbox: Sandbox,
}

impl Case {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("model.onnx", (0..100_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>());
        fs::create_dir(sandbox.path("models")).unwrap();
        let case = Self { sandbox };
        for key in ["old", "new", "third"] {
            case.sandbox.ok(["key", "create", "--use", "model", "--out", &case.arg(key)]);
        }
        case.encrypt("models/a.sealed", "old");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn encrypt(&self, name: &str, key: &str) {
        let (model, file, key) = (self.arg("model.onnx"), self.arg(name), self.arg(key));
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        self.sandbox.ok(["model", "encrypt", "--force", &model, "-o", &file, "--key-file", &key]);
    }

    /// `rewrap` or `reencrypt` from `old` to `new`.
    fn rotate(&self, verb: &str) -> Command {
        let mut command = self.sandbox.sealserve();
        let keys = ["--key-file", &self.arg("old"), "--new-key-file", &self.arg("new")];
        command.args(["model", verb]).args(keys);
        command
    }

    fn report(&self, mut command: Command) -> (Option<i32>, Value) {
        let output = command.args(["--format", "json"]).output().unwrap();
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)));
        (output.status.code(), document)
    }

    fn verify(&self, name: &str, key: &str) -> Output {
        let arguments = ["model", "verify", &self.arg(name), "--key-file", &self.arg(key)];
        self.sandbox.run(arguments)
    }

    fn opens(&self, name: &str, key: &str) -> bool {
        let output = self.verify(name, key);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
        output.status.success()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let names: BTreeSet<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.into_iter().collect()
    }
}

/// Path and status of each file of a report.
fn statuses(document: &Value) -> Vec<(String, String)> {
    let files = document["files"].as_array().unwrap().iter();
    let name = |path: &Value| Path::new(path.as_str().unwrap()).file_name().unwrap().to_str().unwrap().into();
    files.map(|file| (name(&file["path"]), file["status"].as_str().unwrap().to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn many_files_are_done_and_one_that_fails_does_not_stop_them() {
    let case = Case::new();
    case.encrypt("models/deep/b.sealed", "old");
    case.encrypt("models/c.sealed", "new");
    case.encrypt("models/foreign.sealed", "third");
    case.sandbox.write("models/junk.sealed", "no model");
    case.sandbox.write("models/left.alone", "no model");
    symlink("a.sealed", case.path("models/link.sealed")).unwrap();
    let mut before = Vec::new();
    for name in ["models/foreign.sealed", "models/junk.sealed", "models/c.sealed"] {
        before.push((name, fs::read(case.path(name)).unwrap()));
    }
    let payload = fs::read(case.path("models/a.sealed")).unwrap()[PAYLOAD..].to_vec();

    let run = |more: &[&str]| {
        let mut command = case.rotate("rewrap");
        command.arg(case.path("models")).args(more);
        case.report(command)
    };
    let expected = |done: &str| {
        let rows = [("a.sealed", done), ("c.sealed", "skipped"), ("b.sealed", done)];
        let failed = [("foreign.sealed", "failed"), ("junk.sealed", "failed"), ("link.sealed", "skipped")];
        pairs(&[&rows[..], &failed[..]].concat())
    };
    let (code, dry) = run(&["--dry-run"]);
    assert_eq!((code, statuses(&dry), dry["dry_run"].as_bool()), (Some(1), expected("done"), Some(true)));
    assert!(case.opens("models/a.sealed", "old"), "a dry run changes nothing");

    let (code, report) = run(&[]);
    assert_eq!((code, statuses(&report)), (Some(1), expected("done")));
    assert_eq!(report["schema"], "sealserve.model.rewrap/v1");
    assert_eq!([&report["done"], &report["skipped"], &report["failed"]], [2, 2, 2]);
    let failed = &report["files"][4];
    assert!(failed["error"].as_str().unwrap().contains("junk.sealed"), "{failed}");
    assert_eq!(failed["causes"][0], "it is not a sealed model");
    for name in ["models/a.sealed", "models/deep/b.sealed", "models/c.sealed"] {
        assert!(case.opens(name, "new") && !case.opens(name, "old"), "{name}");
    }
    assert!(fs::read(case.path("models/a.sealed")).unwrap()[PAYLOAD..] == payload);
    for (name, bytes) in before {
        assert!(fs::read(case.path(name)).unwrap() == bytes, "{name} was not to be touched");
    }
    // Run again, all that was done is skipped: that is how an interrupted run goes on.
    let (_, again) = run(&[]);
    assert_eq!(statuses(&again), expected("skipped"));
}

#[test]
fn files_are_taken_from_a_list() {
    let case = Case::new();
    case.encrypt("models/with\nnewline", "old");
    let list = format!("{}\0{}\0", case.arg("models/with\nnewline"), case.arg("models/a.sealed"));
    let list = case.sandbox.write("list", list);
    let mut command = case.rotate("rewrap");
    command.args(["--files0-from", "-"]).stdin(File::open(&list).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(case.opens("models/with\nnewline", "new") && case.opens("models/a.sealed", "new"));

    let mut again = case.rotate("rewrap");
    again.arg("--files0-from").arg(&list);
    assert_eq!(case.report(again).1["skipped"], 2);
    // A list or a directory that names nothing is more likely a slip than a wish.
    let empty = case.sandbox.write("empty/list", "");
    for arguments in [["--files0-from", empty.to_str().unwrap()], ["--quiet", &case.arg("empty")]] {
        let output = case.rotate("rewrap").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("hint: "), "{}", text(&output.stderr));
    }
    assert_eq!(case.rotate("rewrap").output().unwrap().status.code(), Some(2), "no file at all");
}

#[test]
fn a_link_that_is_named_is_followed_and_hard_links_change_together() {
    let case = Case::new();
    symlink("models/a.sealed", case.path("link")).unwrap();
    fs::hard_link(case.path("models/a.sealed"), case.path("twin")).unwrap();
    let mut command = case.rotate("rewrap");
    command.arg(case.path("link"));
    let (code, report) = case.report(command);
    assert_eq!((code, &report["files"][0]["links"]), (Some(0), &Value::from(2)));
    for name in ["link", "twin", "models/a.sealed"] {
        assert!(case.opens(name, "new") && !case.opens(name, "old"), "{name}");
    }
    assert!(case.path("link").is_symlink());

    // Encrypted again, the file is another, which only its own name leads to.
    case.encrypt("models/b.sealed", "old");
    symlink("models/b.sealed", case.path("blink")).unwrap();
    fs::hard_link(case.path("models/b.sealed"), case.path("btwin")).unwrap();
    let output = case.rotate("reencrypt").arg(case.path("blink")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("warning: ") && text(&output.stderr).contains("1 other name(s)"));
    assert!(case.path("blink").is_symlink() && case.opens("blink", "new"));
    assert!(case.opens("btwin", "old") && !case.opens("btwin", "new"));
}

#[test]
fn what_is_no_regular_file_fails_and_does_not_block() {
    let case = Case::new();
    assert!(case.sandbox.program("mkfifo").arg(case.path("pipe")).status().unwrap().success());
    symlink("nowhere", case.path("dangling")).unwrap();
    for verb in ["rewrap", "reencrypt"] {
        for name in ["pipe", "dangling", "absent", "/dev/null"] {
            let output = case.rotate(verb).arg(case.path("").join(name)).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{verb} {name}");
            let said = text(&output.stderr);
            assert!(said.contains("\nerror: ") && said.contains(name) && said.contains("\nhint: "), "{said}");
        }
    }
}

#[test]
fn a_pipe_in_a_tree_fails_and_blocks_no_verb() {
    let case = Case::new();
    let models = case.sandbox.home().join("models");
    case.sandbox.ok(["init"]);
    assert!(case.sandbox.program("mkfifo").arg(models.join("pipe.sealed")).status().unwrap().success());
    let rotate = case.rotate("rewrap");
    let rotate: Vec<_> = rotate.get_args().map(|a| a.to_str().unwrap()).collect();
    let tree = models.to_str().unwrap();
    for (line, code) in [
        (&rotate[..], 1),
        (&["model", "verify"], 1),
        (&["model", "recipient", "list"], 1),
        (&["key", "revoke", "model-1"], 0),
    ] {
        let mut command = case.sandbox.program("timeout");
        command.arg("60").arg(env!("CARGO_BIN_EXE_sealserve")).args(line);
        if line[0] == "model" {
            command.arg(tree);
        }
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line:?}: {said}");
        assert!(said.contains("pipe.sealed' is no regular file"), "{line:?}: {said}");
    }
}

#[test]
fn a_torn_slot_is_reported_and_mended() {
    let case = Case::new();
    for offset in [A, B] {
        case.encrypt("models/a.sealed", "old");
        let mut bytes = fs::read(case.path("models/a.sealed")).unwrap();
        bytes[offset + 50] ^= 1;
        fs::write(case.path("models/a.sealed"), &bytes).unwrap();
        let output = case.verify("models/a.sealed", "old");
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("sealserve model rewrap"), "{}", text(&output.stderr));
        // With the same key, nothing else changes.
        let mut same = case.sandbox.sealserve();
        same.args(["model", "rewrap", "--key-file", &case.arg("old"), "--new-key-file", &case.arg("old")]);
        same.arg(case.path("models"));
        let (code, report) = case.report(same);
        assert_eq!((code, &report["files"][0]["healed"]), (Some(0), &Value::from(true)));
        assert!(case.opens("models/a.sealed", "old"));
    }
}

#[test]
fn an_interrupted_rewrap_is_warned_of_and_completed() {
    let case = Case::new();
    let path = case.path("models/a.sealed");
    let before = fs::read(&path).unwrap();
    assert!(case.rotate("rewrap").arg(&path).status().unwrap().success());
    let after = fs::read(&path).unwrap();
    fs::write(&path, [&before[..B], &after[B..]].concat()).unwrap();
    // The new key opens it, and what the old slot still tells does not go unsaid.
    let output = case.verify("models/a.sealed", "new");
    assert!(output.status.success());
    assert!(
        text(&output.stderr).starts_with("warning: a rewrap was interrupted"),
        "{}",
        text(&output.stderr)
    );
    let mut command = case.rotate("rewrap");
    command.arg(&path);
    let (code, report) = case.report(command);
    assert_eq!((code, &report["files"][0]["healed"]), (Some(0), &Value::from(true)));
    assert_eq!(text(&case.verify("models/a.sealed", "new").stderr), "");
}

#[test]
fn recipients_are_added_listed_and_removed() {
    let case = Case::new();
    let file = case.arg("models/a.sealed");
    let (old, new) = (case.arg("old"), case.arg("new"));
    let add = ["model", "recipient", "add", &file, "--key-file", &old, "--new-key-file", &new];
    let list = || -> Value {
        let said = case.sandbox.ok(["model", "recipient", "list", &file, "--format", "json"]);
        serde_json::from_str(&said).unwrap()
    };
    let key_id = |index: usize| list()["recipients"][index]["key_id"].as_str().unwrap().to_owned();
    let first = key_id(0);
    case.sandbox.ok(add.iter().chain(&["--dry-run"]));
    assert_eq!(list()["recipients"].as_array().unwrap().len(), 1);
    case.sandbox.ok(add);
    let second = key_id(1);
    assert!(case.opens("models/a.sealed", "old") && case.opens("models/a.sealed", "new"));
    let said = case.sandbox.fails(1, add);
    assert!(said.contains("already") && said.contains(&second), "{said}");

    let remove = |id: &str, key: &str| {
        case.sandbox.run(["model", "recipient", "remove", &file, id, "--key-file", &case.arg(key)])
    };
    // Any recipient may do it, and one that is none may not.
    assert_eq!(remove(&first, "third").status.code(), Some(4));
    assert!(remove(&first, "new").status.success());
    assert!(!case.opens("models/a.sealed", "old") && case.opens("models/a.sealed", "new"));
    let gone = remove(&first, "new");
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("is not sealed for recipient"), "{}", text(&gone.stderr));
    let before = fs::read(&file).unwrap();
    let last = remove(&second, "new");
    assert_eq!(last.status.code(), Some(1));
    assert!(text(&last.stderr).contains("nobody could open it"), "{}", text(&last.stderr));
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn what_is_encrypted_again_keeps_its_mode_and_metadata() {
    let case = Case::new();
    let path = case.path("models/a.sealed");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    if path.metadata().unwrap().uid() == 0 {
        std::os::unix::fs::chown(&path, Some(65533), Some(65532)).unwrap();
    }
    let before = path.metadata().unwrap();
    let copy = fs::read(&path).unwrap();
    let mut command = case.rotate("reencrypt");
    command.arg(&path);
    let (code, report) = case.report(command);
    assert_eq!((code, &report["done"]), (Some(0), &Value::from(1)));
    let file = &report["files"][0];
    assert_ne!(file["artifact_id"], file["old_artifact_id"]);
    let after = path.metadata().unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());

    let inspect = |key: &str, file: &Path| -> Value {
        let file = file.to_str().unwrap();
        let key = case.arg(key);
        let said = case.sandbox.ok(["model", "inspect", file, "--key-file", &key, "--format", "json"]);
        serde_json::from_str(&said).unwrap()
    };
    let old = case.sandbox.write("backup", copy);
    assert_eq!(inspect("new", &path)["metadata"], inspect("old", &old)["metadata"]);
    assert_eq!(inspect("new", &path)["generation"], 1);
    assert!(!case.opens("models/a.sealed", "old"));
    // What nobody can take back: the old key and an old copy.
    assert!(case.opens("backup", "old"));
    assert_eq!(case.names("models"), ["a.sealed"]);
}

#[test]
fn damage_is_found_and_the_file_stays() {
    let case = Case::new();
    let mut bytes = fs::read(case.path("models/a.sealed")).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(case.path("models/a.sealed"), &bytes).unwrap();
    let output = case.rotate("reencrypt").arg(case.path("models/a.sealed")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not authenticate"), "{}", text(&output.stderr));
    assert!(fs::read(case.path("models/a.sealed")).unwrap() == bytes);
    assert_eq!(case.names("models"), ["a.sealed"]);
}

/// A home with two files for `model-1` and a newer active key.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(["init"]);
    let model = sandbox.write("m.onnx", vec![7; 30_000]);
    sandbox.encrypt(&model, "one");
    sandbox.encrypt(&model, "it's two");
    sandbox.ok(["key", "rotate", "--use", "model"]);
    sandbox
}

#[test]
fn a_home_moves_from_its_old_keys_to_the_active_one() {
    let sandbox = home();
    let models = sandbox.home().join("models");
    let models = models.to_str().unwrap();
    let one = format!("{models}/one.sealed");
    // Revoked, the old key opens nothing, except to move files off it.
    sandbox.ok(["key", "revoke", "model-1"]);
    sandbox.fails(4, ["model", "verify", &one]);
    sandbox.ok(["model", "rewrap", models]);
    sandbox.ok(["model", "verify", &one]);
    let listed = sandbox.ok(["model", "recipient", "list", &one]);
    assert!(listed.contains("active") && listed.lines().count() == 2, "{listed}");
}

#[test]
fn a_revoked_model_key_names_its_files_and_the_next_command() {
    let sandbox = home();
    let models = sandbox.home().join("models");
    let before = fs::read(models.join("one.sealed")).unwrap();
    let revoke = |arguments: &[&str]| -> Value {
        let all = ["key", "revoke", "model-1", "--format", "json"].iter().chain(arguments);
        serde_json::from_str(&sandbox.ok(all)).unwrap()
    };
    let would = revoke(&["--dry-run"]);
    assert!(would["next"].as_str().unwrap().starts_with("sealserve model rewrap --key model-1 "), "{would}");
    let revoked = revoke(&["--compromised"]);
    let files = [models.join("it's two.sealed"), models.join("one.sealed")];
    assert_eq!(revoked["files"], serde_json::json!(files));
    let next = revoked["next"].as_str().unwrap();
    assert!(next.starts_with("sealserve model reencrypt "), "{next}");

    // A new wrapping is no help, and is refused however it is asked for.
    for arguments in [&["model", "rewrap"][..], &["model", "rewrap", "--key", "model-1"]] {
        let output = sandbox.sealserve().args(arguments).arg(&models).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 4)), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("model reencrypt"), "{}", text(&output.stderr));
        assert!(fs::read(models.join("one.sealed")).unwrap() == before);
    }
    sandbox.fails(2, ["model", "rewrap", "--rewrap-only", models.to_str().unwrap()]);
    sandbox.fails(2, ["model", "rewrap", "--insecure", models.to_str().unwrap()]);
    sandbox.ok(["model", "rewrap", "--rewrap-only", "--insecure", files[1].to_str().unwrap()]);

    // The printed command is one that a shell takes as it stands.
    let binary = Path::new(env!("CARGO_BIN_EXE_sealserve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = sandbox.program("bash").args(["-c", next]).env("PATH", &path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for file in &files {
        sandbox.ok(["model".as_ref(), "verify".as_ref(), file.as_os_str()]);
    }
    assert!(fs::read(&files[1]).unwrap()[16..32] != before[16..32], "a new artifact");
    // Where no other key is active, one is made first.
    sandbox.encrypt(&sandbox.path("m.onnx"), "three");
    let keys: Value = serde_json::from_str(&sandbox.ok(["key", "list", "--format", "json"])).unwrap();
    let keys = keys["keys"].as_array().unwrap();
    let active = keys.iter().find(|key| key["use"] == "model" && key["state"] == "active").unwrap();
    let last = ["key", "revoke", active["id"].as_str().unwrap(), "--compromised", "--format", "json"];
    let output = sandbox.run(last);
    assert!(text(&output.stderr).contains("`sealserve key create --use model`"), "{}", text(&output.stderr));
    let last: Value = serde_json::from_slice(&output.stdout).unwrap();
    let next = last["next"].as_str().unwrap();
    let output = sandbox.program("bash").args(["-c", next]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{next}: {}", text(&output.stderr));
    sandbox.ok(["model", "verify", models.join("three.sealed").to_str().unwrap()]);
    let nothing = revoke(&["--compromised"]);
    assert_eq!((&nothing["files"], nothing.get("next")), (&serde_json::json!([]), None));
}

#[test]
fn where_the_keyring_does_not_open_no_key_counts_as_one_that_has_not_leaked() {
    let sandbox = home();
    sandbox.ok(["key", "export", "model-1", "-o", "old"]);
    sandbox.ok(["key", "revoke", "model-1", "--compromised"]);
    sandbox.ok(["key", "create", "--use", "model", "--out", "new"]);
    let sealed = sandbox.home().join("models/one.sealed");
    let before = fs::read(&sealed).unwrap();
    let sealed = sealed.to_str().unwrap();
    let files = ["--key-file", "old", "--new-key-file", "new", sealed];
    let rewrap = [&["model", "rewrap"], &files[..]].concat();
    let with = |verb: &[&str], more: &[&str]| {
        sandbox.run([&["--root-key", "absent", "model"], verb, &files, more].concat())
    };
    let said = |output: &Output| text(&output.stderr);
    for more in [&[][..], &["--dry-run"]] {
        let refused = with(&["rewrap"], more);
        assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
        let parts = ["whether a key leaked is not known\ncause: ", "hint: pass --root-key"];
        assert!(parts.iter().all(|part| said(&refused).contains(part)), "{}", said(&refused));
    }
    // A keyring that somebody spoilt tells as little.
    let keyring = sandbox.home().join("keyring.json");
    let good = fs::read(&keyring).unwrap();
    fs::write(&keyring, "{}").unwrap();
    assert!(sandbox.fails(4, &rewrap).contains("not known"));
    fs::write(&keyring, good).unwrap();
    assert!(!sandbox.fails(4, &rewrap).contains("not known"));
    assert!(fs::read(sealed).unwrap() == before);
    // What gives a file a new data key, or only adds to who opens it, does not ask.
    assert!(with(&["reencrypt"], &["--dry-run"]).status.success());
    assert!(with(&["recipient", "add"], &[]).status.success());
    // Who takes a key away is told.
    let id = key_id(&sandbox, sealed);
    let remove = ["model", "recipient", "remove", sealed, &id, "--key-file", "new", "--dry-run"];
    let output = sandbox.run([&["--root-key", "absent"], &remove[..]].concat());
    assert!(output.status.success() && said(&output).contains("not known"), "{}", said(&output));
    // Forgone, and where there is no home at all.
    assert!(with(&["rewrap"], &["--rewrap-only", "--insecure", "--dry-run"]).status.success());
    for absent in ["nowhere", "old/nowhere"] {
        let output = sandbox.run([&["--home", absent], &rewrap[..], &["--dry-run"]].concat());
        assert!(output.status.success() && !said(&output).contains("not known"), "{}", said(&output));
    }
}

/// The id of the first recipient.
fn key_id(sandbox: &Sandbox, sealed: &str) -> String {
    let list = sandbox.ok(["model", "recipient", "list", sealed, "--format", "json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    list["recipients"][0]["key_id"].as_str().unwrap().to_owned()
}
