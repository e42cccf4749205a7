//! `key public`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::model::Signers;
use crate::cli::{Outcome, written};
use crate::container::{Signer, SignerId, TrustedSigner};
use crate::error::Kind;
use crate::fs::{self, Existing};
use crate::output::{Document, Failure};

/// Print the public key of a signer key (PEM), for servers and verifiers that trust it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key public -o pki/signer.pem                # the active signer key
  sealserve key public --signer-key signer.key          # no home needed")]
pub(super) struct Public {
    #[command(flatten)]
    signers: Signers,
    /// Write it to this file; - is standard output
    #[arg(long, short, default_value = "-")]
    output: PathBuf,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct PublicDocument {
    signers: Vec<PublicKey>,
}

#[derive(Serialize)]
struct PublicKey {
    signer: SignerId,
    pem: String,
}

impl Document for PublicDocument {
    const SCHEMA: &'static str = "sealserve.key.public/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.signers.iter().try_for_each(|key| write!(out, "{}", key.pem))
    }
}

impl Public {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.signers.check_stdin(context)?;
        let publics: Vec<TrustedSigner> =
            self.signers.or_active(context)?.iter().map(Signer::public).collect();
        let document = PublicDocument {
            signers: publics.iter().map(|key| PublicKey { signer: key.id(), pem: key.to_pem() }).collect(),
        };
        if self.output == Path::new("-") {
            return written(context.output.document(&document));
        }
        if publics.is_empty() {
            return Err(Failure::new(Kind::Usage, "no signer key is named").into());
        }
        let text: String = publics.iter().map(TrustedSigner::to_pem).collect();
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        fs::write(&self.output, text.as_bytes(), fs::PUBLIC, existing)?;
        let names: Vec<_> = publics.iter().map(|key| key.id().to_string()).collect();
        context.output.note(&format!("wrote the public key of signer {}", names.join(", ")));
        if !context.output.is_json() {
            return Ok(());
        }
        written(context.output.document(&document))
    }
}
