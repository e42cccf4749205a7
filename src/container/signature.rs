//! Who made a file. A signer's Ed25519 signature covers what the preamble and the
//! metadata say and every byte of the payload, but not who the recipients are: so
//! a header that is rewritten for other recipients stays signed.

use super::error::{ContainerError, Fault};
use super::header::SignatureRecord;
use super::ids::{RecipientKind, SignerId};
use super::preamble::Preamble;
use crate::crypto::digest::Digest;
use crate::crypto::ed25519::{PublicKey, SigningKey};
use crate::secret::SecretBytes;

/// A key that signs sealed files.
#[derive(Debug, Clone)]
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// A new random key.
    pub fn generate() -> Self {
        Self { key: SigningKey::generate() }
    }

    /// Reads a key from what messages call `name`: one Ed25519 key in PKCS#8, PEM.
    pub fn parse(name: &str, contents: &[u8]) -> Result<Self, ContainerError> {
        let key = SigningKey::from_pem(contents);
        key.map(|key| Self { key }).map_err(|_| ContainerError::SignerKey { name: name.to_owned() })
    }

    /// The key in `pkcs8`, in DER, which messages call `name`.
    pub fn from_pkcs8(name: &str, pkcs8: SecretBytes) -> Result<Self, ContainerError> {
        let key = SigningKey::from_pkcs8(pkcs8);
        key.map(|key| Self { key }).map_err(|_| ContainerError::SignerKey { name: name.to_owned() })
    }

    /// What files signed with this key call it.
    pub fn id(&self) -> SignerId {
        self.public().id()
    }

    /// The half that verifies.
    pub fn public(&self) -> TrustedSigner {
        TrustedSigner { key: self.key.public() }
    }

    pub(super) fn sign(&self, statement: &Statement) -> SignatureRecord {
        SignatureRecord { signer: self.id(), signature: self.key.sign(&statement.parts()) }
    }
}

/// A key whose signatures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedSigner {
    key: PublicKey,
}

impl TrustedSigner {
    /// Reads the keys from what messages call `name`: one or more Ed25519 public
    /// keys in PEM.
    pub fn parse(name: &str, contents: &[u8]) -> Result<Vec<Self>, ContainerError> {
        let keys = PublicKey::from_pem(contents)
            .map_err(|_| ContainerError::SignerPublic { name: name.to_owned() })?;
        Ok(keys.into_iter().map(|key| Self { key }).collect())
    }

    /// What files signed with this key call it.
    pub fn id(&self) -> SignerId {
        SignerId(self.key.id())
    }

    /// The key as a PEM text.
    pub fn to_pem(&self) -> String {
        self.key.to_pem()
    }
}

/// Which files a server takes.
#[derive(Debug, Clone, Default)]
pub struct SignaturePolicy {
    /// Every file must be signed; else only one that anyone could have made.
    pub required: bool,
    /// Who can wrap under the key of a command may make models.
    pub command_authenticates: bool,
    /// Whose signatures count.
    pub trusted: Vec<TrustedSigner>,
}

impl SignaturePolicy {
    /// Whether a file that a recipient of this `kind` opened must be signed. For an age
    /// recipient anyone can make a file who knows its address, which is public, and so for
    /// the key pair that a command keeps in an HSM or a TPM; whether it keeps a pair or a
    /// secret nothing here can tell. What a key or a passphrase opened was made by someone
    /// who had that, or who could open the file before.
    pub fn demands(&self, kind: RecipientKind) -> bool {
        let anyone = match kind {
            RecipientKind::Key | RecipientKind::Passphrase => false,
            RecipientKind::Age => true,
            RecipientKind::External => !self.command_authenticates,
        };
        self.required || anyone
    }
}

/// What a signature says: this preamble, these metadata, this payload.
pub(super) struct Statement {
    context: Vec<u8>,
    metadata: Digest,
    payload: Digest,
}

impl Statement {
    pub(super) fn new(preamble: &Preamble, metadata: Digest, payload: Digest) -> Self {
        Self { context: preamble.context("sign"), metadata, payload }
    }

    fn parts(&self) -> [&[u8]; 3] {
        [&self.context, &self.metadata, &self.payload]
    }
}

/// The records that can count: those of trusted signers. Asked before the payload
/// is read, which is not worth the time where there are none.
pub(super) fn candidates<'a>(
    records: &'a [SignatureRecord],
    trusted: &'a [TrustedSigner],
) -> Result<Vec<(&'a SignatureRecord, &'a TrustedSigner)>, Fault> {
    let pair = |record: &'a SignatureRecord| {
        trusted.iter().find(|signer| signer.id() == record.signer).map(|signer| (record, signer))
    };
    let found: Vec<_> = records.iter().filter_map(pair).collect();
    match (found.is_empty(), records) {
        (false, _) => Ok(found),
        (true, []) => Err(Fault::Unsigned),
        (true, _) => Err(Fault::Untrusted(records.iter().map(|record| record.signer).collect())),
    }
}

/// Checks every record of a trusted signer, and returns whose they are. One that is
/// wrong is not outweighed by another that is right: no accident makes it.
pub(super) fn check(
    records: &[SignatureRecord],
    trusted: &[TrustedSigner],
    statement: &Statement,
) -> Result<Vec<SignerId>, Fault> {
    let verify = |(record, signer): (&SignatureRecord, &TrustedSigner)| {
        let verified = signer.key.verify(&statement.parts(), &record.signature);
        verified.map(|()| record.signer).map_err(|_| Fault::SignatureForged(record.signer))
    };
    candidates(records, trusted)?.into_iter().map(verify).collect()
}
