//! `model decrypt`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::io::{Destination, Payload, is_dash};
use super::keys::Keys;
use super::range::ByteRange;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::container::Unlocked;
use crate::container::archive::TAR;
use crate::error::Kind;
use crate::fs::AtomicDirectory;
use crate::ops;
use crate::output::{Document, Failure, ShownPath};

/// Decrypt a model; the output appears only once all of it is authenticated
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model decrypt digits.sealed -o digits.onnx
  sealserve model decrypt translator.sealed -o translator     # several files: a new directory
  sealserve model decrypt translator.sealed -o - | tar t      # or a tar
  sealserve model decrypt digits.sealed --range 0-15 | xxd   # proves these bytes, not the rest")]
pub(super) struct Decrypt {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The model in the clear (0600), a directory (0700) where it has several files; - is standard output [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    keys: Keys,
    /// Only these bytes, counted from 0, both included; 16- is all from there, -16 the last 16
    #[arg(long, value_name = "FIRST-LAST", allow_hyphen_values = true)]
    range: Option<ByteRange>,
    /// Replace an existing output file
    #[arg(long)]
    force: bool,
}

impl Decrypt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin_with(context, self.payload.stdin_readers(&self.input))?;
        if self.range.is_some() && self.payload.is_streamed(&self.input) {
            return Err(Failure::new(Kind::Usage, "a range of a stream cannot be read")
                .hint("name a file")
                .into());
        }
        // What is in the way is said first, whatever the file holds.
        let destination = Destination::open(self.output.as_deref(), self.force)?;
        destination.require_other(self.payload.file().unwrap_or(&self.input))?;
        let sealed = self.payload.open(&self.input)?;
        let identities = self.keys.to_decrypt(context, sealed.header())?;
        let unlocked = sealed.unlock(&identities)?;
        let damaged = unlocked.header().damaged_slot().is_some();
        let directory = self.output.as_deref().filter(|path| !is_dash(path));
        let archived = unlocked.metadata().media_type == TAR && self.range.is_none();
        let (bytes, files, report) = if let Some(path) = directory.filter(|_| archived) {
            restore(context, unlocked, path)?
        } else {
            let progress = context.output.progress("decrypting");
            let bytes = destination.fill(&progress, |out| match self.range {
                None if archived => unlocked.decrypt_archive(out, &progress).map(|(bytes, _)| bytes),
                None => unlocked.decrypt(out, &progress),
                Some(range) => unlocked.decrypt_range(range.within(unlocked.length()?), out, &progress),
            })?;
            (bytes, None, format!("decrypted {bytes} bytes"))
        };
        if damaged {
            let name = self.input.display();
            context.output.warn(&format!(
                "one of the two headers of '{name}' is damaged; `sealserve model rewrap` mends it"
            ));
        }
        context.output.note(&report);
        // Where stdout carries the model it carries nothing else.
        let Some(output) = self.output.filter(|path| !is_dash(path)) else { return Ok(()) };
        written(context.output.document(&DecryptDocument { output: output.into(), bytes, files }))
    }
}

#[derive(Serialize)]
struct DecryptDocument {
    output: ShownPath,
    bytes: u64,
    /// How many, where it is a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
}

impl Document for DecryptDocument {
    const SCHEMA: &'static str = "sealserve.model.decrypt/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Decrypts an archive into a new directory.
fn restore(
    context: &Context,
    unlocked: Unlocked<File>,
    path: &Path,
) -> Outcome<(u64, Option<usize>, String)> {
    let directory = AtomicDirectory::create(path)?;
    let progress = context.output.progress("decrypting");
    let (bytes, manifest) = ops::restore(unlocked, directory, &progress)?;
    drop(progress);
    let count = manifest.members.len();
    let report = format!("decrypted {bytes} bytes, {count} files; the model is '{}'", manifest.model);
    Ok((bytes, Some(count), report))
}
