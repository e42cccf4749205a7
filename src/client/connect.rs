//! The way to a server: TCP, then TLS with its certificate checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ClientError;
use super::target::Target;
use crate::pki;
use crate::secret::SecretBytes;

const LIMIT: u64 = 4 << 20;

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those issued under a certificate in this file.
    File(PathBuf),
    /// Those that the system trusts.
    System,
}

/// A client's certificate and its key, both in PEM.
pub struct Identity {
    /// The chain, the client's own certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: SecretBytes,
    /// What messages call it.
    pub key_origin: String,
    /// Where it was read, if from a file.
    pub key_file: Option<PathBuf>,
}

/// Makes connections.
pub struct Connector {
    tls: Option<TlsConnector>,
}

/// An open connection, for one request.
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) authority: String,
    /// When it began to be made, and how long all may take from then on.
    pub(super) begun: Instant,
    pub(super) limit: Duration,
}

pub(super) enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl Connector {
    /// For connections to `target`. Without TLS they must be wanted so, and lead to this
    /// machine.
    pub fn new(
        target: &Target,
        trust: &Trust,
        identity: Option<&Identity>,
        insecure: bool,
    ) -> Result<Self, ClientError> {
        if target.is_tls() {
            let config = config(trust, identity)?;
            return Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) });
        }
        if !insecure || !target.is_loopback() {
            return Err(ClientError::Plain);
        }
        Ok(Self { tls: None })
    }

    /// Connects to `target`. `limit` is for all, from the connection to the end of the answer.
    pub async fn connect(&self, target: &Target, limit: Duration) -> Result<Connection, ClientError> {
        let authority = target.authority().to_owned();
        let begun = Instant::now();
        match tokio::time::timeout(limit, self.open(target)).await {
            Ok(stream) => Ok(Connection { stream: stream?, authority, begun, limit }),
            Err(_) => Err(ClientError::ConnectTimeout { authority, limit }),
        }
    }

    async fn open(&self, target: &Target) -> Result<Stream, ClientError> {
        let authority = || target.authority().to_owned();
        let failed = |source| ClientError::Connect { authority: authority(), source };
        let stream = TcpStream::connect((target.host(), target.port())).await.map_err(failed)?;
        let Some(tls) = &self.tls else {
            // Whatever the name resolved to.
            let there = stream.peer_addr().map_err(failed)?.ip();
            return if there.is_loopback() { Ok(Stream::Plain(stream)) } else { Err(ClientError::Plain) };
        };
        stream.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(target.host().to_owned())
            .map_err(|_| ClientError::Url { detail: "its host is neither a name nor an address".into() })?;
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|source| ClientError::handshake(target.authority(), source))?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

fn config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, ClientError> {
    let tls = |source| ClientError::Tls { source };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_root_certificates(roots(trust)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = pki::client_chain(&identity.chain, LIMIT)?;
            let key =
                pki::private_key_der(&identity.key, &identity.key_origin, identity.key_file.as_deref())?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| ClientError::Identity { path: identity.chain.clone(), source })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(trust: &Trust) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::File(path) => {
            for certificate in pki::chain(path, LIMIT)? {
                roots.add(certificate).map_err(|source| ClientError::Root { path: path.clone(), source })?;
            }
        }
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(ClientError::NoRoots) } else { Ok(roots) }
}
