//! What is negotiated, and what is not.

use std::process::Output;

use rustls::crypto::aws_lc_rs::{self, kx_group};

use crate::Served;
use crate::support::client::{Client, tls};
use crate::support::{Sandbox, text, wait_until};

/// What `openssl s_client` says when it connects with `arguments`.
fn s_client(served: &Served, arguments: &[&str]) -> Output {
    let connect = format!("127.0.0.1:{}", served.server.port());
    served
        .sandbox
        .program("openssl")
        .args([
            "s_client",
            "-connect",
            &connect,
            "-servername",
            "localhost",
            "-verify_return_error",
            "-CAfile",
        ])
        .arg(served.sandbox.home().join("pki/ca.pem"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn tls_1_3_is_spoken_and_nothing_older() {
    let served = Served::digits("");
    let spoken = s_client(&served, &["-tls1_3"]);
    assert!(text(&spoken.stdout).contains("TLSv1.3"), "{}", text(&spoken.stdout));
    assert!(text(&spoken.stdout).contains("Verify return code: 0 (ok)"), "{}", text(&spoken.stdout));
    let refused = s_client(&served, &["-tls1_2"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("alert protocol version"), "{}", text(&refused.stderr));
}

#[test]
fn tls_1_2_is_spoken_where_the_configuration_says_so() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let path = sandbox.home().join("sealserve.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    sandbox.write("home/sealserve.toml", config.replacen("[tls]", "[tls]\nmin_version = \"1.2\"", 1));
    let served = Served::start(sandbox);
    for version in ["-tls1_2", "-tls1_3"] {
        let spoken = s_client(&served, &[version]);
        assert!(spoken.status.success(), "{version}: {}", text(&spoken.stderr));
    }
    assert!(!s_client(&served, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).status.success());
}

#[test]
fn the_key_exchange_is_post_quantum_where_the_client_can() {
    let served = Served::digits("");
    let group = |provider| {
        let client = Client::with(tls(&served.sandbox, provider, &["http/1.1"]), &served.server).unwrap();
        client.tls().negotiated_key_exchange_group().unwrap().name()
    };
    let hybrid = rustls::NamedGroup::X25519MLKEM768;
    assert_eq!(group(aws_lc_rs::default_provider()), hybrid);
    // A client that cannot is served.
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    assert_eq!(group(provider), rustls::NamedGroup::X25519);
}

#[test]
fn alpn_chooses_http2_or_http1_and_nothing_else() {
    let served = Served::digits("");
    let connect = |alpn: &[&str]| {
        Client::with(tls(&served.sandbox, aws_lc_rs::default_provider(), alpn), &served.server)
    };
    let chosen = |alpn: &[&str]| connect(alpn).unwrap().tls().alpn_protocol().map(text);
    assert_eq!(chosen(&["h2", "http/1.1"]).as_deref(), Some("h2"));
    assert_eq!(chosen(&["http/1.1", "h2"]).as_deref(), Some("h2"));
    assert_eq!(chosen(&["http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(chosen(&[]), None);
    assert!(connect(&["spdy/3"]).is_err());
    for (version, spoken) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let output = served
            .sandbox
            .program("curl")
            .args(["-q", "-sS", version, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--cacert"])
            .arg(served.sandbox.home().join("pki/ca.pem"))
            .arg(format!("{}/v2/health/live", served.server.url))
            .output()
            .unwrap();
        assert_eq!(text(&output.stdout), format!("{spoken} 200"));
    }
}

#[test]
fn a_client_that_trusts_another_authority_does_not_connect() {
    let served = Served::digits("");
    let other = Sandbox::new();
    other.init("");
    let provider = aws_lc_rs::default_provider();
    assert!(Client::with(tls(&other, provider, &["http/1.1"]), &served.server).is_err());
}

#[test]
fn no_early_data_is_accepted() {
    let served = Served::digits("");
    let mut config = tls(&served.sandbox, aws_lc_rs::default_provider(), &["http/1.1"]);
    config.enable_early_data = true;
    let request = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // The first tickets may be void already: the server reads its certificate again.
    wait_until("a session is resumed", || {
        let mut client = Client::with(config.clone(), &served.server).unwrap();
        assert!(!client.tls().is_early_data_accepted());
        // An answer brings the tickets along.
        assert_eq!(client.ask(request).unwrap().status, 200);
        client.tls().handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    });
}
