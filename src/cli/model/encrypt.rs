//! `model encrypt`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::io::{Destination, is_dash, open};
use super::recipients::Recipients;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::rfc3339;
use crate::container::{KeyId, Metadata, ONNX, Recipient, RecipientKind, SealSpec, seal};
use crate::error::Kind;
use crate::fs;
use crate::output::{Document, Failure};

/// Encrypt a model
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model encrypt digits.onnx -o models/digits.sealed
  sealserve model encrypt --key-file model.key --name digits - < digits.onnx > digits.sealed
  sealserve model encrypt -r age1… digits.onnx        # takes no secret at all
  sealserve model encrypt --ask-passphrase digits.onnx
  sealserve model encrypt --wrap-command ./kms --command-key alias/models digits.onnx")]
pub(super) struct Encrypt {
    /// The model; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The encrypted file; - is standard output [default: INPUT with extension .sealed, or standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    recipients: Recipients,
    /// Name that the model will be served under [default: the file's stem]
    #[arg(long)]
    name: Option<String>,
    /// Version that the model will be served as
    #[arg(long, default_value = "1", value_name = "VERSION")]
    model_version: String,
    /// Media type of what is inside
    #[arg(long, default_value = ONNX)]
    media_type: String,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct EncryptDocument {
    output: PathBuf,
    artifact_id: String,
    recipients: Vec<KeyId>,
    plaintext_bytes: u64,
    sealed_bytes: u64,
}

impl Document for EncryptDocument {
    const SCHEMA: &'static str = "sealserve.model.encrypt/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.output.display())
    }
}

impl Encrypt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        self.recipients.check_stdin(context, &self.input)?;
        let sibling = || Some(self.input.with_extension("sealed")).filter(|_| !is_dash(&self.input));
        let output = self.output.clone().or_else(sibling);
        let (input, size) = open(&self.input)?;
        let stem = || Some(self.input.file_stem()?.to_string_lossy().into_owned()).filter(|stem| stem != "-");
        let name = self.name.clone().or_else(stem).ok_or_else(|| {
            Failure::new(Kind::Usage, "a model from standard input has no name").hint("pass --name NAME")
        })?;
        let recipients = self.recipients.to_encrypt(context)?;
        let metadata = Metadata {
            name,
            version: self.model_version,
            media_type: self.media_type,
            created: rfc3339(context.now()),
            size,
            sha256: None,
        };
        let spec = SealSpec { recipients: &recipients, metadata: &metadata };
        let destination = Destination::open(output.as_deref(), fs::PUBLIC, self.force)?;
        let progress = context.output.progress("encrypting");
        let summary = destination.fill(|out| seal(input, out, &spec, &progress))?;
        drop(progress);
        let names: Vec<_> = summary.recipients.iter().map(called).collect();
        context.output.note(&format!(
            "encrypted {} bytes as '{}' version {} for {}",
            summary.plaintext_bytes,
            metadata.name,
            metadata.version,
            names.join(", ")
        ));
        let Some(output) = output.filter(|path| !is_dash(path)) else { return Ok(()) };
        written(context.output.document(&EncryptDocument {
            output,
            artifact_id: summary.artifact_id.to_string(),
            recipients: summary.recipients.iter().map(|recipient| recipient.key_id).collect(),
            plaintext_bytes: summary.plaintext_bytes,
            sealed_bytes: summary.sealed_bytes,
        }))
    }
}

/// A key by its id alone, all else with its kind.
fn called(recipient: &Recipient) -> String {
    match recipient.kind {
        RecipientKind::Key => recipient.key_id.to_string(),
        _ => recipient.to_string(),
    }
}
