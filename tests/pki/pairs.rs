//! Certificate and key in other forms and in the wrong order: each is named, and the
//! command that a hint prints makes a pair that serves.

use super::{does, ends, errors, every_kind, json};
use crate::support::{Sandbox, Server, text};

/// Has the home's server use these files of `pki/`.
fn configure(sandbox: &Sandbox, certificate: &str, key: &str) {
    let path = sandbox.home().join("sealserve.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let named = |line: &str| match line.split_once(" = ") {
        Some(("certificate", _)) => format!("certificate = 'pki/{certificate}'\n"),
        Some(("key", _)) => format!("key = 'pki/{key}'\n"),
        _ => format!("{line}\n"),
    };
    std::fs::write(path, config.lines().map(named).collect::<String>()).unwrap();
}

/// What a server says that does not start.
fn refused(sandbox: &Sandbox) -> String {
    let refused = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    said
}

/// Runs the command of the hint in `said` with the passphrase "secret".
fn follow(sandbox: &Sandbox, said: &str) {
    let hint = said.lines().find(|line| line.starts_with("hint: ")).unwrap_or_else(|| panic!("{said}"));
    let command = hint.split('`').nth(1).unwrap_or_else(|| panic!("no command: {hint}"));
    sandbox.write("command", command);
    let script = sandbox.path("command");
    // Without a terminal, a passphrase is read from standard input.
    does(sandbox, &format!("echo secret | setsid -w bash -eu {}", script.display()));
}

#[test]
fn a_key_in_another_form_is_named_and_the_hint_makes_one_that_serves() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    does(
        &sandbox,
        "umask 077
        openssl pkcs8 -topk8 -in server.key -passout pass:secret -out pkcs8.key
        openssl ec -in server.key -aes128 -passout pass:secret -out legacy.key 2> /dev/null
        openssl pkcs8 -topk8 -in server.key -passout pass:secret -outform DER -out encrypted.der
        openssl pkcs8 -topk8 -nocrypt -in server.key -outform DER -out pkcs8.der
        openssl ec -in server.key -outform DER -out sec1.der 2> /dev/null
        openssl pkcs12 -export -in server.pem -inkey server.key -passout pass:secret -out bundle.p12
        { printf '\\xef\\xbb\\xbf'; cat server.key; } > mark.key
        iconv -f UTF-8 -t UTF-16 server.key > \"it's utf16.key\"
        grep -q 'ENCRYPTED PRIVATE KEY' pkcs8.key; grep -q 'Proc-Type: 4,ENCRYPTED' legacy.key",
    );
    for (key, what) in [
        ("pkcs8.key", "an encrypted private key"),
        ("legacy.key", "an encrypted private key"),
        ("encrypted.der", "an encrypted private key in DER"),
        ("pkcs8.der", "a private key in DER"),
        ("sec1.der", "a private key in DER"),
        ("bundle.p12", "a PKCS#12 file"),
        ("mark.key", "text that begins with a UTF-8 byte order mark"),
        ("it's utf16.key", "text in UTF-16"),
    ] {
        configure(&sandbox, "server.pem", key);
        // TOML's literal strings have no quote inside.
        let path = sandbox.home().join("sealserve.toml");
        let config =
            std::fs::read_to_string(&path).unwrap().replace("'pki/it's utf16.key'", "\"pki/it's utf16.key\"");
        std::fs::write(&path, config).unwrap();
        let said = refused(&sandbox);
        let stem = key.rsplit_once('.').unwrap().0;
        assert!(
            said.contains(&format!("{key}' holds no private key that can be used: it is {what}\n")),
            "{said}"
        );
        follow(&sandbox, &said);
        does(&sandbox, &format!("mv \"{stem}.plain.key\" served.key; test $(stat -c %a served.key) = 600"));
        configure(&sandbox, "server.pem", "served.key");
        Server::start(&sandbox, &[]);
    }
}

#[test]
fn what_is_no_key_at_all_is_named() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    does(
        &sandbox,
        "umask 077
        openssl req -new -key server.key -subj /CN=x -out request.key
        openssl pkey -in server.key -pubout -out public.key
        cp server.pem chain.key; : > empty.key; head -c 150 server.key > cut.key",
    );
    for (key, what, hint) in [
        ("chain.key", "a certificate", "are certificate and key swapped?"),
        ("request.key", "a certificate request", "name the private key"),
        ("public.key", "a public key", "name the private key"),
        ("empty.key", "an empty file", "-----BEGIN PRIVATE KEY-----"),
        ("cut.key", "malformed PEM", "is the file complete"),
    ] {
        configure(&sandbox, "server.pem", key);
        let said = refused(&sandbox);
        assert!(said.contains(&format!("it is {what}\n")) && said.contains(hint), "{key}: {said}");
    }
    configure(&sandbox, "server.key", "server.pem");
    let said = refused(&sandbox);
    assert!(said.contains("server.key' holds no certificate: it is a private key"), "{said}");
    assert!(said.contains("are certificate and key swapped?"), "{said}");
}

#[test]
fn certificates_in_another_form_are_named_and_the_hint_makes_a_chain_that_serves() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    does(
        &sandbox,
        "openssl pkcs12 -export -in server.pem -inkey server.key -passout pass:secret -out bundle.p12
        openssl crl2pkcs7 -nocrl -certfile server.pem -out seven.p7
        openssl crl2pkcs7 -nocrl -certfile server.pem -outform DER -out seven.p7b
        { printf '\\xef\\xbb\\xbf'; cat server.pem; } > mark.crt
        iconv -f UTF-8 -t UTF-16 server.pem > utf16.crt",
    );
    for file in ["bundle.p12", "seven.p7", "seven.p7b", "mark.crt", "utf16.crt"] {
        configure(&sandbox, file, "server.key");
        follow(&sandbox, &refused(&sandbox));
        does(&sandbox, &format!("mv {}.plain.pem served.pem", file.split('.').next().unwrap()));
        configure(&sandbox, "served.pem", "server.key");
        Server::start(&sandbox, &[]);
    }
}

/// Files of certificates in a wrong order, and what is wrong.
const WRONG: [(&str, &str); 3] = [
    ("issuing server", "the certificate of 'localhost, 127.0.0.1, ::1' is number 2 and must be the first"),
    ("ca issuing server", "the certificate of 'localhost, 127.0.0.1, ::1' is number 3 and must be the first"),
    ("server ca issuing", "certificate 2 is the issuer of certificate 3 and must follow it"),
];

/// Writes the certificates `names`, one of each, to `chain.pem`.
fn write_chain(sandbox: &Sandbox, names: &str) {
    does(sandbox, &format!("for name in {names}; do openssl x509 -in $name.pem; done > chain.pem"));
}

#[test]
fn a_chain_in_the_wrong_order_is_named_and_the_hint_puts_it_in_order() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    for (names, what) in WRONG {
        write_chain(&sandbox, names);
        configure(&sandbox, "chain.pem", "server.key");
        let said = refused(&sandbox);
        assert!(said.contains("stand in the wrong order: ") && said.contains(what), "{names}: {said}");
        follow(&sandbox, &said);
        does(&sandbox, "sealserve cert verify chain.ordered.pem --purpose server --name localhost");
        configure(&sandbox, "chain.ordered.pem", "server.key");
        Server::start(&sandbox, &[]);
    }
    // Those that belong to no server, and another that is not needed.
    configure(&sandbox, "issuing.pem", "server.key");
    let said = refused(&sandbox);
    assert!(said.contains("is that of an authority") && said.contains("sealserve cert issue"), "{said}");
    // One that signs itself is an authority's by default, and none with the words of the hint.
    let own = "openssl req -x509 -key server.key -subj /CN=x -days 9 -addext subjectAltName=DNS:localhost -out own.pem";
    configure(&sandbox, "own.pem", "server.key");
    does(&sandbox, own);
    let said = refused(&sandbox);
    let words = "-addext basicConstraints=critical,CA:FALSE";
    assert!(said.contains("is that of an authority, 'CN=x'") && said.contains(words), "{said}");
    does(&sandbox, &format!("{own} {words}"));
    Server::start(&sandbox, &[]);
    for names in ["server issuing", "server issuing ca", "server issuing ca ca"] {
        write_chain(&sandbox, names);
        configure(&sandbox, "chain.pem", "server.key");
        Server::start(&sandbox, &[]);
    }
}

#[test]
fn the_first_certificate_is_the_one_in_question_and_an_authority_is_no_server() {
    let sandbox = every_kind();
    for file in ["ca.pem", "issuing.pem"] {
        for arguments in ["--purpose server", "--purpose client", "--purpose server --name models.example"] {
            let found = errors(&sandbox, &format!("{file} {arguments}"));
            assert!(found.contains(&"basic-constraints".into()), "{file} {arguments}: {found:?}");
        }
        // As an authority it is good.
        assert_eq!(json(&sandbox, 0, &format!("sealserve cert verify {file}"))["verified"], true);
    }
    for names in ["issuing server", "ca issuing server", "server ca issuing"] {
        write_chain(&sandbox, names);
        for arguments in ["", "--purpose server", "--name models.example"] {
            let found = errors(&sandbox, &format!("chain.pem --ca ca.pem {arguments}"));
            assert!(found.contains(&"order".into()), "{names} {arguments}: {found:?}");
        }
        let said = ends(&sandbox, 0, "sealserve cert inspect chain.pem");
        assert!(said.contains("warning: the certificates stand in the wrong order"), "{said}");
    }
    write_chain(&sandbox, "server issuing ca");
    does(&sandbox, "sealserve cert verify chain.pem --purpose server");
    assert!(!ends(&sandbox, 0, "sealserve cert inspect chain.pem").contains("wrong order"));
}

#[test]
fn a_client_shows_its_certificates_in_order_or_not_at_all() {
    let sandbox = every_kind();
    let send = |chain: &str, key: &str| {
        let line = format!(
            "sealserve request send https://localhost:1/ --cacert ca.pem --client-cert {chain} --client-key {key}"
        );
        let output = super::bash(&sandbox, &line);
        (output.status.code(), text(&output.stderr))
    };
    write_chain(&sandbox, "issuing client-john.doe");
    let (_, said) = send("chain.pem", "client-john.doe.key");
    assert!(said.contains("the certificate of 'john.doe' is number 2 and must be the first"), "{said}");
    let (_, said) = send("issuing.pem", "client-john.doe.key");
    assert!(said.contains("client certificate 'issuing.pem' and its key cannot be used"), "{said}");
    does(
        &sandbox,
        "openssl pkcs8 -topk8 -in client-john.doe.key -passout pass:secret -out pkcs8.key; chmod 600 pkcs8.key",
    );
    let (code, said) = send("client-john.doe.pem", "pkcs8.key");
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("it is an encrypted private key") && said.contains("`openssl pkey -in pkcs8.key"),
        "{said}"
    );
    let (_, said) = send("client-john.doe.pem", "client-john.doe.key");
    assert!(said.contains("cannot connect to localhost:1"), "{said}");
}

#[test]
#[ignore = "needs root and setpriv"]
fn a_key_of_roots_that_a_group_of_the_server_may_read_is_served() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let root_key = sandbox.path("config/sealserve/root.key");
    let bare = |name: &str| sandbox.path(name).display().to_string();
    std::fs::set_permissions(sandbox.path(""), std::fs::Permissions::from_mode(0o777)).unwrap();
    // As Kubernetes mounts a Secret with `fsGroup: 4242`.
    does(
        &sandbox,
        &format!(
            "mkdir {mount}; cp server.key {root} {mount}; chown -R 0:4242 {mount}; chmod 0440 {mount}/*; chmod 0775 {mount}
            cp {library} {lib}; cp $(command -v sealserve) {bin}; chmod 755 {lib} {bin}; rm server.key
            chown -R 65534:65534 $SEALSERVE_HOME; chmod 755 {cwd}",
            mount = bare("mount"),
            root = root_key.display(),
            library = crate::support::onnxruntime().display(),
            lib = bare("libonnxruntime.so"),
            bin = bare("sealserve"),
            cwd = bare("cwd"),
        ),
    );
    let config = sandbox.home().join("sealserve.toml");
    let text_of = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text_of.replace("pki/server.key", &bare("mount/server.key"))).unwrap();
    let command = |groups: &str| {
        let mut command = sandbox.program("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", groups]);
        command.arg(sandbox.path("sealserve")).args([
            "serve",
            "--runtime",
            &bare("libonnxruntime.so"),
            "--root-key",
        ]);
        command.arg(sandbox.path("mount/root.key"));
        command
    };
    let refused = |what: &str| {
        let output = command("--groups=4242").args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert!(!output.status.success() && text(&output.stderr).contains(what), "{}", text(&output.stderr));
    };
    drop(Server::spawn(&sandbox, command("--groups=4242")));
    // Anyone else: the mode says so, or the owner.
    for (mode, owner, what) in [
        ("0444", "0:4242", "readable by others (mode 0444)"),
        ("0460", "0:4242", "readable by others (mode 0460)"),
        ("0440", "65533:4242", "readable by others (mode 0440)"),
        ("0440", "65534:4242", "readable by others (mode 0440)"),
    ] {
        does(&sandbox, &format!("cd {}; chown {owner} server.key; chmod {mode} server.key", bare("mount")));
        refused(what);
    }
}
