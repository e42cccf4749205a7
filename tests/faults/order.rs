//! What must be durable before what, as the system calls show it. A kill loses nothing
//! that was written; only a power failure would tell, which no test can have.

use crate::strace::traced;
use crate::support::text;
use crate::{A, B, Case};

/// The syncs and namings of a command, in order.
fn order(case: &Case, line: &str) -> Vec<String> {
    let calls = "?fsync,?fdatasync,?link,?linkat,?rename,?renameat,?renameat2";
    let (output, calls) = traced(case, &case.command(line), calls);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    calls.into_iter().map(|call| call.name).collect()
}

#[test]
#[ignore = "needs strace"]
fn a_file_is_durable_before_it_has_its_name_and_its_name_before_it_is_done() {
    let case = Case::new();
    case.directory();
    let anew = ["fsync", "linkat", "fsync"];
    let over = ["fsync", "linkat", "rename", "fsync"];
    for (line, expected) in [
        ("model encrypt model.onnx -o b.sealed --key-file old", anew.to_vec()),
        ("model encrypt --force model.onnx -o b.sealed --key-file old", over.to_vec()),
        ("model encrypt dir -o d.sealed --key-file old", anew.to_vec()),
        // The payload first.
        ("model encrypt model.onnx -o h --detached p --key-file old", [anew, anew].concat()),
        (
            "model encrypt model.onnx -o s.sealed --key-file old --signer-key signer",
            [&["fdatasync"][..], &anew].concat(),
        ),
        ("model reencrypt b.sealed --key-file old --new-key-file new", over.to_vec()),
        ("model decrypt b.sealed -o m.onnx --key-file new", anew.to_vec()),
        ("model decrypt b.sealed -o m.onnx --key-file new --force", over.to_vec()),
        // Two files, two directories, the name, and what it stands in.
        ("model decrypt d.sealed -o d --key-file old", [&["fsync"; 4][..], &["renameat2", "fsync"]].concat()),
        ("key create --use model --out k", anew.to_vec()),
    ] {
        assert_eq!(order(&case, line), expected, "{line}");
    }
    case.ok("init");
    // The keyring, and the memory of its generation.
    assert_eq!(order(&case, "key create --use model --id extra"), [over, over].concat());
}

/// The writes at an offset and the syncs of a command, in order: `12288` or `sync`.
fn order_of_writes(case: &Case, line: &str) -> Vec<String> {
    let (output, calls) = traced(case, &case.command(line), "pwrite64,fdatasync");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = |call: &str| match call.rsplit_once(") ") {
        Some((call, _)) if call.starts_with("pwrite64(") => {
            call.rsplit(' ').next().unwrap().trim().to_owned()
        }
        _ => "sync".to_owned(),
    };
    calls.iter().map(|call| shown(&call.line).trim_end_matches(')').to_owned()).collect()
}

#[test]
#[ignore = "needs strace"]
fn a_slot_is_durable_before_the_other_is_written() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    let (a, b) = (A.to_string(), B.to_string());
    let line = "model rewrap models/a.sealed --key-file old --new-key-file new";
    assert_eq!(order_of_writes(&case, line), [&b, "sync", &a, "sync"]);
    let after = case.read("models/a.sealed");
    assert!(order_of_writes(&case, line).is_empty(), "nothing is left to do");
    // Interrupted between the two: the newer slot may be in the cache only, so it
    // is made durable before the older one, which the disk surely has, is touched.
    case.write("models/a.sealed", [&before[..B], &after[B..]].concat());
    assert_eq!(order_of_writes(&case, line), [&b, "sync", &a, "sync", &b, "sync"]);
    // A slot that is damaged goes first, whichever it is.
    for (damaged, order) in [(A, [&a, "sync", &b, "sync"]), (B, [&b, "sync", &a, "sync"])] {
        let mut bytes = before.clone();
        bytes[damaged] ^= 1;
        case.write("models/a.sealed", bytes);
        assert_eq!(order_of_writes(&case, line), order);
    }
    case.write("models/a.sealed", before);
    for line in [
        "model recipient add models/a.sealed --key-file old --new-key-file new",
        "model sign models/a.sealed --key-file old --signer-key signer",
    ] {
        assert_eq!(order_of_writes(&case, line), [&b, "sync", &a, "sync"], "{line}");
    }
}
