//! `docs/configuration.md` and `docs/protocol.md` say what the program does.

mod support;

use std::collections::BTreeSet;
use std::fs;

use sealserve::config::Config;
use sealserve::pki::Check;
use support::{Sandbox, repository, text};

fn page() -> String {
    fs::read_to_string(repository().join("docs/configuration.md")).unwrap()
}

/// The example with every key.
fn example(page: &str) -> &str {
    page.split_once("\n```toml\n").unwrap().1.split_once("\n```").unwrap().0
}

/// The keys of each table in `src/config/file.rs`, as `table.key`.
fn keys_of_the_source() -> BTreeSet<String> {
    let source = fs::read_to_string(repository().join("src/config/file.rs")).unwrap();
    let mut keys = BTreeSet::new();
    for part in source.split("\npub struct ").skip(1) {
        let (name, rest) = part.split_once(" {").unwrap();
        let table = match name {
            "Config" => String::new(),
            _ => format!("{}.", name.strip_suffix("Table").unwrap().to_lowercase()),
        };
        let fields = rest.split_once("\n}").unwrap().0;
        for line in fields.lines().filter_map(|line| line.strip_prefix("    pub ")) {
            let field = line.split_once(':').unwrap().0;
            keys.insert(format!("{table}{}", if field == "models" { "model" } else { field }));
        }
    }
    keys
}

/// The keys of each table of the page, with their defaults.
fn keys_of_the_page(page: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        let table = match heading.trim_matches(['`', '[', ']']) {
            "Top level" => String::new(),
            table if heading.starts_with('`') => format!("{table}."),
            _ => continue,
        };
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            keys.push((
                format!("{table}{}", cells[0].trim_matches('`')),
                cells[2].trim_matches('`').to_owned(),
            ));
        }
    }
    keys
}

#[test]
fn every_key_is_documented_and_no_other() {
    let page = page();
    let documented: Vec<_> = keys_of_the_page(&page).into_iter().map(|(key, _)| key).collect();
    let source = keys_of_the_source();
    assert!(
        source.len() > 25 && source.contains("limits.body") && source.contains("model.name"),
        "{source:?}"
    );
    assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), source);
    assert_eq!(documented.len(), source.len(), "a key is there twice");
}

#[test]
fn the_example_has_every_key_with_its_documented_default() {
    let page = page();
    let example: toml::Table = example(&page).parse().unwrap();
    for (key, default) in keys_of_the_page(&page) {
        let value = match key.split_once('.') {
            None => example.get(&key),
            Some(("model", key)) => example["model"][0].get(key),
            Some((table, key)) => example[table].get(key),
        };
        let value = value.unwrap_or_else(|| panic!("the example lacks {key}"));
        if !["required", "none", "all defaults"].contains(&default.as_str()) {
            assert_eq!(value.to_string(), default, "{key}");
        }
    }
}

#[test]
fn the_documented_defaults_are_those_of_the_program() {
    let page = page();
    let directory = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        format!("{:?}", Config::read(&path).unwrap())
    };
    let whole = read("whole.toml", example(&page));
    // What is required, or has no default, and nothing else.
    let table: toml::Table = example(&page).parse().unwrap();
    let required = |(key, default): &(String, String)| {
        ["required", "none"].contains(&default.as_str()).then(|| key.clone())
    };
    let required: BTreeSet<_> = keys_of_the_page(&page).iter().filter_map(required).collect();
    let mut least = toml::Table::new();
    for (name, value) in &table {
        match value {
            toml::Value::Table(inner) => {
                let kept = inner.iter().filter(|(key, _)| required.contains(&format!("{name}.{key}")));
                least.insert(
                    name.clone(),
                    toml::Value::Table(kept.map(|(k, v)| (k.clone(), v.clone())).collect()),
                );
            }
            toml::Value::Array(models) if models.iter().any(toml::Value::is_table) => {
                let kept = models[0]
                    .as_table()
                    .unwrap()
                    .iter()
                    .filter(|(key, _)| required.contains(&format!("{name}.{key}")));
                let model: toml::Table = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
                least.insert(name.clone(), toml::Value::Array(vec![toml::Value::Table(model)]));
            }
            value if required.contains(name) => drop(least.insert(name.clone(), value.clone())),
            _ => {}
        }
    }
    let least = least.to_string();
    assert!(least.len() < 600, "{least}");
    // Only `device` is spelled out in the example: without it, the option decides.
    let least = read("least.toml", &least).replace("device: None", "device: Some(\"auto\")");
    assert_eq!(least, whole);
}

#[test]
fn every_check_of_a_certificate_is_documented() {
    let page = fs::read_to_string(repository().join("docs/pki.md")).unwrap();
    let table = page.split_once("| name | section |").unwrap().1;
    let documented: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for (check, row) in Check::ALL.iter().zip(&documented) {
        assert!(row.starts_with(&format!("| `{}` | {} | ", check.name(), check.section())), "{row}");
    }
    assert_eq!(documented.len(), Check::ALL.len());
}

#[test]
fn every_exit_code_of_the_help_is_documented() {
    let page = page();
    let help = Sandbox::new().ok(["--help"]);
    let codes =
        help.split_once("Exit codes:\n").unwrap().1.lines().map_while(|line| line.split_whitespace().next());
    let codes: Vec<_> = codes.filter(|code| code.parse::<u8>().is_ok()).collect();
    assert_eq!(codes.len(), 6);
    for code in codes {
        assert!(page.contains(&format!("\n| {code} |")), "{code}");
    }
}

#[test]
fn every_variable_of_the_help_is_documented() {
    let page = page();
    let output = Sandbox::new().run(["serve", "--help"]);
    let help = text(&output.stdout);
    let variables: BTreeSet<_> =
        help.split("[env:").skip(1).map(|rest| rest.split([']', '=']).next().unwrap().trim()).collect();
    assert!(variables.contains("SEALSERVE_HOME"), "{help}");
    for variable in variables {
        assert!(page.contains(&format!("| `{variable}` |")), "{variable}");
    }
}

/// The pieces of all sources of the server that stand between `before` and `after`.
fn in_the_server(before: &str, after: char) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut directories = ["src/server", "src/pipeline"].map(|path| repository().join(path)).to_vec();
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let source = fs::read_to_string(path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            found.extend(code.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().to_owned()));
        }
    }
    found
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    // A class, then its code; those of one class have a function of their own.
    let of_classes = in_the_server("Class::", ')');
    let of_classes =
        of_classes.iter().filter_map(|text| text.split_once(',')?.1.trim_start().strip_prefix('"'));
    let unavailable = in_the_server("unavailable(", ')');
    let unavailable = unavailable.iter().filter_map(|text| text.strip_prefix('"'));
    let codes: BTreeSet<_> = of_classes
        .chain(unavailable)
        .filter_map(|text| text.split_once('"'))
        .map(|(code, _)| code.to_owned())
        .collect();
    assert!(codes.len() > 15 && codes.contains("queue_full"), "{codes:?}");
    let page = fs::read_to_string(repository().join("docs/protocol.md")).unwrap();
    let table = page.split_once("| status | code |").unwrap().1;
    let cells =
        table.lines().filter(|line| line.starts_with("| ")).map(|line| line.split(" | ").nth(1).unwrap());
    let documented: Vec<_> =
        cells.flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`').to_owned()).collect();
    assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), codes);
    assert_eq!(documented.len(), codes.len(), "a code is there twice");
}

#[test]
fn every_route_is_documented_and_no_other() {
    let routes = in_the_server(".route(\"", '"');
    assert!(routes.len() >= 10, "{routes:?}");
    let page = fs::read_to_string(repository().join("docs/protocol.md")).unwrap();
    let table = page.split_once("## Routes").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = table.lines().filter(|line| line.starts_with("| GET") || line.starts_with("| POST"));
    let documented: BTreeSet<_> =
        rows.map(|row| row.split(" | ").nth(1).unwrap().trim_matches('`').to_owned()).collect();
    assert_eq!(documented, routes);
}

#[test]
fn the_longest_window_that_can_be_configured_is_the_longest_that_a_signature_can_have() {
    let sandbox = Sandbox::new();
    let page = page();
    let least = "window = \"60s\"";
    assert_eq!(example(&page).matches(least).count(), 1);
    let read = |seconds: u64| {
        let text = example(&page).replace(least, &format!("window = \"{seconds}s\""));
        Config::read(&sandbox.write_secret("sealserve.toml", text)).map(|config| config.signing.window.0)
    };
    let most = sealserve::signing::MAX_WINDOW;
    assert_eq!(read(most.as_secs()).unwrap(), most);
    assert!(read(most.as_secs() + 1).is_err());
}
