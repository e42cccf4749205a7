//! Root and intermediate, and what they sign.

use rcgen::{CertifiedIssuer, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::{Name, profile};
use crate::clock::UnixSeconds;
use crate::crypto::random;
use crate::error::Diagnose;
use crate::secret::SecretBytes;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum PkiError {
    #[error("a server certificate needs at least one name")]
    NoName,
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

impl Diagnose for PkiError {}

/// A root and its intermediate, with their keys.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

/// A leaf certificate with its key.
pub struct Leaf {
    /// The chain as a TLS server sends it: leaf, then intermediate. PEM.
    pub chain: String,
    /// The private key, PKCS#8, PEM.
    pub key: SecretBytes,
}

impl Authority {
    /// A new root and intermediate that can vouch for `names` and what lies below them.
    pub fn create(title: &str, names: &[Name], now: UnixSeconds) -> Result<Self, PkiError> {
        // Two authorities of one title must not share a name: verifiers find issuers by it.
        let tag = data_encoding::HEXLOWER.encode(&random::bytes::<4>());
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        let root = profile::root(&format!("{title} root {tag}"), names, now);
        let root = CertifiedIssuer::self_signed(root, key()?)?;
        let intermediate = profile::intermediate(&format!("{title} issuing {tag}"), names, now);
        let intermediate = CertifiedIssuer::signed_by(intermediate, key()?, &root)?;
        Ok(Self { root, intermediate })
    }

    /// Issues a server certificate for `names`.
    pub fn issue_server(&self, names: &[Name], now: UnixSeconds) -> Result<Leaf, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = profile::server(names, now)?.signed_by(&key, issuer(&self.intermediate))?;
        Ok(Leaf { chain: leaf.pem() + &self.intermediate.pem(), key: SecretBytes::from(key.serialize_pem()) })
    }

    /// The root certificate, PEM: what clients trust.
    pub fn root_certificate(&self) -> String {
        self.root.pem()
    }

    /// The intermediate certificate, PEM.
    pub fn intermediate_certificate(&self) -> String {
        self.intermediate.pem()
    }

    /// The private keys of root and intermediate, PKCS#8 DER.
    pub fn keys(&self) -> (SecretBytes, SecretBytes) {
        let key = |issuer: &Issuer<'_, KeyPair>| SecretBytes::from(issuer.key().serialize_der());
        (key(&self.root), key(&self.intermediate))
    }
}

fn issuer<'a>(authority: &'a CertifiedIssuer<'static, KeyPair>) -> &'a Issuer<'static, KeyPair> {
    authority
}
