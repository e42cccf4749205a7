//! `completions/` and `man/` are what the hidden commands generate today.
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use support::{Sandbox, repository, text, update_golden};

type Files = BTreeMap<String, String>;

/// All files of a directory, which may be missing.
fn files(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let file =
        |path: &Path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read_to_string(path).unwrap());
    entries.map(|entry| file(&entry.unwrap().path())).collect()
}

fn manual() -> Files {
    let sandbox = Sandbox::new();
    let directory = sandbox.path("man");
    sandbox.ok(["man".as_ref(), directory.as_os_str()]);
    files(&directory)
}

fn completions() -> Files {
    let sandbox = Sandbox::new();
    [
        ("bash", "sealserve.bash"),
        ("zsh", "_sealserve"),
        ("fish", "sealserve.fish"),
        ("powershell", "sealserve.ps1"),
    ]
    .map(|(shell, name)| (name.to_owned(), sandbox.ok(["completion", shell])))
    .into()
}

/// Compares what is generated with what is committed, stale files included.
fn check(name: &str, generated: &Files) {
    let directory = repository().join(name);
    if update_golden() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (file, text) in generated {
            fs::write(directory.join(file), text).unwrap();
        }
    }
    let committed = files(&directory);
    let differ: BTreeSet<_> = generated
        .keys()
        .chain(committed.keys())
        .filter(|file| generated.get(*file) != committed.get(*file))
        .collect();
    assert!(
        differ.is_empty(),
        "{name}/ is out of date: {differ:?}; run UPDATE_GOLDEN=1 cargo test --test golden"
    );
}

#[test]
fn completions_are_current() {
    let generated = completions();
    for (file, text) in &generated {
        assert!(text.contains("revoke") && text.contains("key-file") && text.contains("ca-cert"), "{file}");
        // What generates them is not offered to people.
        assert!(!text.contains("Write a manual page"), "{file}");
    }
    check("completions", &generated);
}

#[test]
fn manual_pages_are_current() {
    let generated = manual();
    assert!(generated.contains_key("sealserve.1") && generated.contains_key("sealserve-model-encrypt.1"));
    assert!(!generated.keys().any(|name| name.contains("completion") || name.contains("-man")));
    check("man", &generated);
}

#[test]
fn bash_completes_a_verb() {
    let sandbox = Sandbox::new();
    let completions = sandbox.write("sealserve.bash", &completions()["sealserve.bash"]);
    let script = r#"source "$1"; COMP_WORDS=(sealserve model en); COMP_CWORD=2
        _sealserve sealserve en model; echo "${COMPREPLY[@]}""#;
    let output = sandbox.program("bash").args(["-c", script, "bash"]).arg(completions).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), "encrypt");
}
