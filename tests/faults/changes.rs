//! Files, links and directories that others change while they are read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::strace::Stopping;
use crate::support::text;
use crate::{Case, PAYLOAD, model};

/// More than is read ahead before the first of it is written.
fn large() -> Vec<u8> {
    model().into_iter().cycle().take(24 << 20).collect()
}

#[test]
#[ignore = "needs strace"]
fn a_model_that_changes_while_it_is_encrypted_is_refused() {
    let changes: [(&str, fn(&mut Vec<u8>)); 3] = [
        ("cut", |bytes| bytes.truncate(20_000_000)),
        ("extended", |bytes| bytes.extend([0; 70_000])),
        ("overwritten", |bytes| bytes[100] ^= 1),
    ];
    let case = Case::new();
    for (from, name) in [("big/model.onnx --media-type x/y", "big/model.onnx"), ("big", "big/weights.bin")] {
        for (what, change) in changes {
            case.reset("big", &[("model.onnx", b"model"), (name.trim_start_matches("big/"), &large())]);
            case.reset("out", &[]);
            let line = format!("model encrypt {from} -o out/b.sealed --key-file old");
            // The main thread's first two are the header and what the payload begins with. A
            // third one, also of a thread that writes nothing else, is of what was read, and one
            // of the eight threads at most makes it, however few of them there are.
            let encrypt = Stopping::start(&case, &case.command(&line), "write", 3);
            assert!(encrypt.most_written() > 500_000, "it has read some of it");
            let mut bytes = large();
            change(&mut bytes);
            case.write(name, &bytes);
            let output = encrypt.finish();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{from} {what}: {said}");
            assert!(said.contains("changed") && said.contains("hint: "), "{from} {what}: {said}");
            assert_eq!(case.names("out"), [""; 0], "{from} {what}");
        }
    }
}

#[test]
#[ignore = "needs strace"]
fn a_file_that_changes_while_it_is_encrypted_again_is_not_replaced() {
    let case = Case::new();
    let before = case.read("models/a.sealed");
    let changes: [(&str, fn(&mut Vec<u8>)); 3] = [
        ("cut", |bytes| bytes.truncate(PAYLOAD + 20_000)),
        ("extended", |bytes| bytes.extend([0; 70_000])),
        ("overwritten", |bytes| bytes[PAYLOAD + 100] ^= 1),
    ];
    for (what, change) in changes {
        case.reset("models", &[("a.sealed", &before)]);
        let line = "model reencrypt models/a.sealed --key-file old --new-key-file new";
        // Stopped when it has written the new header, before it reads the old payload.
        let again = Stopping::start(&case, &case.command(line), "write", 1);
        let mut bytes = before.clone();
        change(&mut bytes);
        case.write("models/a.sealed", &bytes);
        let output = again.finish();
        assert_eq!(output.status.code(), Some(1), "{what}: {}", text(&output.stderr));
        assert!(case.read("models/a.sealed") == bytes, "{what}");
        assert_eq!(case.names("models"), ["a.sealed"], "{what}");
    }
}

/// A command that keeps the key is asked between the reading of a header and its
/// rewriting, which can take long. Meanwhile another program, which knows no lock,
/// puts another model there.
#[test]
fn another_model_that_takes_the_files_place_is_not_written_to() {
    let case = Case::new();
    let kms = case.write(
        "kms",
        "#!/bin/sh\nturn() { tr A-Za-z N-ZA-Mn-za-m; }\n[ $SEALSERVE_OPERATION = wrap ] && base64 -w0 | turn && exit\n$CHANGE >&2\nturn | base64 -d\n",
    );
    fs::set_permissions(kms, fs::Permissions::from_mode(0o755)).unwrap();
    case.ok("model encrypt --force model.onnx -o models/a.sealed --wrap-command ./kms --command-key x --key-file old");
    case.ok("model encrypt model.onnx -o new.sealed --key-file third");
    let (before, other) = (case.read("models/a.sealed"), case.read("new.sealed"));
    let with = "models/a.sealed --unwrap-command ./kms --command-key x";
    for line in [
        format!("model rewrap {with} --new-key-file new"),
        format!("model recipient add {with} --new-key-file new"),
        format!("model sign {with} --signer-key signer"),
        format!("model reencrypt {with} --new-key-file new"),
    ] {
        for change in
            ["cp new.sealed models/a.sealed", "mv copy.sealed models/a.sealed", "rm models/a.sealed"]
        {
            case.reset("models", &[("a.sealed", &before)]);
            case.write("copy.sealed", &other);
            let output = case.command(&line).env("CHANGE", change).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{line} {change}: {said}");
            if change.starts_with("rm") {
                assert_eq!(case.names("models"), [""; 0], "{line} {change}");
            } else {
                assert_eq!(case.names("models"), ["a.sealed"], "{line} {change}");
                assert!(case.read("models/a.sealed") == other, "{line} {change}: {said}");
            }
        }
        case.reset("models", &[("a.sealed", &before)]);
        let output = case.command(&line).env("CHANGE", "true").output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
}

#[test]
#[ignore = "needs strace"]
fn a_link_that_takes_the_place_of_a_directory_or_a_member_is_not_followed() {
    let case = Case::new();
    case.write("elsewhere/weights.bin", model());
    for swapped in ["dir/sub", "dir/sub/weights.bin"] {
        case.directory();
        case.reset("out", &[]);
        let line = "model encrypt dir -o out/b.sealed --key-file old";
        // It has looked at the directory, and opened no member.
        let encrypt = Stopping::start(&case, &case.command(line), "write", 1);
        fs::rename(case.path(swapped), case.path("away")).unwrap();
        let target = if swapped == "dir/sub" { "elsewhere" } else { "elsewhere/weights.bin" };
        symlink(case.path(target), case.path(swapped)).unwrap();
        let output = encrypt.finish();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{swapped}: {said}");
        assert!(said.contains("weights.bin"), "{swapped}: {said}");
        assert_eq!(case.names("out"), [""; 0], "{swapped}");
        case.reset("dir", &[]);
        let _ = fs::remove_dir_all(case.path("away")).or_else(|_| fs::remove_file(case.path("away")));
    }
}

#[test]
#[ignore = "needs strace"]
fn a_link_that_takes_the_place_of_an_output_is_replaced_itself() {
    let case = Case::new();
    let victim = case.write("victim", "victim");
    case.ok("model encrypt model.onnx -o source.sealed --key-file old");
    let leaves = |line: &str, name: &str, old: &[u8]| {
        case.reset("out", &[(name, old)]);
        let command = Stopping::start(&case, &case.command(line), "write", 1);
        fs::remove_file(case.path("out").join(name)).unwrap();
        symlink(&victim, case.path("out").join(name)).unwrap();
        let output = command.finish();
        assert_eq!(fs::read(&victim).unwrap(), b"victim", "{line}");
        assert_eq!(case.names("out"), [name], "{line}");
        (output.status.success(), case.path("out").join(name).is_symlink())
    };
    let encrypt = "model encrypt --force model.onnx -o out/b.sealed --key-file new";
    assert_eq!(leaves(encrypt, "b.sealed", b"old"), (true, false));
    let decrypt = "model decrypt --force source.sealed -o out/m.onnx --key-file old";
    assert_eq!(leaves(decrypt, "m.onnx", b"old"), (true, false));
    // What is to be encrypted again is no longer there, and a link to it is not taken for it.
    let again = "model reencrypt out/a.sealed --key-file old --new-key-file new";
    assert_eq!(leaves(again, "a.sealed", &case.read("source.sealed")), (false, true));
}
