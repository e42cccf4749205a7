//! `model inspect`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::keys::Keys;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::{Header, KeyId, KeySource, Metadata, Openers, RecipientKind, Sealed, SlotState};
use crate::output::Document;

/// Show what a file tells, and with a key also what it says about the model
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The encrypted file
    input: PathBuf,
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
    recipients: Vec<RecipientDocument>,
    signatures: usize,
    /// Authentic, where a key opened the file; without one, nothing here is.
    authentic: bool,
    metadata: Option<MetadataDocument>,
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
    fn new(header: &Header, metadata: Option<&Metadata>) -> Self {
        Self {
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
        for recipient in &self.recipients {
            writeln!(out, "recipient   {} {}", recipient.kind, recipient.key_id)?;
        }
        writeln!(out, "signatures  {}", self.signatures)?;
        let Some(metadata) = &self.metadata else {
            return writeln!(out, "no key was used: nothing above is proven, and the rest is encrypted");
        };
        writeln!(out, "name        {}", metadata.name)?;
        writeln!(out, "version     {}", metadata.version)?;
        writeln!(out, "type        {}", metadata.media_type)?;
        writeln!(out, "created     {}", metadata.created)?;
        metadata.size.map_or(Ok(()), |size| writeln!(out, "size        {size}"))
    }
}

impl Inspect {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let sealed = Sealed::open(&self.input)?;
        let asked = self.keys.are_named();
        // Without a key this must work where there is no home, too, and ask nobody.
        let passphrase = sealed.header().recipients().iter().any(|r| r.kind == RecipientKind::Passphrase);
        let openers = if asked {
            self.keys.to_decrypt(context, sealed.header())?
        } else if passphrase {
            Openers::default()
        } else {
            self.keys.to_decrypt(context, sealed.header()).unwrap_or_default()
        };
        let known = sealed.header().recipients().iter().any(|r| openers.find(&r.key_id).is_some());
        if !known && !asked {
            return written(context.output.document(&InspectDocument::new(sealed.header(), None)));
        }
        let unlocked = sealed.unlock(&openers)?;
        written(context.output.document(&InspectDocument::new(unlocked.header(), Some(unlocked.metadata()))))
    }
}
