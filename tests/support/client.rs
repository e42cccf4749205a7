//! A TLS client of which a test controls every byte: for what curl would never send.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Answer, PATIENCE, Sandbox, Server};

/// A client's side of TLS that trusts the sandbox's CA and offers `alpn`.
pub fn tls(sandbox: &Sandbox, provider: CryptoProvider, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(sandbox.home().join("pki/ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// One connection.
pub struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// Connects for HTTP/1.1.
    pub fn new(sandbox: &Sandbox, server: &Server) -> Self {
        Self::with(tls(sandbox, aws_lc_rs::default_provider(), &["http/1.1"]), server).unwrap()
    }

    /// Connects with `config`; the handshake is over when this returns.
    pub fn with(config: ClientConfig, server: &Server) -> io::Result<Self> {
        Self::to(Arc::new(config), server.port())
    }

    /// Connects to whatever listens on `port`.
    pub fn to(config: Arc<ClientConfig>, port: u16) -> io::Result<Self> {
        Self::over(config, TcpStream::connect(("127.0.0.1", port))?)
    }

    /// The same, over a connection that is there.
    pub fn over(config: Arc<ClientConfig>, tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// What was negotiated.
    pub fn tls(&self) -> &ClientConnection {
        &self.0.conn
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref())?;
        self.0.flush()
    }

    /// Reads without writing what TLS may still want to: a server that has heard
    /// enough may have closed its side.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.conn.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.0.conn.read_tls(&mut self.0.sock)? == 0 {
                return Ok(0);
            }
            self.0.conn.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Reads at most so many bytes, and at least one.
    pub fn some(&mut self, most: usize) -> io::Result<usize> {
        self.read(&mut vec![0; most])
    }

    fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buffer = &mut buffer[count..],
            }
        }
        Ok(())
    }

    /// Sends one request and waits for the head of its answer.
    pub fn ask_for_head(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request)?;
        self.head()
    }

    /// The next answer, which must announce its length.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body.resize(length, 0);
        self.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        Ok(Answer { status, headers: lines.filter_map(pair).collect(), body: Vec::new() })
    }

    /// Sends one request and waits for its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request)?;
        self.answer()
    }

    /// Says that there is nothing more to come, and leaves.
    pub fn close(&mut self) {
        self.0.conn.send_close_notify();
        let _ = self.0.flush();
    }

    /// What the other side says until it closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer) {
                Ok(count) if count > 0 => all.extend(&buffer[..count]),
                _ => return all,
            }
        }
    }

    /// Waits for the other side to close, reading what it still says.
    pub fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                }
            }
        }
    }
}

/// The head of a POST with `token`; `more` holds further header lines, each with its end.
pub fn head(path: &str, token: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
}

/// A whole inference request.
pub fn infer(model: &str, token: &str, body: &str) -> String {
    let length = format!("Content-Length: {}\r\n", body.len());
    head(&format!("/v2/models/{model}/infer"), token, &length) + body
}
