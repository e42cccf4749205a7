//! What a certificate keeps of the one that it replaces.

use super::{does, ends, every_kind, json, with_keys};
use crate::support::Sandbox;

/// The names of the certificate in `file`, and how many seconds it was to last.
fn names_and_lifetime(sandbox: &Sandbox, file: &str) -> (Vec<String>, i64) {
    let document = json(sandbox, 0, &format!("sealserve cert inspect {file}"));
    let certificate = &document["certificates"][0];
    let names = certificate["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    let seconds = |name: &str| -> i64 {
        does(sandbox, &format!("date -d {} +%s", certificate[name].as_str().unwrap())).trim().parse().unwrap()
    };
    // Certificates begin five minutes early.
    (names.collect(), seconds("not_after") - seconds("not_before") - 300)
}

const DAY: i64 = 86_400;

#[test]
fn a_server_that_is_renewed_keeps_its_other_names_and_its_lifetime() {
    let sandbox = Sandbox::new();
    sandbox.ok(["init"]);
    let all = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"].map(String::from);
    // The README's own line.
    let said = ends(&sandbox, 0, "sealserve cert issue --server localhost --force");
    assert!(said.contains("kept from the old certificate: 127.0.0.1, ::1\n"), "{said}");
    assert_eq!(names_and_lifetime(&sandbox, "server.pem"), (all.to_vec(), 90 * DAY));
    does(&sandbox, "sealserve cert issue --server 127.0.0.1 localhost --lifetime 20d --force");
    does(&sandbox, "sealserve cert issue --server 10.0.0.7 --force");
    let (mut names, lifetime) = names_and_lifetime(&sandbox, "server.pem");
    assert_eq!((names.remove(0), lifetime), ("IP:10.0.0.7".into(), 20 * DAY));
    names.sort();
    assert_eq!(names, all);
    // Renewed again and again, it lasts as long as ever.
    for _ in 0..3 {
        does(&sandbox, "sealserve cert issue --server localhost --force");
    }
    assert_eq!(names_and_lifetime(&sandbox, "server.pem").1, 20 * DAY);
    // Names go only where that is asked for.
    does(&sandbox, "sealserve cert issue --server localhost --only-these-names --lifetime 3d --force");
    assert_eq!(names_and_lifetime(&sandbox, "server.pem"), (vec!["DNS:localhost".into()], 3 * DAY));
    ends(&sandbox, 2, "sealserve cert issue --client ann --only-these-names");
}

#[test]
fn a_client_that_is_renewed_keeps_its_lifetime_and_another_one_does_not_inherit_it() {
    let sandbox = every_kind();
    does(
        &sandbox,
        "sealserve cert issue --client ann --lifetime 7d; sealserve cert issue --client ann --force",
    );
    assert_eq!(names_and_lifetime(&sandbox, "client-ann.pem").1, 7 * DAY);
    let files = "--out-cert client-ann.pem --out-key client-ann.key --force";
    does(&sandbox, &format!("sealserve cert issue --client bob {files}"));
    assert_eq!(names_and_lifetime(&sandbox, "client-ann.pem").1, DAY);
    // Nor does a server inherit from a client.
    does(&sandbox, &format!("sealserve cert issue --client bob --lifetime 2d {files}"));
    does(&sandbox, &format!("sealserve cert issue --server localhost {files}"));
    assert_eq!(names_and_lifetime(&sandbox, "client-ann.pem"), (vec!["DNS:localhost".into()], 90 * DAY));
}

#[test]
fn what_cannot_be_kept_is_told() {
    let sandbox = every_kind();
    // Another authority may not vouch for the old names.
    does(&sandbox, "sealserve cert ca create --out-dir other --permit other.example");
    let by_other =
        "--ca-cert other/issuing.pem --ca-key other/issuing.key --out-cert server.pem --out-key server.key";
    does(&sandbox, "cp server.pem before.pem");
    let said = ends(&sandbox, 1, &format!("sealserve cert issue --server other.example {by_other} --force"));
    assert!(said.contains("--only-these-names drops the other names of 'server.pem'"), "{said}");
    does(&sandbox, "cmp server.pem before.pem");
    does(
        &sandbox,
        &format!("sealserve cert issue --server other.example {by_other} --force --only-these-names"),
    );
    // A damaged file is replaced, with a warning.
    does(&sandbox, "echo x > server.pem");
    let said = ends(&sandbox, 0, "sealserve cert issue --server localhost --force");
    assert!(said.contains("warning: ") && said.contains("no name and no lifetime is kept of it"), "{said}");
}

#[test]
fn names_and_keys_of_other_kinds_are_named_before_they_go() {
    let sandbox = with_keys("");
    does(
        &sandbox,
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout a.key -out a.pem -days 9 \
            -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:a.example,URI:urn:x:y 2> /dev/null",
    );
    let said = ends(
        &sandbox,
        0,
        "sealserve cert issue --server b.example --ca-cert issuing.pem --ca-key ../issuing.key \
            --out-cert a.pem --out-key a.key --force",
    );
    assert!(said.contains("names of the old certificate are dropped: URI:urn:x:y"), "{said}");
    assert!(said.contains("the old certificate has an RSA key, the new one a P-256 key"), "{said}");
    assert_eq!(names_and_lifetime(&sandbox, "a.pem").0, ["DNS:b.example", "DNS:a.example"]);
}
