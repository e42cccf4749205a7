//! `model verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::inspect::ArchiveDocument;
use super::io::Payload;
use super::keys::Keys;
use super::sign::Trusted;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::{ContainerError, SignerId, SlotState};
use crate::error::{Diagnose, Kind};
use crate::output::{Document, Failure};

/// Decrypt everything and write nothing; exit 3 when anything is wrong
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model verify digits.sealed
  sealserve model verify digits.sealed --trusted-signer pki/signer.pem")]
pub(super) struct Verify {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trusted: Trusted,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    name: String,
    version: String,
    plaintext_bytes: u64,
    /// The trusted signers that signed it.
    signed_by: Vec<SignerId>,
    /// The older generation that a slot holds, where a rewrap was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveDocument>,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "verified: '{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)?;
        for (i, signer) in self.signed_by.iter().enumerate() {
            write!(out, "{} {signer}", if i == 0 { ", signed by" } else { "," })?;
        }
        writeln!(out)?;
        self.archive.as_ref().map_or(Ok(()), |archive| archive.text(out))
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let trusted = self.trusted.read(context, &self.keys)?;
        let sealed = self.payload.open(&self.input).map_err(answer)?;
        let openers = self.keys.to_decrypt(context, sealed.header())?;
        let unlocked = sealed.unlock(&openers).map_err(answer)?;
        let progress = context.output.progress("verifying");
        let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
        let stale_generation = unlocked.header().slots().into_iter().find_map(|slot| match slot {
            SlotState::Stale { generation } => Some(generation),
            _ => None,
        });
        let outcome = match trusted.as_slice() {
            [] => unlocked.verify_contents(&progress),
            trusted => unlocked.verify_signed(trusted, &progress),
        };
        drop(progress);
        let found = outcome.map_err(answer)?;
        if let Some(generation) = stale_generation {
            context.output.warn(&format!(
                "a rewrap was interrupted: the keys of generation {generation} are still in the header; run it again"
            ));
        }
        written(context.output.document(&VerifyDocument {
            verified: true,
            name,
            version,
            plaintext_bytes: found.plaintext_bytes,
            signed_by: found.signed_by,
            stale_generation,
            archive: found.archive.map(ArchiveDocument::from),
        }))
    }
}

/// What is wrong inside the file is this command's answer, not its failure.
fn answer(error: ContainerError) -> Failure {
    let kind = if error.is_fault() { Kind::Negative } else { error.kind() };
    Failure::from(error).kind(kind)
}
