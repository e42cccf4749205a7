//! The way to a server: TCP, then TLS with its certificate checked.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{SendError, SendRequest, Target};
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
pub(super) struct Connector {
    tls: Option<TlsConnector>,
}

/// An open connection.
pub(super) enum Connected {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl Connector {
    pub(super) fn new(request: &SendRequest<'_>) -> Result<Self, SendError> {
        let target = &request.outgoing.target;
        if target.is_tls() {
            let config = config(&request.trust, request.identity.as_ref())?;
            return Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) });
        }
        if !request.insecure || !target.is_loopback() {
            return Err(SendError::Plain);
        }
        Ok(Self { tls: None })
    }

    pub(super) async fn connect(&self, target: &Target) -> Result<Connected, SendError> {
        let authority = || target.authority().to_owned();
        let failed = |source| SendError::Connect { authority: authority(), source };
        let stream = TcpStream::connect((target.host(), target.port())).await.map_err(failed)?;
        let Some(tls) = &self.tls else {
            // Whatever the name resolved to.
            let there = stream.peer_addr().map_err(failed)?.ip();
            return if there.is_loopback() { Ok(Connected::Plain(stream)) } else { Err(SendError::Plain) };
        };
        stream.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(target.host().to_owned())
            .map_err(|_| SendError::Url { detail: "its host is neither a name nor an address".into() })?;
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|source| SendError::handshake(target.authority(), source))?;
        Ok(Connected::Tls(Box::new(stream)))
    }
}

fn config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, SendError> {
    let tls = |source| SendError::Tls { source };
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
                .map_err(|source| SendError::Identity { path: identity.chain.clone(), source })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(trust: &Trust) -> Result<RootCertStore, SendError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::File(path) => {
            for certificate in pki::chain(path, LIMIT)? {
                roots.add(certificate).map_err(|source| SendError::Root { path: path.clone(), source })?;
            }
        }
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(SendError::NoRoots) } else { Ok(roots) }
}
