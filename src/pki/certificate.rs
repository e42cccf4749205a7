//! A certificate and what it says. Bytes come from anywhere; what is read here is
//! neither proven nor judged.

use data_encoding::BASE64;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::name::Name;
use super::principal::Principal;
use super::text;
use crate::crypto::digest::sha256;

/// No certificate that anyone uses comes near it.
const LIMIT: usize = 64 << 10;

/// A certificate: its bytes, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// What it says.
    pub facts: Facts,
}

/// What a certificate says (RFC 5280, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// 1, 2 or 3.
    pub version: u32,
    /// The serial number as it is encoded: big-endian, two's complement.
    pub serial: Vec<u8>,
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The exact bytes of both names: what verifiers compare.
    pub(super) subject_der: Vec<u8>,
    pub(super) issuer_der: Vec<u8>,
    /// When it begins and ends, in seconds since 1970.
    pub not_before: i64,
    /// See `not_before`; this second is still within.
    pub not_after: i64,
    /// Whether both times are encoded as RFC 5280 demands.
    pub(super) times_encoded_well: bool,
    /// Its public key.
    pub key: PublicKey,
    /// The name of the algorithm that signed it, or its object identifier.
    pub signature_algorithm: String,
    /// Whether both places that name it agree.
    pub(super) signature_algorithms_agree: bool,
    /// Subject alternative names, such as `DNS:models.example`.
    pub names: Vec<String>,
    /// Those of them that a server can answer to.
    pub hosts: Vec<Name>,
    /// The principal among them.
    pub principal: Option<Principal>,
    /// Object identifiers of all extensions, in order, and whether they are critical.
    pub(super) extensions: Vec<(String, bool)>,
    /// Object identifiers of those that could not be read.
    pub(super) unreadable: Vec<String>,
    /// Whether it may sign certificates (basicConstraints).
    pub ca: bool,
    /// How many authorities may stand below it.
    pub path_length: Option<u32>,
    /// What its key may do (keyUsage), where it says so.
    pub key_usages: Option<Vec<&'static str>>,
    /// What it may be used for (extendedKeyUsage), where it says so.
    pub extended_key_usages: Option<Vec<String>>,
    /// Names below it (nameConstraints): permitted, excluded.
    pub permitted: Vec<String>,
    /// See `permitted`.
    pub excluded: Vec<String>,
    /// Names its key (subjectKeyIdentifier).
    pub subject_key_id: Option<Vec<u8>>,
    /// Names the key that signed it (authorityKeyIdentifier).
    pub authority_key_id: Option<Vec<u8>>,
    /// SHA-256 of the whole.
    pub fingerprint: [u8; 32],
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Such as `P-256`, `RSA` or `Ed25519`, or an object identifier.
    pub algorithm: String,
    /// Its size, where the algorithm has several.
    pub bits: Option<usize>,
    /// The key itself, as the subjectPublicKey field holds it.
    pub(super) raw: Vec<u8>,
    /// The AlgorithmIdentifier before it, without its outer tag and length.
    pub(super) algorithm_der: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo: what `sha256//` pins hold.
    pub pin: [u8; 32],
}

impl Certificate {
    /// Reads one certificate in DER, with nothing after it.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        if der.len() > LIMIT {
            return Err(format!("it is larger than {LIMIT} bytes"));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| match error {
            // The parser says how much it lacks, which nobody can use.
            x509_parser::nom::Err::Incomplete(_) => "it ends too early".to_owned(),
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => match error {
                X509Error::NomError(_) | X509Error::Der(_) => "its structure is not that of one".to_owned(),
                other => other.to_string(),
            },
        })?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        Ok(Self { der: der.to_vec(), facts: Facts::new(&parsed, der) })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        let body = BASE64.encode(&self.der);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// Whether its own name stands as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.facts.subject_der == self.facts.issuer_der
    }
}

impl Facts {
    fn new(parsed: &X509Certificate<'_>, der: &[u8]) -> Self {
        let tbs = &parsed.tbs_certificate;
        let (not_before, not_after) = (tbs.validity.not_before, tbs.validity.not_after);
        let mut facts = Self {
            version: tbs.version.0.saturating_add(1),
            serial: parsed.raw_serial().to_vec(),
            subject: text::distinguished_name(&tbs.subject),
            issuer: text::distinguished_name(&tbs.issuer),
            subject_der: tbs.subject.as_raw().to_vec(),
            issuer_der: tbs.issuer.as_raw().to_vec(),
            not_before: not_before.timestamp(),
            not_after: not_after.timestamp(),
            // UTCTime through 2049, GeneralizedTime from 2050 (section 4.1.2.5).
            times_encoded_well: [not_before, not_after]
                .iter()
                .all(|time| time.is_utctime() == (1950..2050).contains(&time.to_datetime().year())),
            key: PublicKey::new(parsed),
            signature_algorithm: signature_name(&parsed.signature_algorithm.algorithm.to_id_string()),
            signature_algorithms_agree: parsed.signature_algorithm == tbs.signature,
            names: Vec::new(),
            hosts: Vec::new(),
            principal: None,
            extensions: Vec::new(),
            unreadable: Vec::new(),
            ca: false,
            path_length: None,
            key_usages: None,
            extended_key_usages: None,
            permitted: Vec::new(),
            excluded: Vec::new(),
            subject_key_id: None,
            authority_key_id: None,
            fingerprint: sha256(&[der]),
        };
        for extension in tbs.extensions() {
            let oid = extension.oid.to_id_string();
            facts.read(extension.parsed_extension(), &oid);
            facts.extensions.push((oid, extension.critical));
        }
        facts
    }

    fn read(&mut self, extension: &ParsedExtension<'_>, oid: &str) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                self.ca = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.key_usages = Some(key_usages(*usage)),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usages = Some(extended_key_usages(usage));
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    self.read_name(name);
                }
                let uris = names.general_names.iter().filter_map(|name| match name {
                    GeneralName::URI(uri) => Principal::of_uri(uri),
                    _ => None,
                });
                // Of several, none: a certificate names one client.
                self.principal = match uris.collect::<Vec<_>>().as_slice() {
                    [only] => only.clone(),
                    _ => None,
                };
            }
            ParsedExtension::NameConstraints(constraints) => {
                let bases = |subtrees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
                    subtrees.iter().flatten().map(|subtree| text::subtree(&subtree.base)).collect()
                };
                self.permitted = bases(&constraints.permitted_subtrees);
                self.excluded = bases(&constraints.excluded_subtrees);
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::ParseError { .. } => self.unreadable.push(oid.to_owned()),
            _ => {}
        }
    }

    fn read_name(&mut self, name: &GeneralName<'_>) {
        self.names.push(text::general_name(name));
        match name {
            GeneralName::DNSName(name) => self.hosts.extend(name.parse().ok()),
            GeneralName::IPAddress(bytes) => self.hosts.extend(text::address(bytes).map(Name::Ip)),
            _ => {}
        }
    }

    /// Whom it names, as people call them.
    pub fn holder(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        match &self.principal {
            Some(principal) if hosts.is_empty() => principal.to_string(),
            _ if hosts.is_empty() => self.subject.clone(),
            _ => hosts.join(", "),
        }
    }

    /// Whether it says which addresses authorities below it may vouch for.
    pub fn limits_addresses(&self) -> bool {
        self.permitted.iter().chain(&self.excluded).any(|subtree| subtree.starts_with("IP:"))
    }

    /// Whether the extension `oid` is there, and if so whether it is critical.
    pub(super) fn criticality(&self, oid: &str) -> Option<bool> {
        self.extensions.iter().find(|(found, _)| found == oid).map(|(_, critical)| *critical)
    }

    /// Whether keyUsage allows `usage`; a certificate without keyUsage allows all.
    pub(super) fn allows(&self, usage: &str) -> bool {
        self.key_usages.as_ref().is_none_or(|usages| usages.contains(&usage))
    }
}

impl PublicKey {
    fn new(parsed: &X509Certificate<'_>) -> Self {
        let spki = &parsed.tbs_certificate.subject_pki;
        let mut oid = spki.algorithm.algorithm.to_id_string();
        // The curve says more than that there is one.
        if let ("1.2.840.10045.2.1", Some(curve)) = (oid.as_str(), &spki.algorithm.parameters) {
            oid = curve.as_oid().map_or(oid, |curve| curve.to_id_string());
        }
        let raw = spki.subject_public_key.data.to_vec();
        let (algorithm, bits) = match oid.as_str() {
            "1.2.840.10045.3.1.7" => ("P-256", Some(256)),
            "1.3.132.0.34" => ("P-384", Some(384)),
            "1.3.132.0.35" => ("P-521", Some(521)),
            "1.3.101.112" => ("Ed25519", None),
            "1.3.101.113" => ("Ed448", None),
            "1.2.840.113549.1.1.1" => ("RSA", rsa_bits(parsed)),
            "2.16.840.1.101.3.4.3.17" => ("ML-DSA-44", None),
            "2.16.840.1.101.3.4.3.18" => ("ML-DSA-65", None),
            "2.16.840.1.101.3.4.3.19" => ("ML-DSA-87", None),
            other => (other, None),
        };
        Self {
            algorithm: algorithm.to_owned(),
            bits,
            algorithm_der: algorithm_der(spki.raw),
            raw,
            pin: sha256(&[spki.raw]),
        }
    }
}

/// The content of the first element in the outer SEQUENCE of a SubjectPublicKeyInfo.
fn algorithm_der(spki: &[u8]) -> Vec<u8> {
    use x509_parser::asn1_rs::Any;
    let inner = Any::from_der(spki).ok().and_then(|(_, outer)| Any::from_der(outer.data).ok());
    inner.map(|(_, algorithm)| algorithm.data.to_vec()).unwrap_or_default()
}

fn rsa_bits(parsed: &X509Certificate<'_>) -> Option<usize> {
    let Ok(x509_parser::public_key::PublicKey::RSA(key)) = parsed.tbs_certificate.subject_pki.parsed() else {
        return None;
    };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let significant = &key.modulus[zeros..];
    significant.first().map(|first| significant.len() * 8 - first.leading_zeros() as usize)
}

fn signature_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    };
    name.to_owned()
}

fn key_usages(usage: KeyUsage) -> Vec<&'static str> {
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
        (usage.any, "anyExtendedKeyUsage"),
    ];
    let known = known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
    known.chain(usage.other.iter().map(Oid::to_id_string)).collect()
}
