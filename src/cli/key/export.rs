//! `key export`

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::{Outcome, secret};
use crate::error::Kind;
use crate::keyring::KeyUse;
use crate::output::Failure;

/// Write a request or model key to a file, for those who sign with it or keep it safe
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key export ci -o ci.key                   # what `request send --sign-key-file` takes
  sealserve key export model-1 -o - | age -r age1… > model-1.key.age

The file holds 64 hex digits, as `key create --out` writes it. Keys that sign tokens or
certificates never leave the keyring: rotate them where they are.")]
pub(super) struct Export {
    /// The key's id or kid
    id: String,
    /// Write the key to this new file (0600); - is stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, context: &Context) -> Outcome {
        secret::deliverable(self.out.as_deref())?;
        let keyring = context.store()?.read()?;
        let key = keyring.get(&self.id)?;
        if !matches!(key.usage, KeyUse::Request | KeyUse::Model) {
            let message = format!("key '{}' is a {} key, which stays in the keyring", key.id, key.usage);
            return Err(Failure::new(Kind::Failed, message)
                .hint("only request and model keys are exported")
                .into());
        }
        secret::deliver(key.export().expose(), self.out.as_deref())?;
        context.output.note(&format!("exported {} key {}", key.usage, key.id));
        Ok(())
    }
}
