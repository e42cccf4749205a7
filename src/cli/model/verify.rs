//! `model verify`.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::inspect::ArchiveDocument;
use super::io::Payload;
use super::keys::Keys;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::{ContainerError, Kek, Sealed};
use crate::error::{Diagnose, Kind};
use crate::output::{Document, Failure};
use crate::progress::Progress;

/// Decrypt everything and write nothing; exit 3 when anything is wrong
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    name: String,
    version: String,
    plaintext_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveDocument>,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "verified: '{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)?;
        self.archive.as_ref().map_or(Ok(()), |archive| archive.text(out))
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("verifying");
        let outcome = self.payload.open(&self.input).and_then(|s| verify(s, &keys, &progress));
        drop(progress);
        let document = outcome.map_err(|error| {
            // What is wrong inside the file is this command's answer, not its failure.
            let negative = error.is_fault();
            let kind = if negative { Kind::Negative } else { error.kind() };
            Failure::from(error).kind(kind)
        })?;
        written(context.output.document(&document))
    }
}

fn verify<S: Read + Send>(
    sealed: Sealed<S>,
    keys: &[Kek],
    progress: &dyn Progress,
) -> Result<VerifyDocument, ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
    let (plaintext_bytes, manifest) = unlocked.verify_contents(progress)?;
    let archive = manifest.map(ArchiveDocument::from);
    Ok(VerifyDocument { verified: true, name, version, plaintext_bytes, archive })
}
