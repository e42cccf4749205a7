//! A home's authority, what it issues, and what is written down.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use sealserve::keyring::{KeyUse, Keyring, KeyringError, NewKey, RootKey, Store};
use serde_json::Value;

use super::{does, ends, every_kind, json};
use crate::support::Sandbox;

fn inventory(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read(sandbox.home().join("pki/inventory.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(document["version"], 1);
    document["certificates"].as_array().unwrap().clone()
}

#[test]
fn all_that_was_issued_is_in_the_inventory() {
    let sandbox = every_kind();
    let entries = inventory(&sandbox);
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["root", "intermediate", "server", "client"]);
    for (file, entry) in ["ca", "issuing", "server", "client-john.doe"].iter().zip(&entries) {
        let shown =
            json(&sandbox, 0, &format!("sealserve cert inspect {file}.pem"))["certificates"][0].clone();
        for name in ["serial", "subject", "issuer", "not_before", "not_after"] {
            assert_eq!(entry[name], shown[name], "{file}: {name}");
        }
        assert_eq!(entry["fingerprint"], shown["sha256"], "{file}");
    }
    assert_eq!(entries[2]["names"], serde_json::json!(["models.example", "10.0.0.7", "localhost"]));
    assert_eq!(entries[3]["principal"], "john.doe");
    // A renewal is another entry.
    does(&sandbox, "sealserve cert issue --server models.example --force");
    assert_eq!(inventory(&sandbox).len(), 5);
}

#[test]
fn issuers_at_the_same_time_lose_nothing() {
    let sandbox = every_kind();
    does(
        &sandbox,
        "for i in $(seq 12); do sealserve -q cert issue --client c$i & done
        wait",
    );
    let entries = inventory(&sandbox);
    let serials: BTreeSet<_> = entries.iter().map(|entry| entry["serial"].to_string()).collect();
    assert_eq!((entries.len(), serials.len()), (16, 16));
}

#[test]
fn without_an_entry_nothing_is_handed_out() {
    let sandbox = every_kind();
    does(&sandbox, "echo '{' > inventory.json");
    let said = ends(&sandbox, 1, "sealserve cert issue --client ann");
    assert!(said.contains("inventory.json' is malformed"), "{said}");
    does(
        &sandbox,
        "! test -e client-ann.pem; ! test -e client-ann.key; test \"$(cat inventory.json)\" = '{'",
    );
    let said = ends(&sandbox, 1, "sealserve cert issue --client ann --out-cert - --out-key -");
    assert!(!said.contains("BEGIN"), "{said}");
}

#[test]
fn nothing_is_replaced_unasked_and_pairs_stay_pairs() {
    let sandbox = every_kind();
    does(&sandbox, "cp server.pem before.pem; cp server.key before.key");
    for (line, code) in [
        ("sealserve cert issue --server models.example", 1),
        ("sealserve cert issue --client ann --out-cert new.pem --out-key server.key", 1),
        ("sealserve cert issue --client ann --out-cert server.pem --out-key new.key", 1),
        ("sealserve cert issue --client ann --out-cert absent/a.pem --out-key new.key --force", 1),
        ("sealserve cert issue --server other.example --force", 1),
    ] {
        ends(&sandbox, code, line);
        does(
            &sandbox,
            "! test -e new.pem; ! test -e new.key; cmp server.pem before.pem; cmp server.key before.key",
        );
    }
    assert_eq!(inventory(&sandbox).len(), 4);
    does(
        &sandbox,
        "sealserve cert issue --server models.example --force; ! cmp -s server.pem before.pem
        cmp <(openssl pkey -in server.key -pubout) <(openssl x509 -in server.pem -noout -pubkey)
        test $(stat -c %a server.key) = 600",
    );
}

#[test]
#[ignore = "needs strace"]
fn the_inventory_is_written_first_and_the_key_is_named_before_its_certificate() {
    let sandbox = every_kind();
    for line in ["--server models.example --force", "--client ann"] {
        let trace = sandbox.path("trace");
        does(
            &sandbox,
            &format!(
                "strace -f -e trace=rename,linkat,fsync -o {} sealserve cert issue {line}",
                trace.display()
            ),
        );
        let trace = fs::read_to_string(trace).unwrap();
        let stem = if line.contains("ann") { "client-ann" } else { "server" };
        let at = |name: &str| {
            let named =
                |line: &&str| (line.contains("rename(") || line.contains("linkat(")) && line.contains(name);
            let last = trace.lines().rfind(named).unwrap_or_else(|| panic!("{name}: {trace}"));
            trace.lines().position(|line| line == last).unwrap()
        };
        let (inventory, key, certificate) =
            (at("/inventory.json\""), at(&format!("/{stem}.key\"")), at(&format!("/{stem}.pem\"")));
        assert!(inventory < key && key < certificate, "{trace}");
        // Both were on disk before the first had its name.
        let synced = trace.lines().take(inventory).filter(|line| line.contains("fsync(")).count();
        assert!(synced >= 2, "{trace}");
    }
}

/// A home whose keyring has a model key and no authority.
fn without_authority() -> Sandbox {
    let (sandbox, root) = (Sandbox::new(), RootKey::generate());
    let home = sandbox.home();
    for directory in [home.clone(), home.join("state"), home.join("pki")] {
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::create_dir_all(sandbox.path("config/sealserve")).unwrap();
    root.write(&sandbox.path("config/sealserve/root.key")).unwrap();
    let keyring = || {
        let mut keyring = Keyring::default();
        keyring.create(NewKey { usage: KeyUse::Model, id: Some("m".into()), owner: None }, 1)?;
        Ok::<_, KeyringError>((keyring, ()))
    };
    Store::new(&home, root).create(keyring).unwrap();
    sandbox
}

#[test]
fn an_authority_makes_its_own_home_or_joins_a_keyring() {
    let sandbox = Sandbox::new();
    let said = ends(&sandbox, 0, "sealserve cert ca create --permit models.example --title 'Example models'");
    assert!(
        said.contains("root key: ") && said.ends_with("/home/pki/ca.pem\n") || said.contains("clients trust"),
        "{said}"
    );
    let keys = sandbox.ok(["key", "list"]);
    assert!(keys.contains("ca-root") && keys.contains("ca-issuing"), "{keys}");
    does(
        &sandbox,
        "sealserve cert issue --server models.example; sealserve cert verify server.pem --name models.example",
    );
    assert!(
        does(&sandbox, "openssl x509 -noout -subject -in ca.pem").contains("O = Example models, OU = root ")
    );
    let refused = ends(&sandbox, 1, "sealserve cert ca create --force");
    assert!(refused.contains("there is an authority already"), "{refused}");

    let sandbox = without_authority();
    // A certificate whose key is elsewhere is not replaced unasked.
    sandbox.write("home/pki/ca.pem", "another's");
    assert!(ends(&sandbox, 1, "sealserve cert ca create").contains("ca.pem' exists already"));
    assert!(ends(&sandbox, 1, "sealserve cert issue --client a").contains("has no authority"));
    does(&sandbox, "sealserve cert ca create --force; sealserve cert issue --client a");
    assert!(sandbox.ok(["key", "list"]).contains("\nm "));
}

#[test]
fn of_two_authorities_made_at_once_one_is_there_whole() {
    let sandbox = without_authority();
    let other = "cert ca create --title other";
    for (first, second, prepare) in [
        ("cert ca create", other, "mkdir -m 700 $SEALSERVE_HOME"),
        ("init", other, "true"),
        ("cert ca create --force", "cert ca create --title other --force", "cp -r .. $SEALSERVE_HOME"),
    ] {
        let root = sandbox.path("config/sealserve/root.key");
        does(
            &sandbox,
            &format!(
                "for i in $(seq 5); do
                    export SEALSERVE_HOME={}/home$i SEALSERVE_ROOT_KEY={}
                    {prepare}
                    sealserve -q {first} & a=$!
                    sealserve -q {second} & b=$!
                    done=0
                    wait $a && done=$((done + 1))
                    wait $b && done=$((done + 1))
                    test $done = 1
                    sealserve -q cert issue --client ann
                    rm -r $SEALSERVE_HOME
                done",
                sandbox.path("tmp").display(),
                root.display()
            ),
        );
    }
}

#[test]
fn an_authority_in_files_overwrites_nothing() {
    let sandbox = Sandbox::new();
    does(&sandbox, "sealserve cert ca create --out-dir ca --permit models.example; cp -r ca before");
    assert!(ends(&sandbox, 1, "sealserve cert ca create --out-dir ca").contains("exists already"));
    does(&sandbox, "diff -r ca before; rm ca/ca.key ca/ca.pem");
    // One of the four is enough to be refused, and then none is made.
    assert!(ends(&sandbox, 1, "sealserve cert ca create --out-dir ca").contains("exists already"));
    does(&sandbox, "test \"$(ls ca | tr '\\n' ' ')\" = 'issuing.key issuing.pem '");
    does(
        &sandbox,
        "umask 0; sealserve cert ca create --out-dir open; test \"$(stat -c %a open open/*.key | sort -u | tr '\\n' ' ')\" = '600 700 '",
    );
}

#[test]
fn an_exchanged_certificate_of_the_authority_signs_nothing() {
    let (sandbox, other) = (every_kind(), every_kind());
    let foreign = other.home().join("pki");
    for file in ["ca.pem", "issuing.pem"] {
        does(&sandbox, &format!("cp {file} kept; cp {}/{file} {file}", foreign.display()));
        let said = ends(&sandbox, 1, "sealserve cert issue --client ann");
        assert!(said.contains("the key does not belong to the certificate"), "{file}: {said}");
        does(&sandbox, &format!("mv kept {file}"));
    }
    does(&sandbox, "sealserve key revoke ca-issuing --confirm ca-issuing");
    assert!(ends(&sandbox, 1, "sealserve cert issue --client ann").contains("key 'ca-issuing' is revoked"));
}

#[test]
fn what_ends_soon_is_found_and_what_was_replaced_is_not() {
    let sandbox = every_kind();
    let ending = |code: i32, arguments: &str| -> Vec<String> {
        let document = json(&sandbox, code, &format!("sealserve cert check {arguments}"));
        let rows = document["expiring"].as_array().unwrap();
        rows.iter().map(|row| row["holder"].as_str().unwrap().to_owned()).collect()
    };
    // The client's day is not over, and its life is short by design.
    assert!(ending(0, "--within 30d").is_empty());
    assert_eq!(ending(3, "--within 91d"), ["models.example, 10.0.0.7, localhost"]);
    assert_eq!(ending(3, "--within 2d client-john.doe.pem"), ["john.doe"]);
    assert!(ending(0, "--within 1h client-john.doe.pem").is_empty());
    does(&sandbox, "sealserve cert issue --server localhost --lifetime 20d --out-cert a.pem --out-key a.key");
    assert_eq!(ending(3, "--within 20d"), ["localhost"]);
    does(
        &sandbox,
        "sealserve cert issue --server localhost --lifetime 40d --out-cert a.pem --out-key a.key --force",
    );
    assert!(ending(0, "--within 30d").is_empty());
    let said = ends(&sandbox, 3, "sealserve cert check --within 40d");
    assert!(said.contains("LEFT") && said.contains("1 of 5 certificates end within 40 days"), "{said}");
}
