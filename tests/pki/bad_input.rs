//! What is malformed, missing, too much or open to others is refused by name, and
//! nothing is left behind.

use super::{does, ends, every_kind, with_keys};
use crate::support::Sandbox;

#[test]
fn files_that_are_no_certificates_are_refused_by_every_verb_that_reads_them() {
    let sandbox = every_kind();
    does(
        &sandbox,
        "mkdir -p bad; head -c 200 server.pem > bad/truncated.pem; head -c 2000000 /dev/zero > bad/oversized.pem
        openssl x509 -in server.pem -outform der | head -c 300 > bad/truncated.der
        { openssl x509 -in server.pem -outform der; echo; } > bad/trailing.der
        echo hello > bad/text.pem; : > bad/empty.pem; cp server.key bad/key.pem; mkdir bad/directory.pem
        for i in $(seq 70); do cat ca.pem; done > bad/many.pem
        { printf '\\xef\\xbb\\xbf'; cat server.pem; } > bad/mark.pem
        openssl pkcs12 -export -in server.pem -inkey server.key -passout pass:x -out bad/bundle.pem
        openssl crl2pkcs7 -nocrl -certfile server.pem -outform der -out bad/seven.pem",
    );
    for (file, message) in [
        ("truncated.pem", "a section has no end"),
        ("oversized.pem", "is larger than 1048576 bytes"),
        ("truncated.der", "neither PEM nor a certificate in DER"),
        ("trailing.der", "1 bytes follow it"),
        ("text.pem", "neither PEM nor a certificate in DER"),
        ("empty.pem", "it is an empty file"),
        ("mark.pem", "it is text that begins with a UTF-8 byte order mark"),
        ("bundle.pem", "it is a PKCS#12 file"),
        ("seven.pem", "it is a PKCS#7 file"),
        ("key.pem", "holds no certificate"),
        ("directory.pem", "Is a directory"),
        ("many.pem", "holds more than 64 certificates"),
        ("absent.pem", "No such file or directory"),
    ] {
        for line in [
            format!("sealserve cert inspect bad/{file}"),
            format!("sealserve cert verify bad/{file}"),
            format!("sealserve cert verify server.pem --ca bad/{file}"),
            format!("sealserve cert check bad/{file}"),
            format!(
                "sealserve cert issue --client a --ca-cert bad/{file} --ca-key server.key --out-cert - --out-key -"
            ),
        ] {
            let said = ends(&sandbox, 1, &line);
            assert!(
                said.contains(message) && said.contains("hint: ") == (file != "directory.pem"),
                "{line}: {said}"
            );
        }
    }
    assert!(ends(&sandbox, 1, "sealserve cert inspect - < bad/oversized.pem").contains("standard input"));
    // A private key that is shown by mistake is not repeated.
    let said = ends(&sandbox, 1, "sealserve cert inspect server.key");
    let secret = does(&sandbox, "sed -n 2p server.key");
    assert!(!said.contains(secret.trim()) && said.contains("it is a private key"), "{said}");
}

/// What `issue` says with this key, given that it must end with `code`.
fn issue(sandbox: &Sandbox, code: i32, key: &str) -> String {
    let said = ends(
        sandbox,
        code,
        &format!(
            "sealserve cert issue --client ann --ca-cert issuing.pem --ca-key {key} --out-cert c.pem --out-key c.key"
        ),
    );
    does(sandbox, if code == 0 { "rm c.pem c.key" } else { "! test -e c.pem; ! test -e c.key" });
    said
}

#[test]
fn the_key_of_an_authority_is_private_whole_and_the_right_one() {
    let sandbox = with_keys("--permit models.example");
    does(
        &sandbox,
        "umask 077; cp ../issuing.key loose.key; chmod 644 loose.key; head -c 100 ../issuing.key > cut.key
        openssl pkcs8 -topk8 -in ../issuing.key -out encrypted.key -passout pass:x
        openssl pkey -in ../issuing.key -outform der -out issuing.der
        openssl ec -in ../issuing.key -out sec1.key 2> /dev/null
        openssl genpkey -algorithm X25519 -out x25519.key",
    );
    for (key, message) in [
        ("loose.key", "is readable by others (mode 0644)"),
        ("cut.key", "it is malformed PEM"),
        ("encrypted.key", "it is an encrypted private key"),
        ("x25519.key", "of a kind that signs no certificates"),
        ("issuing.pem", "readable by others"),
        ("<(cat issuing.pem)", "it is a certificate"),
        ("absent.key", "No such file"),
        ("env:ABSENT", "has no variable"),
    ] {
        let said = issue(&sandbox, 4, key);
        assert!(said.contains(message), "{key}: {said}");
    }
    assert!(issue(&sandbox, 1, "../ca.key").contains("does not belong to the certificate"));
    for key in ["../issuing.key", "issuing.der", "sec1.key", "- < ../issuing.key", "fd:3 3< ../issuing.key"] {
        issue(&sandbox, 0, key);
    }
    does(
        &sandbox,
        "export KEY=$(cat ../issuing.key); sealserve cert issue --client ann --ca-cert issuing.pem --ca-key env:KEY --out-cert - --out-key - > /dev/null",
    );
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let sandbox = with_keys("--permit models.example");
    let ca = "--ca-cert issuing.pem --ca-key ../issuing.key";
    for line in [
        "cert issue",
        "cert issue --server",
        "cert issue --server bad_name",
        "cert issue --server a..b",
        "cert issue --server '*.*.a'",
        "cert issue --server 1.2.3",
        "cert issue --server ''",
        "cert issue --client 'a b'",
        "cert issue --client ../../etc/passwd",
        "cert issue --client ''",
        "cert issue --client a --server b",
        "cert issue --client a --ca-cert issuing.pem",
        "cert issue --client a --ca-key ../issuing.key",
        "cert issue --client a --out-cert a.pem",
        "cert issue --client a --out-key a.key",
        &format!("cert issue --client a {ca}"),
        &format!("cert issue --client a {ca} --out-cert x --out-key x --force"),
        &format!("cert issue --client a {ca} --out-cert x --out-key y --lifetime 0s"),
        &format!("cert issue --client a {ca} --out-cert x --out-key y --lifetime 31d"),
        &format!("cert issue --server models.example {ca} --out-cert x --out-key y --lifetime 826d"),
        // What replaces files allows nothing else: scripts that renew always pass it.
        &format!("cert issue --client a {ca} --out-cert x --out-key y --lifetime 31d --force"),
        &format!("cert issue --server models.example {ca} --out-cert x --out-key y --lifetime 826d --force"),
        &format!(
            "cert issue --server models.example {ca} --out-cert x --out-key y --lifetime 99999999d --allow-long-lifetime"
        ),
        "cert ca create --out-dir d --permit 10.0.0.1/8",
        "cert ca create --out-dir d --title ''",
        "cert ca create --out-dir d --lifetime 1s",
        "cert ca create --out-dir d --lifetime 4000000000d",
        "cert verify issuing.pem --ca ca.pem --at yesterday",
        "cert verify issuing.pem --ca ca.pem --purpose mail",
        "cert verify issuing.pem --ca ca.pem --name '*.models.example'",
        "cert verify issuing.pem --ca ca.pem --name ''",
        "cert check --within soon issuing.pem",
    ] {
        ends(&sandbox, 2, &format!("sealserve {line}"));
    }
    does(&sandbox, "! test -e x; ! test -e y; ! test -e d");
    let long = format!("cert issue --server models.example {ca} --out-cert x --out-key y --lifetime 826d");
    assert!(ends(&sandbox, 2, &format!("sealserve {long}")).contains("--allow-long-lifetime"));
    does(&sandbox, &format!("sealserve {long} --allow-long-lifetime"));
    // Nor is anything replaced by what allows a long life.
    ends(&sandbox, 1, &format!("sealserve {long} --allow-long-lifetime"));
}

#[test]
fn an_authority_whose_name_cannot_be_reproduced_signs_nothing() {
    let sandbox = with_keys("");
    let authority = |subject: &str| {
        does(
            &sandbox,
            &format!(
                "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj '{subject}' \
                -keyout other.key -out other.pem -addext basicConstraints=critical,CA:TRUE \
                -addext keyUsage=critical,keyCertSign 2> /dev/null"
            ),
        );
    };
    let issue = "sealserve cert issue --client ann --ca-cert other.pem --ca-key other.key --out-cert c.pem --out-key c.key";
    for subject in ["/DC=com/DC=example/CN=Example CA", "/O=a/O=b", "/O=a+CN=b"] {
        authority(subject);
        let said = ends(&sandbox, 1, issue);
        assert!(said.contains("cannot be reproduced exactly"), "{subject}: {said}");
        does(&sandbox, "! test -e c.pem; ! test -e c.key");
    }
    // Others come out as OpenSSL wrote them: a country is a PrintableString.
    for subject in
        ["/C=DE/ST=Berlin/L=Berlin/O=Example/OU=Models/CN=Example CA", "/CN=\u{c4}rger", "/DC=example"]
    {
        authority(subject);
        does(
            &sandbox,
            &format!("{issue}; openssl verify -x509_strict -CAfile other.pem c.pem; rm c.pem c.key"),
        );
    }
}

#[test]
fn a_foreign_authority_may_be_rsa() {
    let sandbox = with_keys("");
    does(
        &sandbox,
        "umask 077; openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj '/CN=RSA CA' -keyout other.key -out other.pem \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2> /dev/null
        sealserve cert issue --server a.example --lifetime 5d --ca-cert other.pem --ca-key other.key \
            --out-cert c.pem --out-key c.key
        openssl verify -x509_strict -CAfile other.pem c.pem
        sealserve cert verify c.pem --ca other.pem --purpose server --name a.example",
    );
    let longer = "sealserve cert issue --server a.example --lifetime 10d --ca-cert other.pem --ca-key other.key --out-cert d.pem --out-key d.key";
    assert!(ends(&sandbox, 1, longer).contains("would outlive 'CN=RSA CA'"));
}
