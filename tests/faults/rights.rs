//! Directories and files that may not be written to, what a replaced file hands on, and
//! disks that are full.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Output;

use crate::support::text;
use crate::{Case, model, under};

/// A user without privileges, who has what he needs in a directory of his own.
struct User {
    case: Case,
    root: bool,
    scratch: tempfile::TempDir,
}

const NOBODY: u32 = 65534;

impl User {
    fn new() -> Self {
        let case = Case::new();
        case.directory();
        case.ok("model encrypt dir -o models/d.sealed --key-file old");
        let root = case.path("old").metadata().unwrap().uid() == 0;
        let scratch = tempfile::tempdir().unwrap();
        let user = Self { case, root, scratch };
        user.mode("", 0o755);
        fs::copy(env!("CARGO_BIN_EXE_sealserve"), user.path("sealserve")).unwrap();
        fs::create_dir(user.path("d")).unwrap();
        user.own("d");
        user.own("");
        for name in ["old", "new", "signer", "model.onnx", "models/a.sealed", "models/d.sealed"] {
            let to = name.replace("models/", "d/");
            fs::copy(user.case.path(name), user.path(&to)).unwrap();
            user.own(&to);
        }
        user
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        if name.is_empty() { self.scratch.path().to_owned() } else { self.scratch.path().join(name) }
    }

    fn own(&self, name: &str) {
        if self.root {
            chown(self.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        let mut command = self.case.sandbox.program(self.path("sealserve"));
        command.args(line.split_whitespace());
        let nobody = NOBODY.to_string();
        let mut command = if self.root {
            under(
                &self.case,
                "setpriv",
                &["--reuid", &nobody, "--regid", &nobody, "--clear-groups"],
                &command,
            )
        } else {
            command
        };
        command.current_dir(self.scratch.path()).output().unwrap()
    }

    fn fails(&self, line: &str, about: &str) {
        let output = self.run(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.contains(&format!("error: cannot {about}")) && said.contains("hint: "),
            "{line}: {said}"
        );
    }

    fn succeeds(&self, line: &str) {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
}

#[test]
fn in_a_read_only_directory_files_are_rewritten_and_nothing_is_made() {
    let user = User::new();
    let bytes = |name: &str| fs::read(user.path("d").join(name)).unwrap();
    let (a, d) = (bytes("a.sealed"), bytes("d.sealed"));
    user.mode("d", 0o555);
    user.fails("model encrypt model.onnx -o d/b.sealed --key-file old", "create 'd/b.sealed'");
    user.fails("model encrypt --force model.onnx -o d/a.sealed --key-file old", "create 'd/a.sealed'");
    user.fails("model encrypt model.onnx -o b.sealed --detached d/p --key-file old", "create 'd/p'");
    user.fails("model reencrypt d/a.sealed --key-file old --new-key-file new", "create 'd/a.sealed'");
    user.fails("model decrypt d/a.sealed -o d/m.onnx --key-file old", "create 'd/m.onnx'");
    // What a file would be, and then a directory.
    user.fails("model decrypt d/d.sealed -o d/tree --key-file old", "create 'd/tree'");
    assert!(bytes("a.sealed") == a && bytes("d.sealed") == d);
    assert!(!user.path("b.sealed").exists());
    user.succeeds("model rewrap d/a.sealed --key-file old --new-key-file new");
    user.succeeds("model recipient add d/a.sealed --key-file new --new-key-file old");
    user.succeeds("model sign d/a.sealed --key-file new --signer-key signer");
    assert!(bytes("a.sealed") != a);
    assert_eq!(crate::names(&user.path("d")), ["a.sealed", "d.sealed"]);
    user.mode("d", 0o755);
}

#[test]
fn a_read_only_file_is_replaced_and_not_rewritten() {
    let user = User::new();
    let file = user.path("d/a.sealed");
    let before = fs::read(&file).unwrap();
    user.mode("d/a.sealed", 0o444);
    for line in [
        "model rewrap d/a.sealed --key-file old --new-key-file new",
        "model recipient add d/a.sealed --key-file old --new-key-file new",
        "model sign d/a.sealed --key-file old --signer-key signer",
    ] {
        user.fails(line, "open 'd/a.sealed'");
    }
    assert!(fs::read(&file).unwrap() == before);
    user.succeeds("model reencrypt d/a.sealed --key-file old --new-key-file new");
    user.succeeds("model encrypt --force model.onnx -o d/a.sealed --key-file new");
    assert!(fs::read(&file).unwrap() != before);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o444);
}

#[test]
fn what_is_replaced_hands_on_mode_and_owner() {
    let case = Case::new();
    let root = case.path("old").metadata().unwrap().uid() == 0;
    let owner = |path: &Path| {
        let metadata = path.metadata().unwrap();
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.ino())
    };
    case.ok("model encrypt model.onnx -o h --detached p --key-file old");
    std::os::unix::fs::symlink("models/a.sealed", case.path("link")).unwrap();
    for (line, names) in [
        ("model reencrypt models/a.sealed --key-file old --new-key-file new", &["models/a.sealed"][..]),
        ("model encrypt --force model.onnx -o models/a.sealed --key-file new", &["models/a.sealed"]),
        ("model encrypt --force model.onnx -o h --detached p2 --key-file new", &["h"]),
        // A name that leads to the file is replaced, and not that file.
        ("model encrypt --force model.onnx -o link --key-file new", &["link"]),
    ] {
        let mut before = Vec::new();
        for name in names {
            let path = case.path(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            if root {
                chown(&path, Some(65533), Some(65532)).unwrap();
            }
            before.push(owner(&path));
        }
        case.ok(line);
        for (name, (mode, uid, gid, inode)) in names.iter().zip(before) {
            let after = owner(&case.path(name));
            assert_eq!((after.0, after.1, after.2), (mode, uid, gid), "{line} {name}");
            assert_ne!(after.3, inode, "{line} {name}");
        }
    }
    // A model in the clear is its owner's, whatever stood there.
    case.write("m.onnx", "old");
    fs::set_permissions(case.path("m.onnx"), fs::Permissions::from_mode(0o666)).unwrap();
    case.ok("model decrypt --force models/a.sealed -o m.onnx --key-file new");
    assert_eq!(owner(&case.path("m.onnx")).0, 0o600);
    assert!(case.read("m.onnx") == model());
}

#[test]
#[ignore = "needs the right to mount a file system"]
fn on_a_full_disk_what_is_there_stays_and_nothing_is_left() {
    let case = Case::new();
    case.directory();
    case.ok("model encrypt dir -o models/d.sealed --key-file old");
    let full = case.sandbox.path("cwd/full");
    fs::create_dir(&full).unwrap();
    let mount = ["-m", "mount", "-t", "tmpfs", "none", full.to_str().unwrap()];
    let mounted = case.sandbox.program("unshare").args(mount).output().unwrap();
    let said = text(&mounted.stderr);
    assert!(mounted.status.success(), "no file system can be mounted here, as this test needs: {said}");
    // Runs the line on a disk with both files and 64 KiB, and then lists and compares.
    let on_full = |line: &str| {
        let script = "mount -t tmpfs -o size=4m none full && cp models/*.sealed full/ \
            && dd if=/dev/zero of=full/filler bs=65536 status=none 2>/dev/null; truncate -s -65536 full/filler; \
            \"$@\"; code=$?; ls -A full; cmp full/a.sealed models/a.sealed; cmp full/d.sealed models/d.sealed; exit $code";
        let command = case.command(line);
        under(&case, "unshare", &["-m", "bash", "-c", script, "bash"], &command).output().unwrap()
    };
    for line in [
        "model encrypt model.onnx -o full/b.sealed --key-file old",
        "model encrypt --force model.onnx -o full/a.sealed --key-file old",
        "model encrypt model.onnx -o full/h --detached full/p --key-file old",
        "model encrypt dir -o full/b.sealed --key-file old",
        "model reencrypt full/a.sealed --key-file old --new-key-file new",
        "model decrypt full/a.sealed -o full/m.onnx --key-file old",
        "model decrypt full/d.sealed -o full/tree --key-file old",
    ] {
        let output = on_full(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.contains("No space left on device") && said.contains("free some space"),
            "{line}: {said}"
        );
        let left = text(&output.stdout);
        let left = left.strip_prefix("failed  full/a.sealed\n").unwrap_or(&left);
        assert_eq!(left, "a.sealed\nd.sealed\nfiller\n", "{line}: {said}");
    }
    // What is changed in place takes no more.
    for line in [
        "model rewrap full/a.sealed --key-file old --new-key-file new --quiet",
        "model recipient add full/a.sealed --key-file old --new-key-file new --quiet",
    ] {
        let output = on_full(line);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", text(&output.stderr));
        assert!(said.contains("a.sealed\nd.sealed\nfiller\n") && said.contains("differ"), "{line}: {said}");
    }
}
