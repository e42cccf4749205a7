//! Files that are written anew: old and whole, or new and whole, or not there. A command
//! that failed leaves nothing; what a kill leaves goes with the next attempt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::strace::{Fault, each_fault};
use crate::support::text;
use crate::{Case, model};

/// Names of what is not complete, and so may be left by a kill.
fn is_temporary(name: &str, of: &str) -> bool {
    name.starts_with(&format!(".{of}.tmp-"))
}

/// Sweeps `line`, which writes the file `out/NAME`, where `old` stands before. `whole` says
/// whether what stands there is the new file; `temporary` whether a kill may leave more.
fn sweep(case: &Case, line: &str, name: &str, old: Option<&[u8]>, whole: impl Fn() -> bool) {
    let before: Vec<_> = old.iter().map(|old| (name, *old)).collect();
    let prepare = || case.reset("out", &before);
    each_fault(
        case,
        prepare,
        || case.command(line),
        |fault, output| {
            let left = case.names("out");
            let (temporary, named): (Vec<_>, Vec<_>) = left.iter().partition(|left| is_temporary(left, name));
            // Only the instant between two names needs a second one.
            let instant = fault.kills() && fault.call == "rename";
            assert!(temporary.is_empty() || instant, "{fault}: {left:?}");
            assert!(named.is_empty() || named == [name], "{fault}: {left:?}");
            let is_old = match old {
                None => named.is_empty(),
                Some(old) => named == [name] && case.read(&format!("out/{name}")) == old,
            };
            assert!(is_old || whole(), "{fault}: {}", text(&output.stderr));
            assert!(!output.status.success() || !is_old, "{fault}");
            // What fails changes nothing, unless the new file has taken the old one's place; or
            // only the answer could not be given.
            let replaced = (old.is_some() && fault.call == "fsync") || is_unheard(output);
            assert!(output.status.success() || fault.kills() || is_old || replaced, "{fault}: {left:?}");
            assert!(!is_old || complete(case, line, name, fault), "{fault}: {left:?}");
            if is_old {
                assert!(whole(), "{fault}");
            }
        },
    );
}

/// Whether all was done, and only the answer could not be written.
fn is_unheard(output: &Output) -> bool {
    text(&output.stderr).contains("cannot write to standard output")
}

/// The next attempt succeeds, and leaves nothing but its file.
fn complete(case: &Case, line: &str, name: &str, fault: &Fault) -> bool {
    let output = case.run(line);
    assert!(output.status.success(), "{fault}: {}", text(&output.stderr));
    case.names("out") == [name]
}

#[test]
#[ignore = "needs strace"]
fn encrypting_survives_a_fault_at_every_call() {
    let case = Case::new();
    let line = "model encrypt model.onnx -o out/b.sealed --key-file old";
    sweep(&case, line, "b.sealed", None, || case.decrypts("out/b.sealed", "old"));
}

#[test]
#[ignore = "needs strace"]
fn encrypting_with_a_signature_survives_a_fault_at_every_call() {
    let case = Case::new();
    let line = "model encrypt model.onnx -o out/b.sealed --key-file old --signer-key signer";
    let verify = "model verify out/b.sealed --key-file old --trusted-signer signer.pem";
    sweep(&case, line, "b.sealed", None, || case.run(verify).status.success());
}

#[test]
#[ignore = "needs strace"]
fn encrypting_over_a_file_survives_a_fault_at_every_call() {
    let case = Case::new();
    let old = case.read("models/a.sealed");
    let line = "model encrypt --force model.onnx -o out/b.sealed --key-file new";
    sweep(&case, line, "b.sealed", Some(&old), || case.decrypts("out/b.sealed", "new"));
}

#[test]
#[ignore = "needs strace"]
fn encrypting_a_directory_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.directory();
    let line = "model encrypt dir -o out/b.sealed --key-file old";
    sweep(&case, line, "b.sealed", None, || case.opens("out/b.sealed", "old"));
}

#[test]
#[ignore = "needs strace"]
fn encrypting_again_survives_a_fault_at_every_call() {
    let case = Case::new();
    let old = case.read("models/a.sealed");
    let line = "model reencrypt out/a.sealed --key-file old --new-key-file new";
    let whole = || case.decrypts("out/a.sealed", "new") && !case.opens("out/a.sealed", "old");
    sweep(&case, line, "a.sealed", Some(&old), whole);
}

#[test]
#[ignore = "needs strace"]
fn decrypting_survives_a_fault_at_every_call() {
    let case = Case::new();
    let whole = || {
        let mode = case.path("out/m.onnx").metadata().unwrap().permissions().mode();
        case.read("out/m.onnx") == model() && mode & 0o777 == 0o600
    };
    let line = "model decrypt models/a.sealed -o out/m.onnx --key-file old";
    sweep(&case, line, "m.onnx", None, whole);
    sweep(&case, &format!("{line} --force"), "m.onnx", Some(b"another model"), whole);
}

/// A header and its payload, which have no name in common: at every instant the header
/// that is there, old or new, has its payload.
fn sweep_two(case: &Case, old: &[(&str, &[u8])]) {
    let line = "model encrypt --force model.onnx -o out/b.sealed --detached out/b.payload --key-file new";
    let whole = || case.decrypts("out/b.sealed --payload out/b.payload", "new");
    each_fault(
        case,
        || case.reset("out", old),
        || case.command(line),
        |fault, output| {
            let left = case.names("out");
            let is_new = |name: &str| !old.iter().any(|(old, _)| *old == name);
            for name in left.iter().filter(|name| is_new(name)) {
                let instant = fault.kills() && fault.call == "rename" && is_temporary(name, "b.sealed");
                assert!(instant || ["b.sealed", "b.payload"].contains(&name.as_str()), "{fault}: {left:?}");
            }
            let is_old = old.iter().all(|(name, bytes)| case.read(&format!("out/{name}")) == *bytes)
                && !(is_new("b.sealed") && left.contains(&"b.sealed".to_owned()));
            if is_old {
                assert!(!output.status.success(), "{fault}");
                // A payload without its header opens nothing, and is replaced by nobody.
                if left.contains(&"b.payload".to_owned()) {
                    assert!(fault.kills(), "{fault}");
                    assert_eq!(case.run(line).status.code(), Some(1), "{fault}");
                    fs::remove_file(case.path("out/b.payload")).unwrap();
                }
                assert!(case.run(line).status.success(), "{fault}");
                assert!(case.names("out").iter().all(|name| !name.contains(".tmp-")), "{fault}");
            } else {
                let synced = fault.call == "fsync";
                let ended = output.status.success() || fault.kills() || is_unheard(output) || synced;
                assert!(ended, "{fault}: {}", text(&output.stderr));
            }
            assert!(whole(), "{fault}");
        },
    );
}

#[test]
#[ignore = "needs strace"]
fn encrypting_to_two_files_survives_a_fault_at_every_call() {
    sweep_two(&Case::new(), &[]);
}

#[test]
#[ignore = "needs strace"]
fn encrypting_over_a_header_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.reset("out", &[]);
    case.ok("model encrypt model.onnx -o out/b.sealed --detached out/a.payload --key-file old");
    let (header, payload) = (case.read("out/b.sealed"), case.read("out/a.payload"));
    sweep_two(&case, &[("b.sealed", &header), ("a.payload", &payload)]);
}

#[test]
#[ignore = "needs strace"]
fn decrypting_a_directory_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.directory();
    case.ok("model encrypt dir -o models/d.sealed --key-file old");
    let line = "model decrypt models/d.sealed -o out/d --key-file old";
    let whole = || {
        case.read("out/d/model.onnx") == b"model"
            && case.read("out/d/sub/weights.bin") == model()
            && case.names("out/d") == ["model.onnx", "sub"]
    };
    each_fault(
        &case,
        || case.reset("out", &[]),
        || case.command(line),
        |fault, output| {
            let left = case.names("out");
            let named = left.iter().any(|name| name == "d");
            assert!(!named || whole(), "{fault}");
            assert!(named || !output.status.success(), "{fault}");
            for name in left.iter().filter(|name| *name != "d") {
                // A directory cannot be nameless, and one that cannot be removed stays.
                assert!(is_temporary(name, "d"), "{fault}: {left:?}");
                assert!(fault.kills() || fault.call.starts_with("unlink"), "{fault}: {left:?}");
                let mode = case.path("out").join(name).metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o700, "{fault}");
            }
            // Plaintext that was left goes with the next attempt.
            if named {
                fs::remove_dir_all(case.path("out/d")).unwrap();
            }
            assert!(complete(&case, line, "d", fault) && whole(), "{fault}");
        },
    );
}

#[test]
#[ignore = "needs strace"]
fn a_change_of_the_keyring_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.ok("init");
    let home = case.sandbox.home();
    let kept = case.sandbox.path("kept");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let _ = fs::remove_dir_all(to);
        let done = case.sandbox.program("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(done.success());
    };
    copy(&home, &kept);
    let before = crate::names(&home);
    let keys = || {
        let list: serde_json::Value = serde_json::from_str(&case.ok("key list --format json")).unwrap();
        list["keys"].as_array().unwrap().len()
    };
    let old = keys();
    let line = "key create --use model --id extra";
    each_fault(
        &case,
        || copy(&kept, &home),
        || case.command(line),
        |fault, output| {
            // Acknowledged, it is there; otherwise it is there or not, and nothing is between.
            let now = keys();
            assert!(now == old + 1 || (now == old && !output.status.success()), "{fault}");
            case.ok("key create --use model --id another");
            assert_eq!(keys(), now + 1, "{fault}");
            assert_eq!(crate::names(&home), before, "{fault}");
            assert!(crate::names(&home.join("state")).iter().all(|name| !name.contains(".tmp-")), "{fault}");
        },
    );
}
