//! `cert verify` and `cert inspect` on files, certificates of other programs among them.

use serde_json::json;

use super::{SERVER, does, ends, errors, every_kind, json, sign_with_openssl, with_keys};
use crate::support::Sandbox;

#[test]
fn every_kind_verifies_and_the_path_is_told() {
    let sandbox = every_kind();
    for (arguments, depth) in [
        ("ca.pem", 1),
        ("issuing.pem", 2),
        ("server.pem --purpose server --name models.example", 3),
        ("server.pem --name 10.0.0.7", 3),
        ("client-john.doe.pem --purpose client --name john.doe", 3),
        ("client-john.doe.pem --ca ca.pem", 3),
        ("- --ca ca.pem < client-john.doe.pem", 3),
        // An intermediate that is trusted by itself.
        ("client-john.doe.pem --ca issuing.pem", 2),
    ] {
        let document = json(&sandbox, 0, &format!("sealserve cert verify {arguments}"));
        assert_eq!(document["verified"], true, "{arguments}");
        assert_eq!(document["findings"], json!([]), "{arguments}");
        assert_eq!(document["path"].as_array().unwrap().len(), depth, "{arguments}");
    }
}

#[test]
fn each_no_has_a_name_and_exit_3() {
    let sandbox = every_kind();
    let other = every_kind();
    let stranger = other.home().join("pki/ca.pem");
    for (arguments, expected) in [
        ("client-john.doe.pem --purpose server", &["purpose", "subject"][..]),
        ("server.pem --purpose client", &["purpose"]),
        ("server.pem --name other.example", &["name"]),
        ("client-john.doe.pem --purpose client --name eve", &["name"]),
        ("server.pem --at 2000-01-01T00:00:00Z", &["not-yet-valid", "not-yet-valid", "not-yet-valid"]),
        ("server.pem --at 946684800", &["not-yet-valid", "not-yet-valid", "not-yet-valid"]),
        ("server.pem --at 18446744073709551615", &["expired", "expired", "expired"]),
        ("client-john.doe.pem --at 2034-01-01T00:00:00+01:00", &["expired", "expired"]),
        (&format!("server.pem --ca {}", stranger.display()), &["unknown-issuer"]),
        // Nobody is trusted who only came along.
        (&format!("issuing.pem --ca {}", stranger.display()), &["unknown-issuer"]),
        ("<(openssl x509 -in server.pem)", &["unknown-issuer"]),
    ] {
        assert_eq!(errors(&sandbox, arguments), expected, "{arguments}");
    }
    let said = ends(&sandbox, 3, "sealserve cert verify client-john.doe.pem --purpose server");
    assert!(said.starts_with("NOT VERIFIED: O=sealserve, OU=client, UID=john.doe < "), "{said}");
    assert!(
        said.contains("\nwrong: purpose: it is for clientAuth, not for serverAuth (RFC 5280, 4.2.1.12; "),
        "{said}"
    );
}

#[test]
fn what_openssl_signs_outside_the_rules_is_found() {
    let sandbox = with_keys("--permit models.example");
    let names = "subjectAltName=DNS:a.models.example\\n";
    let good = format!("{SERVER}{names}");
    let cases: [(&str, String, &[&str]); 7] = [
        ("good", good.clone(), &[]),
        ("elsewhere", format!("{SERVER}subjectAltName=DNS:other.example"), &["name-constraints"]),
        ("negative -set_serial -5", good.clone(), &["serial"]),
        ("zero -set_serial 0", good.clone(), &["serial"]),
        ("sha1 -sha1", good.clone(), &["signature-algorithm", "signature"]),
        (
            "noaki",
            good.replace("authorityKeyIdentifier=keyid", "authorityKeyIdentifier=none"),
            &["authority-key-id"],
        ),
        ("authority", good.replace("CA:FALSE", "CA:TRUE"), &["key-usage", "path-length"]),
    ];
    for (name, extensions, expected) in cases {
        sign_with_openssl(&sandbox, name, "/CN=x", &extensions);
        let file = name.split(' ').next().unwrap();
        let arguments = format!("{file}.pem --ca ca.pem --purpose server --name a.models.example");
        if expected.is_empty() {
            does(&sandbox, &format!("sealserve cert verify {arguments}"));
        } else {
            let found = errors(&sandbox, &arguments);
            for check in expected {
                assert!(found.iter().any(|found| found == check), "{name}: {found:?}");
            }
        }
    }
}

#[test]
fn keys_that_are_too_short_and_old_versions_are_found() {
    let sandbox = with_keys("--permit models.example");
    does(
        &sandbox,
        &format!(
            "printf '%b' '{SERVER}subjectAltName=DNS:a.models.example' > ext
            openssl req -new -newkey rsa:1024 -nodes -subj /CN=x -keyout k -out csr 2> /dev/null
            sign() {{ openssl x509 -req -in csr -CA issuing.pem -CAkey ../issuing.key \"$@\" 2> /dev/null; }}
            sign -extfile ext -out short.pem; cat issuing.pem >> short.pem
            sign -out v1.pem; cat issuing.pem >> v1.pem"
        ),
    );
    let short = errors(&sandbox, "short.pem --ca ca.pem --purpose server");
    assert_eq!(short, ["public-key"]);
    let old = errors(&sandbox, "v1.pem --ca ca.pem --purpose server");
    assert!(old.contains(&"version".into()), "{old:?}");
    let shown = json(&sandbox, 0, "sealserve cert inspect short.pem");
    assert_eq!(shown["certificates"][0]["key"], json!({ "algorithm": "RSA", "bits": 1024 }));
    assert_eq!(json(&sandbox, 0, "sealserve cert inspect v1.pem")["certificates"][0]["version"], 1);
}

/// What OpenSSL says of a certificate in `field`, such as `-serial`.
fn openssl(sandbox: &Sandbox, file: &str, field: &str) -> String {
    let said = does(sandbox, &format!("openssl x509 -noout -in {file} {field}"));
    said.trim().split_once('=').map_or(said.clone(), |(_, value)| value.replace(':', "").to_lowercase())
}

#[test]
fn what_inspect_shows_is_what_openssl_shows() {
    let sandbox = every_kind();
    for file in ["ca.pem", "issuing.pem", "server.pem", "client-john.doe.pem"] {
        let document = json(&sandbox, 0, &format!("sealserve cert inspect {file}"));
        assert_eq!(
            (document["verified"].clone(), document["connection"].clone()),
            (json!(false), json!(null))
        );
        let shown = &document["certificates"][0];
        let ours = |name: &str| shown[name].as_str().unwrap().to_owned();
        assert_eq!(ours("serial"), openssl(&sandbox, file, "-serial"));
        assert_eq!(ours("sha256"), openssl(&sandbox, file, "-fingerprint -sha256"));
        let pin = does(
            &sandbox,
            &format!(
                "openssl x509 -in {file} -noout -pubkey | openssl pkey -pubin -outform der | openssl sha256 -binary | base64"
            ),
        );
        assert_eq!(ours("spki_pin"), format!("sha256//{}", pin.trim()));
        let end = does(
            &sandbox,
            &format!("date -u -d \"$(openssl x509 -noout -enddate -in {file} | cut -d= -f2)\" +%FT%TZ"),
        );
        assert_eq!(ours("not_after"), end.trim());
        let ski =
            does(&sandbox, &format!("openssl x509 -noout -ext subjectKeyIdentifier -in {file} | tail -1"));
        assert_eq!(ours("subject_key_id"), ski.trim().replace(':', "").to_lowercase());
    }
    let server = json(&sandbox, 0, "openssl x509 -in server.pem -outform der | sealserve cert inspect -");
    let shown = &server["certificates"][0];
    assert_eq!(shown["names"], json!(["DNS:models.example", "IP:10.0.0.7", "DNS:localhost"]));
    assert_eq!(shown["extended_key_usages"], json!(["serverAuth"]));
    assert_eq!(shown["key_usages"], json!(["digitalSignature"]));
    let issuing = &json(&sandbox, 0, "sealserve cert inspect issuing.pem")["certificates"][0];
    assert_eq!((issuing["authority"].clone(), issuing["path_length"].clone()), (json!(true), json!(0)));
    assert_eq!(
        issuing["name_constraints"],
        json!({
            "permitted": ["DNS:models.example", "DNS:localhost"],
            "excluded": []
        })
    );
}

#[test]
fn what_openssl_packs_is_unpacked() {
    let sandbox = every_kind();
    let lines = "openssl pkcs12 -export -in server.pem -inkey server.key -passout pass:x \
        | openssl pkcs12 -nokeys -passin pass:x | sealserve cert inspect -";
    assert_eq!(json(&sandbox, 0, lines)["certificates"].as_array().unwrap().len(), 2);
}
