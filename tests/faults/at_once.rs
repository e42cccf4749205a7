//! Several at the same time: one waits for the other, and nothing that one of them did is lost.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Output, Stdio};

use crate::strace::Stopping;
use crate::support::{text, wait_until};
use crate::{Case, PAYLOAD, signal, waits_for_lock};

fn spawn(case: &Case, line: &str) -> Child {
    case.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const REWRAP: &str = "model rewrap models/a.sealed --key-file old --new-key-file new";
const REENCRYPT: &str = "model reencrypt models/a.sealed --key-file old --new-key-file new";
const ADD: &str = "model recipient add models/a.sealed --key-file old --key-file new --new-key-file third";
const SIGN: &str = "model sign models/a.sealed --key-file old --signer-key signer";

/// Starts all of `lines` while the file is locked, and lets them go when all of them wait.
fn together(case: &Case, lines: &[&str]) {
    let lock = File::open(case.path("models/a.sealed")).unwrap();
    lock.lock().unwrap();
    let before = case.read("models/a.sealed");
    let children: Vec<_> = lines.iter().map(|line| spawn(case, line)).collect();
    for child in &children {
        wait_until("it waits for the lock", || waits_for_lock(child));
    }
    assert!(case.read("models/a.sealed") == before);
    drop(lock);
    for child in children {
        succeeds(&child.wait_with_output().unwrap());
    }
    assert_eq!(case.names("models"), ["a.sealed"]);
}

#[test]
fn two_rewraps_take_turns() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    together(&case, &[REWRAP, REWRAP]);
    assert!(case.opens("models/a.sealed", "new") && !case.opens("models/a.sealed", "old"));
    assert!(case.read("models/a.sealed")[PAYLOAD..] == before[PAYLOAD..]);
}

#[test]
fn a_rewrap_and_an_encryption_anew_take_turns() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    // Whichever is second finds the file of the first, also where that is another file.
    together(&case, &[REWRAP, REENCRYPT]);
    assert!(case.opens("models/a.sealed", "new") && !case.opens("models/a.sealed", "old"));
    assert!(case.read("models/a.sealed")[16..32] != before[16..32], "it was encrypted again");
}

#[test]
fn a_signature_and_a_new_recipient_take_turns() {
    let case = Case::new();
    together(&case, &[SIGN, ADD]);
    for key in ["old", "third"] {
        case.ok(&format!("model verify models/a.sealed --key-file {key} --trusted-signer signer.pem"));
    }
}

#[test]
fn who_waits_for_long_says_for_what_and_can_be_interrupted() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    let list = case.ok("model recipient list models/a.sealed --format json");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let old = list["recipients"][0]["key_id"].as_str().unwrap();
    let remove = &format!("model recipient remove models/a.sealed {old} --key-file old");
    // To read it is enough to lock it.
    let lock = File::open(case.path("models/a.sealed")).unwrap();
    lock.lock().unwrap();
    let encrypt = "model encrypt --force model.onnx -o models/a.sealed --key-file new --media-type x/y";
    for line in [REWRAP, REENCRYPT, ADD, remove, SIGN, encrypt] {
        for quiet in ["", "--quiet"] {
            let mut child = spawn(&case, &format!("{line} {quiet}"));
            wait_until("it waits for the lock", || waits_for_lock(&child));
            signal(child.id(), "INT");
            assert_eq!(child.wait().unwrap().signal(), Some(2), "{line}");
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            if quiet.is_empty() {
                assert!(
                    said.starts_with("waiting for '") && said.contains("models/a.sealed'"),
                    "{line}: {said}"
                );
            } else {
                assert_eq!(said, "", "{line}");
            }
        }
    }
    assert!(case.read("models/a.sealed") == before);
    assert_eq!(case.names("models"), ["a.sealed"]);
}

#[test]
#[ignore = "needs strace"]
fn two_encryptions_to_one_file_leave_the_last_and_neither_sweeps_the_other() {
    let case = Case::new();
    let first = "model encrypt --force model.onnx -o models/a.sealed --key-file new";
    // It has its temporary name, and not yet the other.
    let first = Stopping::start(&case, &case.command(first), "linkat", 1);
    assert_eq!(case.names("models").len(), 2, "{:?}", case.names("models"));
    let second = "model encrypt --force model.onnx -o models/b.sealed --key-file third";
    case.ok(second);
    let again = spawn(&case, "model encrypt --force model.onnx -o models/a.sealed --key-file third");
    // The old file's lock is the first one's until it is done.
    wait_until("it waits for the lock", || waits_for_lock(&again));
    assert_eq!(case.names("models").len(), 3, "{:?}", case.names("models"));
    succeeds(&first.finish());
    succeeds(&again.wait_with_output().unwrap());
    assert!(case.decrypts("models/a.sealed", "third"));
    assert_eq!(case.names("models"), ["a.sealed", "b.sealed"]);
}

#[test]
#[ignore = "needs strace"]
fn a_new_model_is_not_undone_by_one_that_is_encrypted_again() {
    let case = Case::new();
    let again = Stopping::start(&case, &case.command(REENCRYPT), "linkat", 1);
    let new = spawn(&case, "model encrypt --force model.onnx -o models/a.sealed --key-file third");
    wait_until("it waits for the lock", || waits_for_lock(&new));
    succeeds(&again.finish());
    succeeds(&new.wait_with_output().unwrap());
    assert!(case.decrypts("models/a.sealed", "third"));
    assert_eq!(case.names("models"), ["a.sealed"]);
}

#[test]
#[ignore = "needs strace"]
fn two_decryptions_to_one_directory_make_it_once() {
    let case = Case::new();
    case.directory();
    case.ok("model encrypt dir -o models/d.sealed --key-file old");
    case.reset("out", &[]);
    let line = "model decrypt models/d.sealed -o out/d --key-file old";
    let first = Stopping::start(&case, &case.command(line), "write", 1);
    let [half] = &case.names("out")[..] else { panic!("{:?}", case.names("out")) };
    case.ok(line);
    // What the first one is still writing was not taken for a leftover.
    assert_eq!(case.names("out"), [half.as_str(), "d"]);
    let output = first.finish();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("'out/d' exists already"), "{said}");
    assert_eq!(case.names("out"), ["d"]);
}
