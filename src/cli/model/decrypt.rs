//! `model decrypt`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;

use super::io::{Destination, is_dash, stdin};
use super::keys::Keys;
use super::range::ByteRange;
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::container::{ContainerError, Kek, Named, Sealed};
use crate::error::Kind;
use crate::fs;
use crate::output::Failure;
use crate::progress::Progress;

/// Decrypt a model; the output appears only when all of it is authentic
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model decrypt digits.sealed -o digits.onnx
  sealserve model decrypt digits.sealed --range 0-15 | xxd   # proves these bytes, not the rest")]
pub(super) struct Decrypt {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The model in the clear (0600); - is standard output [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Only these bytes, counted from 0, both included; 16- is all from there, -16 the last 16
    #[arg(long, value_name = "FIRST-LAST", allow_hyphen_values = true)]
    range: Option<ByteRange>,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

impl Decrypt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        if self.range.is_some() && is_dash(&self.input) {
            return Err(Failure::new(Kind::Usage, "a range of a stream cannot be read")
                .hint("name a file")
                .into());
        }
        let destination = Destination::open(self.output.as_deref(), fs::SECRET, self.force)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("decrypting");
        let name = self.input.display().to_string();
        let (bytes, damaged) = destination.fill(|out| {
            if let Some(range) = self.range {
                return decrypt_range(Sealed::open(&self.input)?, range, &keys, out, &progress);
            }
            if is_dash(&self.input) {
                decrypt(Sealed::read(stdin()?)?, &keys, out, &progress)
            } else {
                decrypt(Sealed::open(&self.input)?, &keys, out, &progress)
            }
        })?;
        drop(progress);
        if damaged {
            context.output.warn(&format!(
                "one of the two headers of '{name}' is damaged; `sealserve model rewrap` mends it"
            ));
        }
        context.output.note(&format!("decrypted {bytes} bytes"));
        Ok(())
    }
}

fn decrypt<S: Read + Send>(
    sealed: Sealed<S>,
    keys: &[Kek],
    out: Named<&mut (dyn Write + Send)>,
    progress: &dyn Progress,
) -> Result<(u64, bool), ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let damaged = unlocked.header().damaged_slot().is_some();
    Ok((unlocked.decrypt(out, progress)?, damaged))
}

fn decrypt_range(
    sealed: Sealed<File>,
    range: ByteRange,
    keys: &[Kek],
    out: Named<&mut (dyn Write + Send)>,
    progress: &dyn Progress,
) -> Result<(u64, bool), ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let damaged = unlocked.header().damaged_slot().is_some();
    let range = range.within(unlocked.length()?);
    Ok((unlocked.decrypt_range(range, out, progress)?, damaged))
}
