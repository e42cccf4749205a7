//! `model verify`.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::io::{is_dash, stdin};
use super::keys::Keys;
use super::sign::Trusted;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::{ContainerError, Kek, Sealed, SignerId, SlotState, TrustedSigner};
use crate::error::{Diagnose, Kind};
use crate::output::{Document, Failure};
use crate::progress::Progress;

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
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "verified: '{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)?;
        for (i, signer) in self.signed_by.iter().enumerate() {
            write!(out, "{} {signer}", if i == 0 { ", signed by" } else { "," })?;
        }
        writeln!(out)
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let trusted = self.trusted.read(context, &self.keys)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("verifying");
        let outcome = if is_dash(&self.input) {
            Sealed::read(stdin()?).and_then(|s| verify(s, &keys, &trusted, &progress))
        } else {
            Sealed::open(&self.input).and_then(|s| verify(s, &keys, &trusted, &progress))
        };
        drop(progress);
        let document = outcome.map_err(|error| {
            // What is wrong inside the file is this command's answer, not its failure.
            let negative = matches!(error, ContainerError::Fault { .. });
            let kind = if negative { Kind::Negative } else { error.kind() };
            Failure::from(error).kind(kind)
        })?;
        if let Some(generation) = document.stale_generation {
            context.output.warn(&format!(
                "a rewrap was interrupted: the keys of generation {generation} are still in the header; run it again"
            ));
        }
        written(context.output.document(&document))
    }
}

fn verify<S: Read + Send>(
    sealed: Sealed<S>,
    keys: &[Kek],
    trusted: &[TrustedSigner],
    progress: &dyn Progress,
) -> Result<VerifyDocument, ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
    let stale_generation = unlocked.header().slots().into_iter().find_map(|slot| match slot {
        SlotState::Stale { generation } => Some(generation),
        _ => None,
    });
    let (plaintext_bytes, signed_by) = if trusted.is_empty() {
        (unlocked.verify(progress)?, Vec::new())
    } else {
        unlocked.verify_signed(trusted, progress)?
    };
    Ok(VerifyDocument { verified: true, name, version, plaintext_bytes, signed_by, stale_generation })
}
