//! `model decrypt`.

use std::path::PathBuf;

use clap::Args;

use super::io::{Destination, sealed};
use super::keys::Keys;
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::fs;

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
        let sealed = sealed(&self.input)?;
        let openers = self.keys.to_decrypt(context, sealed.header())?;
        let unlocked = sealed.unlock(&openers)?;
        let damaged = unlocked.header().damaged_slot().is_some();
        let progress = context.output.progress("decrypting");
        let bytes = destination.fill(|out| unlocked.decrypt(out, &progress))?;
        drop(progress);
        let name = self.input.display();
        if damaged {
            context.output.warn(&format!(
                "one of the two headers of '{name}' is damaged; `sealserve model rewrap` mends it"
            ));
        }
        context.output.note(&format!("decrypted {bytes} bytes"));
        Ok(())
    }
}
