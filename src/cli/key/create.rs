//! `key create`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::{Outcome, secret, written};
use crate::keyring::{KeyUse, Keyring, KeyringError, NewKey};
use crate::output::{Document, ShownPath};

/// Add a key to the keyring, or write one to a file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key create --use model --id resnet
  sealserve key create --use request --id ci --owner ci
  sealserve key create --use model --out model.key    # no home needed
  sealserve key create --use signer --out signer.key  # Ed25519, as `openssl genpkey` makes it")]
pub(super) struct Create {
    /// What the key is for: token, request, model or signer
    #[arg(long = "use", value_name = "USE")]
    usage: KeyUse,
    /// Name of the key [default: derived from the key]
    #[arg(long)]
    id: Option<String>,
    /// The only principal that may use a request key
    #[arg(long)]
    owner: Option<String>,
    /// Succeed, and show nothing, when the id exists
    #[arg(long, requires = "id")]
    if_absent: bool,
    /// Write the key to this new file (0600) instead of the keyring; - is stdout
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["id", "if_absent"])]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct CreatedDocument {
    id: String,
    kid: String,
    #[serde(rename = "use")]
    usage: KeyUse,
    created: bool,
    generation: Option<u64>,
}

impl Document for CreatedDocument {
    const SCHEMA: &'static str = "sealserve.key.create/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.id)
    }
}

/// A key that went to a file.
#[derive(Serialize)]
struct WrittenDocument {
    kid: String,
    #[serde(rename = "use")]
    usage: KeyUse,
    output: ShownPath,
}

impl Document for WrittenDocument {
    const SCHEMA: &'static str = "sealserve.key.create.file/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Create {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let new = NewKey { usage: self.usage, id: self.id.clone(), owner: self.owner };
        if let Some(path) = &self.out {
            secret::deliverable(Some(path))?;
            // A keyring that lives for this call only: one way to make keys.
            let mut keyring = Keyring::default();
            let created = keyring.create(new, context.now())?;
            secret::deliver(keyring.get(&created.kid)?.export().expose(), Some(path))?;
            context.output.note(&format!("wrote {} key {}", self.usage, created.kid));
            if path == Path::new("-") {
                return Ok(());
            }
            let document =
                WrittenDocument { kid: created.kid, usage: self.usage, output: path.clone().into() };
            return written(context.output.document(&document));
        }
        let store = context.store()?;
        let outcome = store.update(|keyring| {
            let created = keyring.create(new, context.now())?;
            Ok((created, keyring.generation + 1))
        });
        let (created, generation) = match outcome {
            Err(KeyringError::KeyExists { id }) if self.if_absent => {
                let existing = store.read()?.get(&id)?.without_secret();
                let state = existing.state_at(context.now());
                if existing.usage != self.usage {
                    let (found, wanted) = (existing.usage, self.usage);
                    return Err(KeyringError::WrongUse { id, found, wanted }.into());
                }
                if !state.is_accepted() {
                    return Err(KeyringError::NotUsable { id, state }.into());
                }
                context.output.note(&format!("key {id} exists already; nothing was changed"));
                let document = CreatedDocument {
                    id: existing.id,
                    kid: existing.kid,
                    usage: existing.usage,
                    created: false,
                    generation: None,
                };
                return written(context.output.document(&document));
            }
            other => other?,
        };
        context.output.note(&format!("created {} key {} (generation {generation})", self.usage, created.id));
        written(context.output.document(&CreatedDocument {
            id: created.id,
            kid: created.kid,
            usage: self.usage,
            created: true,
            generation: Some(generation),
        }))
    }
}
