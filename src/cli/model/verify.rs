//! `model verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::io::sealed;
use super::keys::Keys;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::ContainerError;
use crate::error::{Diagnose, Kind};
use crate::output::{Document, Failure};

/// Decrypt everything and write nothing; exit 3 when anything is wrong
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    name: String,
    version: String,
    plaintext_bytes: u64,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "verified: '{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let sealed = sealed(&self.input).map_err(answer)?;
        let openers = self.keys.to_decrypt(context, sealed.header())?;
        let unlocked = sealed.unlock(&openers).map_err(answer)?;
        let progress = context.output.progress("verifying");
        let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
        let outcome = unlocked.verify(&progress);
        drop(progress);
        let plaintext_bytes = outcome.map_err(answer)?;
        written(context.output.document(&VerifyDocument { verified: true, name, version, plaintext_bytes }))
    }
}

/// What is wrong inside the file is this command's answer, not its failure.
fn answer(error: ContainerError) -> Failure {
    let kind = if error.is_fault() { Kind::Negative } else { error.kind() };
    Failure::from(error).kind(kind)
}
