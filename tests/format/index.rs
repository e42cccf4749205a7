//! `index.json` of the vectors, what it names, and the document's codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sealserve::command::Program;
use sealserve::container::archive::ArchiveFault;
use sealserve::container::{
    ContainerError, External, Fault, Identities, Kek, Nobody, Passphrase, Person, TrustedSigner,
};
use sealserve::secret::{Secret, SecretBytes};
use serde_json::Value;

use crate::support::{Sandbox, testdata};

pub(crate) fn directory() -> PathBuf {
    testdata("container/v1")
}

/// The command of the vectors: it adds 128 to each byte, to wrap and to unwrap.
pub(crate) const DOUBLE: &str = "#!/bin/sh\nLC_ALL=C exec tr '\\000-\\377' '\\200-\\377\\000-\\177'\n";

/// Writes that command into `sandbox`.
pub(crate) fn write_double(sandbox: &Sandbox) -> String {
    let path = sandbox.write("double", DOUBLE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) struct Index {
    index: Value,
    double: String,
    _sandbox: Sandbox,
}

impl Index {
    pub(crate) fn read() -> Self {
        let index = serde_json::from_slice(&fs::read(directory().join("index.json")).unwrap()).unwrap();
        let sandbox = Sandbox::new();
        Self { index, double: write_double(&sandbox), _sandbox: sandbox }
    }

    pub(crate) fn vectors(&self, which: &str) -> &[Value] {
        self.index[which].as_array().unwrap()
    }

    pub(crate) fn archives(&self, which: &str) -> &[Value] {
        self.index["archives"][which].as_array().unwrap()
    }

    /// Every file that the index names.
    pub(crate) fn files(&self) -> Vec<String> {
        let both = [&self.index, &self.index["archives"]];
        let lists = both.iter().flat_map(|of| ["valid", "invalid"].map(|which| &of[which]));
        let entries = lists.flat_map(|list| list.as_array().unwrap());
        let names = entries.flat_map(|entry| [entry.get("file"), entry.get("payload")]);
        names.flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// What the index calls `name`, a key-encryption key or another thing that opens files.
    pub(crate) fn identities(&self, name: &Value) -> Identities {
        let name = name.as_str().unwrap();
        let mut identities = Identities::default();
        let find = |kind: &str| self.index[kind].get(name).map(|value| value.as_str().unwrap());
        let bytes = |digits: &str| HEXLOWER.decode(digits.as_bytes()).unwrap();
        if let Some(digits) = find("keys") {
            identities.keys.push(Kek::new(Secret::from_slice(&bytes(digits)).unwrap()));
        } else if let Some(digits) = find("passphrases") {
            let phrase = Passphrase::parse(&SecretBytes::from(bytes(digits))).unwrap();
            identities.others.passphrases.push(phrase);
        } else if let Some(text) = find("identities") {
            let person: Arc<dyn Person> = Arc::new(Nobody);
            identities.others.age.add_file(name, &SecretBytes::from(text.to_owned()), &person).unwrap();
        } else {
            assert!(self.vectors("commands").contains(&name.into()), "{name}");
            let program = Program::new(std::slice::from_ref(&self.double)).unwrap();
            let command = External::new(program, name, Duration::from_secs(60), |_| ()).unwrap();
            identities.others.commands.push(command);
        }
        identities
    }

    /// The signers that a vector names, if it asks for a signature.
    pub(crate) fn trusted(&self, vector: &Value) -> Option<Vec<TrustedSigner>> {
        let names = vector.get("trusted")?.as_array().unwrap();
        let pem = |name: &Value| self.index["signers"][name.as_str().unwrap()].as_str().unwrap().to_owned();
        Some(names.iter().flat_map(|name| TrustedSigner::parse("s", pem(name).as_bytes()).unwrap()).collect())
    }
}

pub(crate) fn file(vector: &Value, which: &str) -> Vec<u8> {
    fs::read(directory().join(vector[which].as_str().unwrap())).unwrap()
}

/// The document's code for what is wrong.
pub(crate) fn code(error: &ContainerError) -> &'static str {
    match error {
        ContainerError::Fault { fault, .. } => fault_code(fault),
        ContainerError::Archive { fault, .. } => archive_code(fault),
        ContainerError::NoKey { .. } => "no-key",
        ContainerError::WrongPassphrase { .. } => "wrapping",
        ContainerError::PayloadElsewhere { .. } => "payload-elsewhere",
        ContainerError::NotDetached { .. } => "payload-here",
        other => panic!("{other:?}"),
    }
}

fn fault_code(fault: &Fault) -> &'static str {
    match fault {
        Fault::NotSealed | Fault::MagicTruncated(_) => "not-sealed",
        Fault::Version(_) => "version",
        Fault::Suite(_) => "suite",
        Fault::Flags(_) => "flags",
        Fault::HeaderTruncated => "header-truncated",
        Fault::Preamble(_) => "preamble",
        Fault::HeaderTrailing => "header-trailing",
        Fault::BothSlotsDamaged => "slots-damaged",
        Fault::SlotMalformed { .. } | Fault::PassphraseLength | Fault::PassphraseCost { .. } => {
            "slot-malformed"
        }
        Fault::RecipientType(_) => "recipient-type",
        Fault::SlotsDisagree(_) => "slots-disagree",
        Fault::Wrapping(_) | Fault::Foreign(_) | Fault::Answer(_) => "wrapping",
        Fault::SlotForged(_) => "slot-forged",
        Fault::MetadataForged => "metadata-forged",
        Fault::MetadataMalformed(_) => "metadata-malformed",
        Fault::Commitment => "commitment",
        Fault::Chunk(_) | Fault::LastChunk(_) => "chunk",
        Fault::PayloadTruncated | Fault::ChunkTruncated(_) | Fault::LastChunkMissing(_) => {
            "payload-truncated"
        }
        Fault::Length { .. } | Fault::Size { .. } => "size",
        Fault::Digest => "digest",
        Fault::Unsigned => "unsigned",
        Fault::Untrusted(_) => "untrusted",
        Fault::SignatureForged(_) => "signature-forged",
        Fault::SlotDamaged(_) => "slot-damaged",
    }
}

fn archive_code(fault: &ArchiveFault) -> &'static str {
    match fault {
        ArchiveFault::Checksum { .. } | ArchiveFault::Form { .. } | ArchiveFault::Kind { .. } => {
            "archive-header"
        }
        ArchiveFault::Name { .. } => "archive-name",
        ArchiveFault::Order { .. } => "archive-order",
        ArchiveFault::Collision { .. } => "archive-alike",
        ArchiveFault::TooMany => "archive-members",
        ArchiveFault::TooLarge { .. } | ArchiveFault::Truncated => "archive-truncated",
        ArchiveFault::Trailing => "archive-trailing",
        ArchiveFault::Padding { .. } => "archive-padding",
        ArchiveFault::NoManifest | ArchiveFault::Manifest(_) => "archive-manifest",
        ArchiveFault::Mismatch(_) => "archive-mismatch",
        ArchiveFault::Digest(_) => "archive-digest",
    }
}
