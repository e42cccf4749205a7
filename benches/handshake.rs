//! What one full TLS handshake costs the server: TLS 1.3, ECDSA P-256, no resumption,
//! against nginx with the same certificate, key exchange and client in the same run.
//!
//!     cargo bench --bench handshake
//!     SEALSERVE_BIN=target/dist/sealserve cargo bench --bench handshake
//!
//! CPU time is that of the server process alone, from the connect to the close. nginx
//! (Debian: `apt install nginx-light`) with OpenSSL before 3.5 has no hybrid key
//! exchange, so X25519 is what is compared; the other row says what X25519MLKEM768
//! costs on top.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::NamedGroup;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use support::client::Spent;
use support::harness::client::{Client, tls};
use support::harness::{Sandbox, Server};
use support::{Peer, Table, binary, installed, median, number, process_cpu, rounds};

/// nginx, one process.
fn nginx(sandbox: &Sandbox) -> Peer {
    let (pki, tmp) = (sandbox.home().join("pki"), sandbox.path("tmp"));
    Peer::start("nginx", |port| {
        let config = format!(
            "daemon off; master_process off; pid {tmp}/nginx.pid; error_log stderr error;
             events {{ worker_connections 1024; }}
             http {{
               access_log off; client_body_temp_path {tmp}; proxy_temp_path {tmp};
               fastcgi_temp_path {tmp}; uwsgi_temp_path {tmp}; scgi_temp_path {tmp};
               server {{
                 listen 127.0.0.1:{port} ssl;
                 ssl_certificate {pki}/server.pem; ssl_certificate_key {pki}/server.key;
                 ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;
                 location / {{ return 200; }}
               }}
             }}",
            tmp = tmp.display(),
            pki = pki.display(),
        );
        let config = sandbox.write("nginx.conf", config);
        let mut command = sandbox.program("nginx");
        command.arg("-p").arg(sandbox.path("tmp")).arg("-c").arg(config).stdout(Stdio::null());
        command
    })
}

/// A client that never resumes and offers `group` alone.
fn config(sandbox: &Sandbox, group: NamedGroup) -> ClientConfig {
    let mut provider: CryptoProvider = aws_lc_rs::default_provider();
    provider.kx_groups.retain(|offered| offered.name() == group);
    assert_eq!(provider.kx_groups.len(), 1);
    let mut config = tls(sandbox, provider, &["http/1.1"]);
    config.resumption = Resumption::disabled();
    config
}

/// Connects `total` times, one after the other.
fn load(config: &ClientConfig, port: u16, pid: u32, total: usize) -> Spent {
    let config = Arc::new(config.clone());
    let (start, before) = (Instant::now(), process_cpu(pid));
    for _ in 0..total {
        let mut client = Client::to(Arc::clone(&config), port).unwrap();
        client.close();
    }
    let spent = process_cpu(pid) - before;
    let total = total as f64;
    Spent { microseconds: spent * 1e6 / total, per_second: total / start.elapsed().as_secs_f64() }
}

fn main() {
    let total = number("SEALSERVE_BENCH_REQUESTS", 5000);
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let classic = config(&sandbox, NamedGroup::X25519);
    let hybrid = config(&sandbox, NamedGroup::X25519MLKEM768);
    let nginx = installed("nginx").then(|| nginx(&sandbox));
    let mut serve = sandbox.program(binary());
    serve.arg("serve");
    let server = Server::spawn(&sandbox, serve);

    let mut spent = [const { Vec::new() }; 3];
    for round in 0..=rounds() {
        let ours = load(&classic, server.port(), server.pid(), total);
        let quantum = load(&hybrid, server.port(), server.pid(), total);
        let theirs = nginx.as_ref().map(|nginx| load(&classic, nginx.port, nginx.pid(), total));
        // The first round warms up.
        if round > 0 {
            spent[0].push(ours);
            spent[1].push(quantum);
            spent[2].extend(theirs);
        }
    }

    support::heading(&binary());
    let cpu = |row: &[Spent]| median(row.iter().map(|spent| spent.microseconds));
    let peer = nginx.is_some().then(|| cpu(&spent[2]));
    let mut table = Table::new(&["", "CPU us/handshake", "handshakes/s", "it / nginx"]);
    for (name, row) in ["sealserve, X25519", "sealserve, X25519MLKEM768", "nginx, X25519"].iter().zip(&spent)
    {
        if !row.is_empty() {
            let per_second = median(row.iter().map(|spent| spent.per_second));
            table.row(name, &[Some(cpu(row)), Some(per_second), peer.map(|peer| cpu(row) / peer)]);
        }
    }
    table.print(&format!("TLS 1.3, P-256, full handshakes, one client, median of {} rounds", rounds()));
}
