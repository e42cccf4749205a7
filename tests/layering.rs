//! Holds the code to the table of layers in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that every module may use.
const EVERYWHERE: [&str; 6] = ["serde", "serde_json", "thiserror", "data_encoding", "bytes", "tracing"];

struct Module {
    layer: u32,
    crates: BTreeSet<String>,
}

fn table() -> BTreeMap<String, Module> {
    let text = fs::read_to_string("docs/architecture.md").unwrap();
    let mut modules = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let crates = cells[3].split_whitespace().map(|name| name.trim_matches('`').to_owned()).collect();
        modules.insert(
            cells[0].trim_matches('`').to_owned(),
            Module { layer: cells[1].parse().unwrap(), crates },
        );
    }
    modules
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The identifiers that stand before `::` in code, with the one after `crate::`
/// marked by a leading `crate::`. Comments, and all from the unit tests on, are left out.
fn paths(source: &str) -> BTreeSet<String> {
    // `mod tests;` stands among the others at the top; the tests themselves come last.
    let is_inline =
        |at: usize| source[at..].find(['{', ';']).is_some_and(|end| source[at + end..].starts_with('{'));
    let tests = source.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(|at| is_inline(*at));
    let code = &source[..tests.unwrap_or(source.len())];
    let mut found = BTreeSet::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap();
        for (at, _) in line.match_indices("::") {
            let before: String =
                line[..at].chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let name: String = before.chars().rev().collect();
            let prefix = &line[..at - name.len()];
            if name == "crate" {
                let next: String =
                    line[at + 2..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.insert(format!("crate::{next}"));
            } else if !prefix.ends_with("::") {
                found.insert(name);
            }
        }
    }
    found
}

fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

#[test]
fn imports_point_downward_and_crates_stay_where_they_belong() {
    let modules = table();
    let dependencies = dependencies();
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(Path::new("src"), &mut files);
    let mut used = BTreeSet::new();
    for file in files {
        let relative = file.strip_prefix("src").unwrap();
        let name = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let is_test = relative.iter().any(|part| part == "tests" || part == "tests.rs");
        if name == "lib" || name == "main" || is_test {
            continue;
        }
        let own = modules.get(&name).unwrap_or_else(|| panic!("{name} is not in docs/architecture.md"));
        for path in paths(&fs::read_to_string(&file).unwrap()) {
            if let Some(target) = path.strip_prefix("crate::") {
                if target == name || target.is_empty() {
                    continue;
                }
                let Some(target_module) = modules.get(target) else {
                    wrong.push(format!("{}: crate::{target} is no module of the table", file.display()));
                    continue;
                };
                let sideways =
                    (own.layer == 0 && target_module.layer == 0) || (name == "cli" && target == "output");
                if target_module.layer >= own.layer && !sideways {
                    wrong.push(format!("{}: {name} must not use {target}", file.display()));
                }
            } else if dependencies.contains(&path) && !EVERYWHERE.contains(&path.as_str()) {
                used.insert((name.clone(), path.clone()));
                if !own.crates.contains(&path) && !modules.contains_key(&path) {
                    wrong.push(format!("{}: {name} must not use the crate {path}", file.display()));
                }
            }
        }
    }
    for (name, module) in &modules {
        for allowed in &module.crates {
            if !used.contains(&(name.clone(), allowed.clone())) {
                wrong.push(format!(
                    "docs/architecture.md allows {name} the crate {allowed}, which it does not use"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_is_found_where_it_stands() {
    let found = paths("use crate::fs::{self, FsError};\nlet x = ring::aead::open(); // ort::init\n");
    assert!(found.contains("crate::fs") && found.contains("ring"));
    assert!(!found.contains("ort") && !found.contains("aead"));
    let after =
        paths("#[cfg(test)]\nmod tests;\nuse ring::aead;\n#[cfg(test)]\nmod tests {\n    ort::init();\n}\n");
    assert!(after.contains("ring") && !after.contains("ort"));
}

#[test]
fn no_banned_crate_is_in_the_lock_file() {
    let parse = |file: &str| fs::read_to_string(file).unwrap().parse::<toml::Table>().unwrap();
    let (deny, lock) = (parse("deny.toml"), parse("Cargo.lock"));
    let list = |value: Option<&toml::Value>| -> BTreeSet<String> {
        let names = value.and_then(toml::Value::as_array).into_iter().flatten();
        // In the lock file a version may stand behind the name.
        names.map(|name| name.as_str().unwrap().split(' ').next().unwrap().to_owned()).collect()
    };
    let locked = lock["package"].as_array().unwrap();
    let (mut banned, mut wrong) = (BTreeSet::new(), Vec::new());
    for ban in deny["bans"]["deny"].as_array().unwrap() {
        let name = ban["crate"].as_str().unwrap();
        banned.insert(name);
        // The crates that may use it all the same, as for cargo-deny.
        let wrappers = list(ban.get("wrappers"));
        for package in locked {
            let own = package["name"].as_str().unwrap();
            let is_used = list(package.get("dependencies")).contains(name) && !wrappers.contains(own);
            if is_used || (own == name && wrappers.is_empty()) {
                wrong.push(format!("{own} is, or uses, {name}"));
            }
        }
    }
    assert!(banned.contains("openssl-sys") && banned.contains("rsa"));
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]"));
    for line in sections.flat_map(str::lines).filter(|line| line.contains(" = ")) {
        assert!(line.contains(" # "), "{line}");
    }
}
