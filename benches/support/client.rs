//! A client that keeps a server busy: some keep-alive connections, one request at a
//! time on each.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::harness::Sandbox;
use super::process_cpu;

pub const CONNECTIONS: usize = 16;

/// What a load has cost the server, for each request.
#[derive(Clone, Copy)]
pub struct Spent {
    pub microseconds: f64,
    pub per_second: f64,
}

/// Keep-alive connections to one server.
pub struct Client {
    connections: Vec<TlsStream<TcpStream>>,
}

impl Client {
    pub async fn connect(port: u16, tls: &Arc<ClientConfig>) -> Self {
        Self::with(CONNECTIONS, port, tls).await
    }

    /// With so many connections.
    pub async fn with(count: usize, port: u16, tls: &Arc<ClientConfig>) -> Self {
        let mut connections = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            connections.push(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.unwrap());
        }
        Self { connections }
    }

    /// Sends `total` of `requests`, each in its turn, one at a time on each
    /// connection; process `pid` is the server.
    pub async fn load(&mut self, requests: &Rc<Vec<Vec<u8>>>, total: usize, pid: u32) -> Spent {
        let next = Rc::new(std::cell::Cell::new(0));
        let (start, before) = (Instant::now(), process_cpu(pid));
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let mut running = Vec::new();
                for mut stream in self.connections.drain(..) {
                    let (requests, next) = (Rc::clone(requests), Rc::clone(&next));
                    running.push(tokio::task::spawn_local(async move {
                        let mut buffer = Vec::with_capacity(16 << 10);
                        loop {
                            let turn = next.get();
                            if turn == total {
                                return stream;
                            }
                            next.set(turn + 1);
                            exchange(&mut stream, &requests[turn % requests.len()], &mut buffer).await;
                        }
                    }));
                }
                for task in running {
                    self.connections.push(task.await.unwrap());
                }
            })
            .await;
        let spent = process_cpu(pid) - before;
        let total = total as f64;
        Spent { microseconds: spent * 1e6 / total, per_second: total / start.elapsed().as_secs_f64() }
    }
}

/// One request and its answer, which must be 200.
async fn exchange(stream: &mut TlsStream<TcpStream>, request: &[u8], buffer: &mut Vec<u8>) {
    stream.write_all(request).await.unwrap();
    buffer.clear();
    let body = loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the server closed the connection");
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..body]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(buffer));
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let end = body + length.expect("a length");
    while buffer.len() < end {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the server closed the connection");
    }
}

/// Trusts the CA of `sandbox`.
pub fn tls(sandbox: &Sandbox) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(sandbox.home().join("pki/ca.pem")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}
