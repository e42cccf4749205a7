//! `model decrypt`.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;

use super::io::{Destination, is_dash, stdin};
use super::keys::Keys;
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::container::{ContainerError, Kek, Named, Sealed};
use crate::fs;
use crate::progress::Progress;

/// Decrypt a model; the output appears only when all of it is authentic
#[derive(Debug, Args)]
pub(super) struct Decrypt {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The model in the clear (0600); - is standard output [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

impl Decrypt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(context, &self.input)?;
        let destination = Destination::open(self.output.as_deref(), fs::SECRET, self.force)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("decrypting");
        let name = self.input.display().to_string();
        let (bytes, damaged) = destination.fill(|out| {
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
