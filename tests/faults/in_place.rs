//! Headers that are changed in place. Whatever happened, the payload is as it was, a key
//! opens the file, and the same command again completes it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::strace::each_fault;
use crate::support::text;
use crate::{A, B, Case, PAYLOAD};

/// After a fault, the file verifies with one of the keys, or says what to do.
fn usable(case: &Case, what: &str) {
    let said = ["old", "new"].map(|key| case.run(&format!("model verify models/a.sealed --key-file {key}")));
    let fine = said.iter().any(|output| match output.status.code() {
        Some(0) => true,
        Some(3) => text(&output.stderr).contains("`sealserve model rewrap`"),
        _ => false,
    });
    assert!(fine, "{what}: {}{}", text(&said[0].stderr), text(&said[1].stderr));
}

/// Sweeps `line`, which changes `models/a.sealed`. Once more, it completes what was left,
/// and where nothing was, it fails with the words `done`, if there are any. `opened_by` opens
/// the file then, `refused` no longer does.
fn sweep(case: &Case, line: &str, done: Option<&str>, opened_by: &str, refused: Option<&str>) {
    let before = case.read("models/a.sealed");
    let payload = if before.len() > PAYLOAD { &before[PAYLOAD..] } else { &[] };
    let prepare = || case.reset("models", &[("a.sealed", &before)]);
    let command = || case.command(line);
    let met = RefCell::new(BTreeSet::new());
    each_fault(case, prepare, command, |fault, output| {
        let what = fault.to_string();
        let after = case.read("models/a.sealed");
        assert!(&after[PAYLOAD..] == payload && after[..A] == before[..A], "{what}");
        assert_eq!(case.names("models"), ["a.sealed"], "{what}");
        usable(case, &what);
        let said = text(&output.stderr);
        for call in ["pwrite64", "fdatasync"] {
            met.borrow_mut().extend([1, 2].into_iter().filter(|n| fault.fails(call, *n)).map(|n| (call, n)));
            if fault.fails(call, 1) {
                // As if nothing had been tried.
                assert!(after == before && output.status.code() == Some(1), "{what}: {said}");
            }
            if fault.fails(call, 2) {
                // In force, and seen to be incomplete: what was not made durable does not stay in the cache.
                assert!(after[A..B] == before[A..B] && after[B..PAYLOAD] != before[B..PAYLOAD], "{what}");
                assert!(said.contains("the change is in force, but not complete"), "{what}: {said}");
            }
        }
        let again = case.run(line);
        let said = text(&again.stderr);
        let complete = after != before && after[A..B] == after[B..PAYLOAD];
        match done.filter(|_| complete) {
            Some(done) => assert!(again.status.code() == Some(1) && said.contains(done), "{what}: {said}"),
            None => assert!(again.status.success() && !said.is_empty(), "{what}: {said}"),
        }
        assert!(case.opens("models/a.sealed", opened_by), "{what}");
        assert!(refused.is_none_or(|key| !case.opens("models/a.sealed", key)), "{what}");
        let whole = case.read("models/a.sealed");
        assert_eq!(whole[A..B], whole[B..PAYLOAD], "{what}");
        assert!(&whole[PAYLOAD..] == payload, "{what}");
        assert_eq!(case.names("models"), ["a.sealed"], "{what}");
    });
    let each = [("fdatasync", 1), ("fdatasync", 2), ("pwrite64", 1), ("pwrite64", 2)];
    assert_eq!(met.take(), BTreeSet::from(each), "both slots are written and made durable by these");
}

#[test]
#[ignore = "needs strace"]
fn a_rewrap_survives_a_fault_at_every_call() {
    let case = Case::new();
    let line = "model rewrap models/a.sealed --key-file old --new-key-file new";
    sweep(&case, line, None, "new", Some("old"));
}

#[test]
#[ignore = "needs strace"]
fn a_new_recipient_survives_a_fault_at_every_call() {
    let case = Case::new();
    let line = "model recipient add models/a.sealed --key-file old --new-key-file new";
    sweep(&case, line, Some("already"), "new", None);
}

#[test]
#[ignore = "needs strace"]
fn the_removal_of_a_recipient_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.ok("model recipient add models/a.sealed --key-file old --new-key-file new");
    let list = case.ok("model recipient list models/a.sealed --format json");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let old = list["recipients"][0]["key_id"].as_str().unwrap();
    let line = format!("model recipient remove models/a.sealed {old} --key-file new");
    sweep(&case, &line, Some("is not sealed for recipient"), "new", Some("old"));
}

#[test]
#[ignore = "needs strace"]
fn a_signature_survives_a_fault_at_every_call() {
    let case = Case::new();
    let line = "model sign models/a.sealed --key-file old --signer-key signer";
    sweep(&case, line, None, "old", None);
    case.ok("model verify models/a.sealed --key-file old --trusted-signer signer.pem");
}

#[test]
#[ignore = "needs strace"]
fn a_header_of_its_own_survives_a_fault_at_every_call() {
    let case = Case::new();
    case.ok("model encrypt --force model.onnx -o models/a.sealed --detached payload --key-file old");
    let (before, payload) = (case.read("models/a.sealed"), case.read("payload"));
    let prepare = || case.reset("models", &[("a.sealed", &before)]);
    let line = "model rewrap models/a.sealed --key-file old --new-key-file new";
    each_fault(
        &case,
        prepare,
        || case.command(line),
        |fault, _| {
            let opens = |key: &str| case.decrypts("models/a.sealed --payload payload", key);
            assert!(opens("old") || opens("new"), "{fault}");
            assert!(case.run(line).status.success(), "{fault}");
            assert!(opens("new") && !opens("old"), "{fault}");
            assert!(case.read("payload") == payload, "{fault}");
            assert_eq!(case.names("models"), ["a.sealed"], "{fault}");
        },
    );
}
