//! The TLS configuration: certificate and versions.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};

use crate::config::{TlsTable, TlsVersion};
use crate::server::ServerError;
use crate::{fs, pki};

const LIMIT: u64 = 1 << 20;

/// The server's certificate, and the names in it.
pub(in crate::server) struct Identity {
    pub(in crate::server) config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
}

impl Identity {
    /// Whether the certificate is valid for `host`: a name, or an address without brackets.
    pub(in crate::server) fn answers_to(&self, host: &str) -> bool {
        ParsedCertificate::try_from(&self.leaf).is_ok_and(|leaf| {
            ServerName::try_from(host).is_ok_and(|name| verify_server_name(&leaf, &name).is_ok())
        })
    }
}

/// The identity for the certificate and key in `table`.
pub(in crate::server) fn identity(table: &TlsTable) -> Result<Arc<Identity>, ServerError> {
    let versions = match table.min_version {
        TlsVersion::Tls13 => &[&TLS13][..],
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
    };
    let chain = pki::server_chain(&table.certificate, LIMIT)?;
    let key = private_key(&table.key)?;
    // `pki::server_chain` returns at least one certificate.
    let leaf = chain.first().cloned().unwrap_or_else(|| Vec::new().into());
    let tls = |source| ServerError::Tls { path: table.certificate.clone(), source };
    // The provider's own order prefers X25519MLKEM768 (feature `prefer-post-quantum`).
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(tls)?;
    // Early data could be replayed (RFC 8446, section 8).
    config.max_early_data_size = 0;
    Ok(Arc::new(Identity { config: Arc::new(config), leaf }))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ServerError> {
    let pem = fs::read_secret(path, LIMIT)?;
    Ok(pki::private_key_der(&pem, &format!("'{}'", path.display()), Some(path))?)
}
