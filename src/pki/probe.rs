//! The certificates that a live TLS endpoint shows. The connection is made for
//! looking only: nothing is trusted, and nothing is sent over it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::{Certificate, Name, PkiError, path};

/// For the connection and the handshake together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a TLS server listens: `host:port`, `[::1]:443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: Name,
    /// The port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("'{text}' is not host:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(refused)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host: Name = bracketed.unwrap_or(host).parse().map_err(|_| refused())?;
        let v6 = matches!(host, Name::Ip(address) if address.is_ipv6());
        if host.is_wildcard() || v6 != bracketed.is_some() {
            return Err(refused());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Name::Ip(address) => SocketAddr::new(address, self.port).fmt(f),
            Name::Dns(ref name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// What an endpoint showed.
#[derive(Debug)]
pub struct Shown {
    /// Its chain, in the order in which it was sent.
    pub chain: Vec<Certificate>,
    /// Whether it proved to have the key of the first.
    pub possession: bool,
    /// The protocol version, such as `TLSv1.3`.
    pub protocol: Option<String>,
    /// The key exchange group, such as `X25519MLKEM768`.
    pub key_exchange: Option<String>,
    /// The cipher suite.
    pub cipher_suite: Option<String>,
}

/// Connects to `endpoint` and writes down what it shows.
pub fn probe(endpoint: &Endpoint) -> Result<Shown, PkiError> {
    let name = endpoint.to_string();
    let tls = |source| PkiError::Tls { endpoint: name.clone(), source };
    let provider = Arc::new(path::provider());
    let recorder =
        Arc::new(Recorder { algorithms: provider.signature_verification_algorithms, seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let host = ServerName::try_from(endpoint.host.to_string())
        .map_err(|_| tls(Error::General("it has no name that TLS can ask for".into())))?;
    let mut connection = ClientConnection::new(Arc::new(config), host).map_err(tls)?;

    let deadline = Instant::now() + PATIENCE;
    let socket =
        connect(endpoint, deadline).map_err(|source| PkiError::Connect { endpoint: name.clone(), source })?;
    let mut stream = Timed { socket, deadline };
    let mut outcome = Ok(());
    while connection.is_handshaking() && outcome.is_ok() {
        outcome = connection.complete_io(&mut stream).map(drop);
    }
    connection.send_close_notify();
    let _ = connection.write_tls(&mut stream);

    let seen = recorder.seen.lock().map(|seen| seen.clone()).unwrap_or_default();
    // Who demands a certificate of ours may end the handshake after showing its own.
    if seen.chain.is_empty() {
        let source = outcome.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        return Err(PkiError::Handshake { endpoint: name, source });
    }
    let chain = seen.chain.iter().enumerate().map(|(at, der)| {
        let malformed = |detail| PkiError::Malformed { origin: name.clone(), number: at + 1, detail };
        Certificate::parse(der).map_err(malformed)
    });
    Ok(Shown {
        chain: chain.collect::<Result<_, _>>()?,
        possession: seen.possession,
        protocol: connection
            .protocol_version()
            .and_then(|v| v.as_str())
            .map(|version| version.replace('_', ".")),
        key_exchange: connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        cipher_suite: connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
    })
}

fn connect(endpoint: &Endpoint, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match endpoint.host {
        Name::Ip(address) => vec![SocketAddr::new(address, endpoint.port)],
        Name::Dns(ref name) => (name.as_str(), endpoint.port).to_socket_addrs()?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What is left until `deadline`; nothing left is an error.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket whose every wait ends at one deadline: a server that sends a byte now
/// and then does not hold us for ever.
struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A socket's timeout has a name that nobody understands.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

#[derive(Debug, Clone, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    possession: bool,
}

/// Accepts every certificate and writes it down.
#[derive(Debug)]
struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Seen>,
}

impl Recorder {
    /// Writes down whether the key was proven; the handshake goes on either way.
    fn note(&self, possession: bool) -> HandshakeSignatureValid {
        if let Ok(mut seen) = self.seen.lock() {
            seen.possession = possession;
        }
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(mut seen) = self.seen.lock() {
            seen.chain = std::iter::once(leaf).chain(others).map(|c| c.clone().into_owned()).collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.note(verify_tls12_signature(message, leaf, signature, &self.algorithms).is_ok()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.note(verify_tls13_signature(message, leaf, signature, &self.algorithms).is_ok()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for text in ["localhost:8443", "127.0.0.1:443", "[::1]:443", "models.example:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "a",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "::1:443",
            "[a]:1",
            "[127.0.0.1]:1",
            "*.a:1",
            "./a:1",
            "a/b:1",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,60}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                proptest::prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
        }
    }
}
