//! Who signs: a root, an intermediate, or any authority out of files. Nothing
//! leaves this module before it was read again and verified like a stranger's.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::finding::{Check, Level};
use super::lifetime::{self, Kind, Within, validity};
use super::verify::{Question, verify};
use super::{Certificate, Limits, Name, PkiError, Principal, Purpose, profile, read};
use crate::clock::UnixSeconds;
use crate::crypto::random;
use crate::secret::SecretBytes;

/// A certificate with the key that may sign in its name.
pub struct Signer {
    certificate: Certificate,
    /// Those above it, as far as they are known, the nearest first.
    above: Vec<Certificate>,
    issuer: Issuer<'static, KeyPair>,
}

/// A root and its intermediate.
pub struct Authority {
    /// Signs intermediates only.
    pub root: Signer,
    /// Signs leaves only.
    pub issuing: Signer,
    /// What the caller should know of it.
    pub warnings: Vec<String>,
}

/// BoringSSL refuses what it cannot compare (X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE).
const UNREADABLE_LIMITS: &str = "this authority limits IP addresses, which BoringSSL cannot read: clients \
    that use it, such as gRPC, refuse its certificates that name an IP address";

/// What an authority shall be.
#[derive(Debug)]
pub struct AuthorityRequest<'a> {
    /// Begins its name.
    pub title: &'a str,
    /// What it may vouch for.
    pub limits: &'a Limits,
    /// How long the root lasts, if not for [`lifetime::ROOT`].
    pub root_lifetime: Option<Duration>,
    /// How long the intermediate lasts, if not five years.
    pub issuing_lifetime: Option<Duration>,
}

/// Whom a leaf is for.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// A server that answers to these names.
    Server(&'a [Name]),
    /// A client.
    Client(&'a Principal),
}

/// What a leaf shall be.
#[derive(Debug, Clone, Copy)]
pub struct LeafRequest<'a> {
    /// Whom it is for.
    pub holder: Holder<'a>,
    /// How long it lasts, if that was asked for: granted or refused.
    pub lifetime: Option<Duration>,
    /// How long it lasts otherwise, if not as long as is usual for its kind: cut to what
    /// its issuer has left.
    pub usual: Option<Duration>,
    /// Even if that is longer than clients may accept.
    pub allow_long: bool,
}

/// A leaf certificate with its key.
pub struct Leaf {
    /// The certificate.
    pub certificate: Certificate,
    /// The chain as a TLS peer sends it: leaf, then intermediates. PEM.
    pub chain: String,
    /// The private key, PKCS#8 in PEM.
    pub key: SecretBytes,
    /// What the caller should know of it.
    pub warnings: Vec<String>,
}

impl Authority {
    /// A new root and intermediate.
    pub fn create(request: &AuthorityRequest<'_>, now: UnixSeconds) -> Result<Self, PkiError> {
        let AuthorityRequest { title, limits, .. } = request;
        // Two authorities of one title must not share a name: verifiers find issuers by it.
        let tag = data_encoding::HEXLOWER.encode(&random::bytes::<4>());
        let asked = request.root_lifetime;
        let (time, mut warnings) = validity(Kind::Authority, asked, lifetime::ROOT, None, false, now)?;
        let params = profile::authority(title, &format!("root {tag}"), 1, limits, time);
        let key = new_key()?;
        let root = Certificate::from_rcgen(&params.self_signed(&key)?)?;
        let root = Signer::assemble(vec![root], key)?;
        root.require_sound(&root.certificate, None, now)?;

        let (asked, usual) = (request.issuing_lifetime, lifetime::INTERMEDIATE);
        let (time, more) = validity(Kind::Authority, asked, usual, Some(root.within()), false, now)?;
        let params = profile::authority(title, &format!("issuing {tag}"), 0, limits, time);
        let key = new_key()?;
        let issuing = root.sign(&params, &key, None, now)?;
        let issuing = Signer::assemble(vec![issuing, root.certificate.clone()], key)?;
        warnings.extend(more);
        if limits.networks.is_some() {
            warnings.push(UNREADABLE_LIMITS.to_owned());
        }
        Ok(Self { root, issuing, warnings })
    }
}

impl Signer {
    /// The authority whose certificate is the first of `certificates`, and whose key
    /// `key` holds. The others are those above it. `origin` is what messages call the key,
    /// and `file` where it was read, if from a file.
    pub fn load(
        certificates: Vec<Certificate>,
        key: &SecretBytes,
        origin: &str,
        file: Option<&Path>,
    ) -> Result<Self, PkiError> {
        Self::assemble(certificates, read::private_key(key, origin, file)?)
    }

    pub(super) fn assemble(mut certificates: Vec<Certificate>, key: KeyPair) -> Result<Self, PkiError> {
        if certificates.is_empty() {
            return Err(PkiError::NoAuthority);
        }
        let certificate = certificates.remove(0);
        let facts = &certificate.facts;
        let refused = |reason| PkiError::NotAnAuthority { subject: facts.subject.clone(), reason };
        if !facts.ca {
            return Err(refused("its basicConstraints do not say that it may"));
        }
        if !facts.allows("keyCertSign") {
            return Err(refused("its keyUsage does not allow it"));
        }
        if key.public_key_raw() != facts.key.raw {
            return Err(PkiError::KeyMismatch { subject: facts.subject.clone() });
        }
        // Its name and key identifier are taken from the certificate, however it was made.
        let issuer = Issuer::from_ca_cert_der(&certificate.der().into(), key)
            .map_err(|_| PkiError::IssuerName { subject: facts.subject.clone() })?;
        Ok(Self { certificate, above: certificates, issuer })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its private key, PKCS#8 DER.
    pub fn key(&self) -> SecretBytes {
        SecretBytes::from(self.issuer.key().serialize_der())
    }

    /// Its private key, PKCS#8 in PEM.
    pub fn key_pem(&self) -> SecretBytes {
        SecretBytes::from(self.issuer.key().serialize_pem())
    }

    /// Whether it signs itself.
    pub fn is_root(&self) -> bool {
        self.certificate.is_self_issued()
    }

    /// Issues a leaf with a new key.
    pub fn issue(&self, request: &LeafRequest<'_>, now: UnixSeconds) -> Result<Leaf, PkiError> {
        let LeafRequest { holder, lifetime, usual: kept, allow_long } = *request;
        let (kind, usual, purpose) = match holder {
            Holder::Server(_) => (Kind::Server, lifetime::SERVER, Purpose::Server),
            Holder::Client(_) => (Kind::Client, lifetime::CLIENT, Purpose::Client),
        };
        let usual = kept.unwrap_or(usual);
        let (time, warnings) = validity(kind, lifetime, usual, Some(self.within()), allow_long, now)?;
        let params = match holder {
            Holder::Server(names) => profile::server(names, time)?,
            Holder::Client(principal) => profile::client(principal, time)?,
        };
        let key = new_key()?;
        let certificate = self.sign(&params, &key, Some(purpose), now)?;
        let sent = std::iter::once(&self.certificate).chain(&self.above).filter(|c| !c.is_self_issued());
        let chain = std::iter::once(&certificate).chain(sent).map(Certificate::pem).collect();
        Ok(Leaf { chain, key: SecretBytes::from(key.serialize_pem()), warnings, certificate })
    }

    /// Signs `params` for `key`, and verifies what came out.
    pub(super) fn sign(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
        purpose: Option<Purpose>,
        now: UnixSeconds,
    ) -> Result<Certificate, PkiError> {
        let signed = Certificate::from_rcgen(&params.signed_by(key, &self.issuer)?)?;
        self.require_sound(&signed, purpose, now)?;
        Ok(signed)
    }

    /// Fails unless `signed`, by this authority, would hold before any verifier. The
    /// library that signs reproduces the authority's name from its parts, derives key
    /// identifiers, and has defaults that nobody wants: what counts is what came out.
    fn require_sound(
        &self,
        signed: &Certificate,
        purpose: Option<Purpose>,
        now: UnixSeconds,
    ) -> Result<(), PkiError> {
        let subject = || self.certificate.facts.subject.clone();
        if signed.facts.issuer_der != self.certificate.facts.subject_der {
            return Err(PkiError::IssuerName { subject: subject() });
        }
        let chain: Vec<_> = [signed, &self.certificate].into_iter().chain(&self.above).cloned().collect();
        // Where no root is known, the authority itself must do.
        let root = chain.iter().rev().find(|certificate| certificate.is_self_issued());
        let anchors = [root.unwrap_or(&self.certificate).clone()];
        let (named, impostor) = (None, false);
        let question = Question { chain: &chain, anchors: &anchors, purpose, named, impostor, at: now };
        let mut findings = verify(&question).findings;
        findings.retain(|finding| finding.level == Level::Error);
        if findings.iter().any(|finding| finding.check == Check::NameConstraints) {
            let permitted = chain[1..].iter().flat_map(|certificate| &certificate.facts.permitted);
            let permitted: BTreeSet<_> =
                permitted.filter(|name| !profile::is_nobody(name)).map(|name| plain(name)).collect();
            let permitted: Vec<_> = permitted.into_iter().collect();
            let holder = signed.facts.holder();
            return Err(PkiError::OutsideConstraints {
                holder,
                subject: subject(),
                permitted: permitted.join(", "),
            });
        }
        if findings.is_empty() { Ok(()) } else { Err(PkiError::Unsound { findings }) }
    }

    fn within(&self) -> Within<'_> {
        let facts = &self.certificate.facts;
        Within { subject: &facts.subject, not_before: facts.not_before, not_after: facts.not_after }
    }
}

impl Certificate {
    pub(super) fn from_rcgen(made: &rcgen::Certificate) -> Result<Self, PkiError> {
        Self::parse(made.der())
            .map_err(|detail| PkiError::NotACertificate { origin: "the new certificate".into(), detail })
    }
}

/// A P-256 key. Its PKCS#8 is version 1, which OpenSSL 3.0 reads; that of an Ed25519
/// key would be version 2, which it does not.
pub(super) fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// A general name without its kind.
fn plain(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, name)| name)
}
