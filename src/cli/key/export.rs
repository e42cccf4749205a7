//! `key export`

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::{Outcome, secret, written};
use crate::error::Kind;
use crate::keyring::KeyUse;
use crate::output::{Document, Failure};

/// Export a request or model key to a file, for a client that signs with it or for a backup
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

#[derive(Serialize)]
struct ExportDocument {
    id: String,
    kid: String,
    #[serde(rename = "use")]
    usage: KeyUse,
    out: String,
}

impl Document for ExportDocument {
    const SCHEMA: &'static str = "sealserve.key.export/v1";

    /// The file itself is the answer.
    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
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
        match &self.out {
            // Where the key stands on stdout, nothing else does.
            Some(path) if path.as_os_str() != "-" => written(context.output.document(&ExportDocument {
                id: key.id.clone(),
                kid: key.kid.clone(),
                usage: key.usage,
                out: path.display().to_string(),
            })),
            _ => Ok(()),
        }
    }
}
