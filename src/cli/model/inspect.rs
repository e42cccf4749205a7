//! `model inspect`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::io::Payload;
use super::keys::Keys;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::archive::{Manifest, Member, TAR};
use crate::container::{Header, Identities, KeyId, KeySource, Metadata, RecipientKind, SignerId, SlotState};
use crate::output::Document;

/// Show a sealed file's public header; with a key, the model's metadata too
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Serialize)]
struct InspectDocument {
    artifact_id: String,
    format: u16,
    generation: u64,
    slot_bytes: u32,
    slots: [&'static str; 2],
    /// Whether the payload is in another file.
    detached: bool,
    recipients: Vec<RecipientDocument>,
    signatures: usize,
    /// Who says to have signed it; `verify --trusted-signer` tells whether that is so.
    signers: Vec<SignerId>,
    /// Authentic, where a key opened the file; without one, nothing here is.
    authentic: bool,
    metadata: Option<MetadataDocument>,
    /// What is in a model of several files, where a key opened it and its payload is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveDocument>,
}

/// The files of an archive.
#[derive(Serialize)]
pub(super) struct ArchiveDocument {
    model: String,
    members: Vec<Member>,
}

impl From<Manifest> for ArchiveDocument {
    fn from(manifest: Manifest) -> Self {
        Self { model: manifest.model, members: manifest.members }
    }
}

impl ArchiveDocument {
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "model file  {}", self.model)?;
        for member in &self.members {
            let sha256 = data_encoding::HEXLOWER.encode(&member.sha256);
            writeln!(out, "member      {} {:>12} {}", sha256, member.size, member.name)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct RecipientDocument {
    kind: &'static str,
    key_id: KeyId,
}

#[derive(Serialize)]
struct MetadataDocument {
    name: String,
    version: String,
    media_type: String,
    created: String,
    size: Option<u64>,
}

impl InspectDocument {
    fn new(header: &Header, metadata: Option<&Metadata>, archive: Option<Manifest>) -> Self {
        Self {
            detached: header.is_detached(),
            archive: archive.map(ArchiveDocument::from),
            artifact_id: header.artifact_id().to_string(),
            format: 1,
            generation: header.generation(),
            slot_bytes: header.slot_len(),
            slots: header.slots().map(|slot| match slot {
                SlotState::Current => "current",
                SlotState::Stale { .. } => "stale",
                SlotState::Damaged => "damaged",
            }),
            recipients: header
                .recipients()
                .iter()
                .map(|r| RecipientDocument { kind: r.kind.name(), key_id: r.key_id })
                .collect(),
            signatures: header.signatures().len(),
            signers: header.signatures().iter().map(|record| record.signer).collect(),
            authentic: metadata.is_some(),
            metadata: metadata.map(|m| MetadataDocument {
                name: m.name.clone(),
                version: m.version.clone(),
                media_type: m.media_type.clone(),
                created: m.created.clone(),
                size: m.size,
            }),
        }
    }
}

impl Document for InspectDocument {
    const SCHEMA: &'static str = "sealserve.model.inspect/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "artifact    {}", self.artifact_id)?;
        writeln!(out, "generation  {}", self.generation)?;
        writeln!(out, "headers     {} and {}, {} bytes each", self.slots[0], self.slots[1], self.slot_bytes)?;
        if self.detached {
            writeln!(out, "payload     in another file")?;
        }
        for recipient in &self.recipients {
            writeln!(out, "recipient   {} {}", recipient.kind, recipient.key_id)?;
        }
        writeln!(out, "signatures  {}", self.signatures)?;
        for signer in &self.signers {
            writeln!(out, "signer      {signer} (not verified)")?;
        }
        let Some(metadata) = &self.metadata else {
            return writeln!(out, "no key was used: nothing above is proven, and the rest is encrypted");
        };
        writeln!(out, "name        {}", metadata.name)?;
        writeln!(out, "version     {}", metadata.version)?;
        writeln!(out, "type        {}", metadata.media_type)?;
        writeln!(out, "created     {}", metadata.created)?;
        metadata.size.map_or(Ok(()), |size| writeln!(out, "size        {size}"))?;
        self.archive.as_ref().map_or(Ok(()), |archive| archive.text(out))
    }
}

impl Inspect {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin_with(context, self.payload.stdin_readers(&self.input))?;
        let sealed = self.payload.open(&self.input)?;
        let asked = self.keys.are_named();
        // Without a key this must work where there is no home, too, and ask nobody.
        let passphrase = sealed.header().recipients().iter().any(|r| r.kind == RecipientKind::Passphrase);
        let identities = if asked {
            self.keys.to_decrypt(context, sealed.header())?
        } else if passphrase {
            Identities::default()
        } else {
            self.keys.to_decrypt(context, sealed.header()).unwrap_or_default()
        };
        let known = sealed.header().recipients().iter().any(|r| identities.find(&r.key_id).is_some());
        if !known && !asked {
            return written(context.output.document(&InspectDocument::new(sealed.header(), None, None)));
        }
        let unlocked = sealed.unlock(&identities)?;
        let archived = unlocked.metadata().media_type == TAR && unlocked.has_payload();
        let archive = if archived { Some(unlocked.list()?) } else { None };
        let (header, metadata) = (unlocked.header(), unlocked.metadata());
        written(context.output.document(&InspectDocument::new(header, Some(metadata), archive)))
    }
}
