//! File systems that cannot do all that others can, as the system calls show it: NFS,
//! where who locks a file must be able to write to it, and those without hard links or
//! nameless files. And names that another container left, which counts its processes
//! as this one does.

use std::fs;

use crate::strace::{Call, traced, with_faults};
use crate::support::text;
use crate::{Case, under};

/// Which of the calls of its name and thread the first one is that is meant.
fn when(calls: &[Call], is: impl Fn(&Call) -> bool) -> usize {
    let at = calls.iter().position(is).expect("such a call");
    calls[..=at].iter().filter(|call| (call.pid, &call.name) == (calls[at].pid, &calls[at].name)).count()
}

const REENCRYPT: &str = "model reencrypt models/a.sealed --key-file old --new-key-file new";

#[test]
#[ignore = "needs strace"]
fn what_is_locked_to_be_replaced_is_open_for_writing_where_that_is_permitted() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    let opens = |call: &Call| call.name == "openat" && call.line.contains("models/a.sealed\"");
    for line in [REENCRYPT, "model encrypt --force model.onnx -o models/a.sealed --key-file new"] {
        case.reset("models", &[("a.sealed", &before)]);
        let (output, calls) = traced(&case, &case.command(line), "openat,flock");
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        let opened = calls.iter().position(opens).unwrap();
        assert!(calls[opened].line.contains("O_RDWR"), "{line}: {}", calls[opened].line);
        let descriptor = calls[opened].line.rsplit(' ').next().unwrap();
        let locked = calls[opened..].iter().find(|call| call.name == "flock").unwrap();
        assert!(locked.line.starts_with(&format!("flock({descriptor}, LOCK_EX")), "{line}: {}", locked.line);
    }
    case.reset("models", &[("a.sealed", &before)]);
    let (_, calls) = traced(&case, &case.command(REENCRYPT), "openat");
    let when = when(&calls, opens);
    for error in ["EACCES", "EROFS", "EPERM", "ETXTBSY"] {
        case.reset("models", &[("a.sealed", &before)]);
        let output =
            with_faults(&case, &case.command(REENCRYPT), &[&format!("openat:error={error}:when={when}")]);
        assert!(output.status.success(), "{error}: {}", text(&output.stderr));
        assert!(case.decrypts("models/a.sealed", "new"), "{error}");
    }
    case.reset("models", &[("a.sealed", &before)]);
    let output = with_faults(&case, &case.command(REENCRYPT), &[&format!("openat:error=EIO:when={when}")]);
    assert_eq!(output.status.code(), Some(1), "another error is one");
}

#[test]
#[ignore = "needs strace"]
fn a_new_file_needs_neither_hard_links_nor_nameless_files() {
    let case = Case::new();
    let line = "model encrypt model.onnx -o out/b.sealed --key-file old";
    case.reset("out", &[]);
    let (_, calls) = traced(&case, &case.command(line), "openat");
    let when = when(&calls, |call| call.line.contains("O_TMPFILE"));
    let named = format!("openat:error=EOPNOTSUPP:when={when}");
    let no_links = "?link,linkat:error=EPERM";
    // Either way to give it its name will do, without the other.
    for missing in [no_links, "renameat2:error=EINVAL", "renameat2:error=ENOSYS"] {
        case.reset("out", &[]);
        let output = with_faults(&case, &case.command(line), &[&named, missing]);
        assert!(output.status.success(), "{missing}: {}", text(&output.stderr));
        assert_eq!(case.names("out"), ["b.sealed"], "{missing}");
        assert!(case.decrypts("out/b.sealed", "old"), "{missing}");
    }
    // Without both there is no way that cannot replace another.
    case.reset("out", &[]);
    let output = with_faults(&case, &case.command(line), &[&named, no_links, "renameat2:error=EINVAL"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(case.names("out"), [""; 0]);
}

#[test]
fn names_of_the_same_process_id_that_others_left_or_hold_are_in_nobodys_way() {
    let case = Case::new();
    case.directory();
    case.ok("model encrypt dir -o d.sealed --key-file old");
    let old = case.read("models/a.sealed");
    // The shell's process id is that of the program which it becomes. What descriptor 9
    // holds is locked by another, as far as the program can tell.
    let script = "for n in 0 1 2 3; do : > out/.$0.tmp-$$-$n; done; mkdir out/.$0.tmp-$$-4; \
        exec 9< out/.$0.tmp-$$-0; flock -n 9 || exit 99; exec \"$@\"";
    for (line, name) in [
        ("model encrypt --force model.onnx -o out/b.sealed --key-file old", "b.sealed"),
        ("model encrypt model.onnx -o out/c.sealed --key-file old", "c.sealed"),
        ("model decrypt d.sealed -o out/d --key-file old", "d"),
    ] {
        case.reset("out", &[("b.sealed", &old)]);
        let command = case.command(line);
        let output = under(&case, "sh", &["-c", script, name], &command).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        let mut left = case.names("out");
        left.retain(|left| left != name && left != "b.sealed");
        assert!(matches!(&left[..], [held] if held.ends_with("-0")), "{line}: {left:?}");
        assert!(fs::exists(case.path("out").join(name)).unwrap(), "{line}");
    }
}
