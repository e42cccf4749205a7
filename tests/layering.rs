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

/// What stands before the unit tests.
fn code(source: &str) -> &str {
    // `mod tests;` stands among the others at the top; the tests themselves come last.
    let is_inline =
        |at: usize| source[at..].find(['{', ';']).is_some_and(|end| source[at + end..].starts_with('{'));
    let tests = source.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(|at| is_inline(*at));
    &source[..tests.unwrap_or(source.len())]
}

/// The identifiers that stand before `::` in code, with the one after `crate::`
/// marked by a leading `crate::`. Comments, and all from the unit tests on, are left out.
fn paths(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code(source).lines() {
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

/// The paths that the code in `source` names, each with its segments.
fn uses(source: &str) -> Vec<Vec<String>> {
    fn expand(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
        let Some((before, group)) = tree.split_once('{') else {
            let path = tree.split(" as ").next().unwrap().split("::").map(|part| part.trim().to_owned());
            return found.push(prefix.iter().cloned().chain(path).collect());
        };
        let outer: Vec<_> = before.split("::").map(str::trim).filter(|part| !part.is_empty()).collect();
        let prefix: Vec<_> = prefix.iter().cloned().chain(outer.into_iter().map(str::to_owned)).collect();
        let (mut depth, mut start, group) = (0, 0, group.trim_end().strip_suffix('}').unwrap());
        for (at, character) in group.char_indices().chain([(group.len(), ',')]) {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !group[start..at].trim().is_empty() {
                        expand(&group[start..at], &prefix, found);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    let starts = code(source).lines().scan(0, |at, line| {
        let start = *at;
        *at += line.len() + 1;
        Some((start, line))
    });
    for (start, line) in starts {
        let Some(at) = line
            .find("use ")
            .filter(|at| matches!(&line[..*at], "" | "pub " | "pub(super) " | "pub(crate) "))
        else {
            continue;
        };
        let tree = &source[start + at + 4..];
        expand(&tree[..tree.find(';').unwrap()], &[], &mut found);
    }
    // And those that stand elsewhere: `super::slot::write(…)`.
    for line in code(source).lines().map(|line| line.split("//").next().unwrap()) {
        for (at, _) in line.match_indices("super::").chain(line.match_indices("crate::")) {
            let path =
                line[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap();
            let parts = path.split("::").filter(|part| !part.is_empty());
            found.push(parts.map(str::to_owned).collect());
        }
    }
    found.retain(|path: &Vec<String>| path.len() > 1);
    found
}

/// In each folder, which of the modules in it use which of the others; a name that the
/// folder hands on counts for the module that it comes from.
fn arrows() -> BTreeMap<Vec<String>, BTreeSet<(String, String)>> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut modules = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix("src").unwrap().with_extension("");
        let mut path: Vec<_> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        path.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        if !path.iter().any(|part| part == "tests" || part == "testing") {
            modules.insert(path, uses(&fs::read_to_string(&file).unwrap()));
        }
    }
    let resolve = |own: &[String], path: &[String]| {
        let mut at = match path[0].as_str() {
            "crate" => Vec::new(),
            "super" => own[..own.len() - 1].to_vec(),
            "self" => own.to_vec(),
            _ => [own, &path[..1]].concat(),
        };
        for part in &path[1..] {
            if part == "super" { drop(at.pop()) } else { at.push(part.clone()) }
        }
        at
    };
    let mut arrows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (own, uses) in &modules {
        for path in uses {
            let mut to = resolve(own, path);
            // Down through what hands the name on, to the module that has it.
            while let Some(handed) = modules.get(&to[..to.len().saturating_sub(1)]).and_then(|face| {
                let face_path = &to[..to.len() - 1];
                let named = face.iter().filter(|path| path.last() == to.last() && path.len() > 1);
                named
                    .map(|path| resolve(face_path, path))
                    .find(|path| *path != to && path.starts_with(face_path))
            }) {
                to = handed;
            }
            let shared = own.iter().zip(&to).take_while(|(own, to)| own == to).count();
            if shared < own.len() && shared < to.len() && modules.contains_key(&to[..=shared]) {
                let arrow = (own[shared].clone(), to[shared].clone());
                arrows.entry(own[..shared].to_vec()).or_default().insert(arrow);
            }
        }
    }
    arrows
}

#[test]
fn the_files_of_a_folder_import_one_way() {
    let mut wrong = Vec::new();
    for (folder, arrows) in arrows() {
        let mut reached = arrows.clone();
        loop {
            let further = reached.iter().flat_map(|(from, via)| {
                arrows.iter().filter(move |(start, _)| start == via).map(|(_, to)| (from.clone(), to.clone()))
            });
            let further: Vec<_> = further.filter(|pair| !reached.contains(pair)).collect();
            if further.is_empty() {
                break;
            }
            reached.extend(further);
        }
        let circle = arrows.iter().filter(|(from, to)| reached.contains(&(to.clone(), from.clone())));
        wrong.extend(
            circle.map(|(from, to)| format!("{}: {from} uses {to}, which uses it", folder.join("::"))),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_is_found_however_it_is_written() {
    let paths = uses("use super::{a, b::{C, d}};\npub use e::F;\nlet x = crate::g::h(); // super::i\n");
    let paths: BTreeSet<_> = paths.iter().map(|path| path.join("::")).collect();
    for path in ["super::a", "super::b::C", "super::b::d", "e::F", "crate::g::h"] {
        assert!(paths.contains(path), "{path}: {paths:?}");
    }
    assert!(!paths.iter().any(|path| path.contains('i')));
    let arrows = arrows();
    let has = |folder: &[&str], from: &str, to: &str| {
        let folder: Vec<_> = folder.iter().map(ToString::to_string).collect();
        arrows[&folder].contains(&(from.to_owned(), to.to_owned()))
    };
    assert!(has(&[], "server", "serving") && has(&["container"], "unlocked", "payload"));
    // Through what a folder hands on, and across folders.
    assert!(has(&["keyring"], "format", "apikey") && has(&["container"], "error", "archive"));
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

#[test]
fn no_process_waits_for_the_jitter_of_the_cpu() {
    let program = fs::read(env!("CARGO_BIN_EXE_sealserve")).unwrap();
    let has = |name: &[u8]| program.windows(name.len()).any(|window| window == name);
    assert!(has(b"opt_out_cpu_jitter"), "aws-lc is there, and its names are");
    assert!(!has(b"jent_read_entropy"), ".cargo/config.toml was not heeded");
}
