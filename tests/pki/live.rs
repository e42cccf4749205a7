//! Certificates of a running server, and of others that are not what they seem.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::{does, ends, errors, every_kind, json};
use crate::support::{Sandbox, Server, text, wait_until};

fn served() -> (Server, Sandbox) {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    (Server::start(&sandbox, &[]), sandbox)
}

#[test]
fn openssl_verifies_a_running_server() {
    let (server, sandbox) = served();
    let connect =
        format!("openssl s_client -connect 127.0.0.1:{} -verify_return_error -x509_strict", server.port());
    let said =
        does(&sandbox, &format!("{connect} -CAfile ca.pem -verify_hostname localhost < /dev/null 2>&1"));
    assert!(
        said.contains("Verify return code: 0 (ok)") && said.contains("Verified peername: localhost"),
        "{said}"
    );
    ends(&sandbox, 1, &format!("{connect} -CAfile ca.pem -verify_hostname other.example < /dev/null"));
    ends(
        &sandbox,
        1,
        &format!("{connect} -CAfile issuing.pem -no_check_time -verify_hostname localhost < /dev/null"),
    );
}

#[test]
fn inspect_shows_what_a_running_server_sends() {
    let (server, sandbox) = served();
    let shown = json(&sandbox, 0, &format!("sealserve cert inspect 127.0.0.1:{}", server.port()));
    assert_eq!(shown["verified"], false);
    assert_eq!(shown["connection"]["protocol"], "TLSv1.3");
    assert_eq!(shown["connection"]["key_exchange"], "X25519MLKEM768");
    let file = json(&sandbox, 0, "sealserve cert inspect server.pem");
    let serials = |document: &serde_json::Value| -> Vec<String> {
        document["certificates"].as_array().unwrap().iter().map(|c| c["serial"].to_string()).collect()
    };
    assert_eq!((serials(&shown).len(), serials(&shown)), (2, serials(&file)));
}

#[test]
fn verify_judges_a_running_server() {
    let (server, sandbox) = served();
    for host in ["127.0.0.1", "localhost"] {
        let endpoint = format!("{host}:{}", server.port());
        let document = json(&sandbox, 0, &format!("sealserve cert verify {endpoint}"));
        assert_eq!((&document["name"], &document["purpose"]), (&host.into(), &"serverAuth".into()));
        assert_eq!(errors(&sandbox, &format!("{endpoint} --name other.example")), ["name"]);
    }
    let other = every_kind();
    let stranger = other.home().join("pki/ca.pem");
    let found = errors(&sandbox, &format!("localhost:{} --ca {}", server.port(), stranger.display()));
    assert_eq!(found, ["unknown-issuer"]);
    does(&sandbox, &format!("sealserve cert check --within 30d localhost:{}", server.port()));
    ends(&sandbox, 3, &format!("sealserve cert check --within 91d localhost:{}", server.port()));
}

#[test]
fn a_server_does_not_start_with_a_key_beside_another_ones_certificate() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    // A kill after the key had its name, and before the certificate had.
    does(
        &sandbox,
        "cp server.pem before.pem; sealserve cert issue --server localhost --force; mv before.pem server.pem",
    );
    let refused = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("server.pem' and its key cannot be used"), "{said}");
    assert!(
        said.contains("hint: they do not belong together; `sealserve cert issue --server NAME"),
        "{said}"
    );
    // What the hint says mends it.
    does(&sandbox, "sealserve cert issue --server localhost 127.0.0.1 --force");
    Server::start(&sandbox, &[]);
}

#[test]
fn a_running_server_takes_a_renewed_certificate() {
    let (server, sandbox) = served();
    let serial = |from: &str| {
        json(&sandbox, 0, &format!("sealserve cert inspect {from}"))["certificates"][0]["serial"].clone()
    };
    let endpoint = format!("localhost:{}", server.port());
    let before = serial(&endpoint);
    does(&sandbox, "sealserve cert issue --server localhost 127.0.0.1 ::1 --force");
    assert_ne!(serial("server.pem"), before);
    wait_until("the server shows the new certificate", || serial(&endpoint) == serial("server.pem"));
    does(&sandbox, &format!("sealserve cert verify {endpoint}"));
}

/// Answers one connection after another with `answer`; returns the port.
fn listen(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    port
}

/// Serves TLS with `config` until the client goes.
fn tls(config: ServerConfig) -> u16 {
    let config = Arc::new(config);
    listen(move |mut socket| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        while let Ok((read, _)) = connection.complete_io(&mut socket) {
            if read == 0 {
                break;
            }
        }
    })
}

fn certified(sandbox: &Sandbox, certificate: &str, key: &str) -> CertifiedKey {
    let path = |name: &str| sandbox.home().join("pki").join(name);
    let chain = CertificateDer::pem_file_iter(path(certificate)).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(path(key)).unwrap();
    CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&key).unwrap())
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

#[test]
fn an_impostor_with_anothers_certificate_does_not_verify() {
    let sandbox = every_kind();
    for (key, expected) in [("client-john.doe.key", &["possession"][..]), ("server.key", &[])] {
        let certified = SingleCertAndKey::from(certified(&sandbox, "server.pem", key));
        let port = tls(builder().with_no_client_auth().with_cert_resolver(Arc::new(certified)));
        let arguments = format!("localhost:{port} --ca ca.pem");
        if expected.is_empty() {
            does(&sandbox, &format!("sealserve cert verify {arguments}"));
        } else {
            assert_eq!(errors(&sandbox, &arguments), expected);
        }
        // To look is allowed.
        does(&sandbox, &format!("sealserve cert inspect localhost:{port}"));
    }
}

#[test]
fn a_server_that_wants_a_client_certificate_shows_its_own_all_the_same() {
    let sandbox = every_kind();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(sandbox.home().join("pki/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let certified = SingleCertAndKey::from(certified(&sandbox, "server.pem", "server.key"));
    let port = tls(builder().with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(certified)));
    does(&sandbox, &format!("sealserve cert verify localhost:{port} --ca ca.pem"));
}

#[test]
fn whoever_speaks_no_tls_shows_no_certificate() {
    let sandbox = every_kind();
    let rude = listen(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let mute = listen(|mut socket| {
        let _ = socket.read(&mut [0; 10]);
    });
    for port in [rude, mute] {
        let said = ends(&sandbox, 1, &format!("sealserve cert inspect localhost:{port}"));
        assert!(said.contains("did not show a certificate"), "{said}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = ends(&sandbox, 1, &format!("sealserve cert inspect {closed}"));
    assert!(
        said.contains("cannot connect") && said.contains("a file of that name is written ./NAME"),
        "{said}"
    );
    // A file is a file when it is written as one.
    does(&sandbox, "cp ca.pem a:1; sealserve cert inspect ./a:1");
}

#[test]
fn a_key_of_the_authority_goes_only_by_its_name_and_the_printed_commands_recover() {
    let (server, sandbox) = served();
    let keyring = || std::fs::read(sandbox.home().join("keyring.json")).unwrap();
    for id in ["ca-issuing", "ca-root"] {
        let before = keyring();
        let kid = does(
            &sandbox,
            &format!(
                "sealserve key list --format json | python3 -c \"import json, sys
print(*[key['kid'] for key in json.load(sys.stdin)['keys'] if key['id'] == '{id}'])\""
            ),
        );
        for named in [id, kid.trim()] {
            let said = ends(&sandbox, 2, &format!("sealserve key revoke --compromised -- {named}"));
            assert!(said.contains(&format!("'{id}' is a key of the authority")), "{said}");
            assert!(said.contains(&format!("pass --confirm {id}")), "{said}");
        }
        let other = if id == "ca-root" { "ca-issuing" } else { "ca-root" };
        ends(&sandbox, 2, &format!("sealserve key revoke {id} --confirm {other}"));
        let said = ends(&sandbox, 0, &format!("sealserve key revoke {id} --dry-run"));
        assert!(
            said.contains("would revoke") && said.contains("run next: sealserve cert ca create"),
            "{said}"
        );
        assert_eq!(keyring(), before, "nothing was changed");
        does(&sandbox, &format!("sealserve cert issue --client {id}-was-there"));
        let said = ends(&sandbox, 0, &format!("sealserve key revoke {id} --confirm {id}"));
        assert!(said.contains("warning: this home issues no certificate any more"), "{said}");
        assert!(!said.contains("key create --use ca"), "{said}");
        ends(&sandbox, 1, "sealserve cert issue --client ann");
        // Once it is gone, there is nothing to confirm.
        does(&sandbox, &format!("sealserve key revoke {id}"));
        // The commands that are printed make a server that the new root vouches for.
        let next = said.lines().find_map(|line| line.strip_prefix("run next: ")).unwrap();
        does(&sandbox, &format!("rm -rf new-ca; {next}"));
        let endpoint = format!("localhost:{}", server.port());
        wait_until("the server shows the new certificate", || {
            let verify = format!("sealserve cert verify {endpoint} --ca new-ca/ca.pem");
            super::bash(&sandbox, &verify).status.success()
        });
        does(
            &sandbox,
            "sealserve cert verify server.pem --ca new-ca/ca.pem --purpose server --name 127.0.0.1",
        );
        if id == "ca-issuing" {
            // Back to a home with an authority.
            return_to(&sandbox, &before);
        }
    }
}

/// Puts back the keyring `before`, which another test of rollback looks at.
fn return_to(sandbox: &Sandbox, before: &[u8]) {
    std::fs::write(sandbox.home().join("keyring.json"), before).unwrap();
    let _ = std::fs::remove_file(sandbox.home().join("state/keyring-seen"));
}
