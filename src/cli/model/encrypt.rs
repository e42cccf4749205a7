//! `model encrypt`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::io::{Destination, fill_both, is_dash, open};
use super::recipients::{Recipients, called};
use super::sign::Signers;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::rfc3339;
use crate::container::archive::TAR;
use crate::container::{
    ContainerError, Input, KeyId, Metadata, Named, ONNX, SealSpec, Signer, SignerId, seal, seal_detached,
    seal_signed,
};
use crate::error::Kind;
use crate::fs::{self, Steady};
use crate::ops::{self, ModelFiles};
use crate::output::{Document, Failure, ShownPath};

/// Encrypt a model: an ONNX file with its external data, or a directory
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model encrypt digits.onnx -o models/digits.sealed
  sealserve model encrypt translator/ -o models/translator.sealed   # all its files in one
  sealserve model encrypt big.onnx -o big.sealed --detached big.payload
  sealserve model encrypt --key-file model.key --name digits - < digits.onnx > digits.sealed
  sealserve model encrypt -r age1… digits.onnx        # takes no secret at all
  sealserve model encrypt --ask-passphrase digits.onnx
  sealserve model encrypt --wrap-command ./kms --command-key alias/models digits.onnx")]
pub(super) struct Encrypt {
    /// The model, or the directory with its files; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The encrypted file; - is standard output [default: INPUT with extension .sealed, or standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Write the payload to this file, and to the output only its header; - is standard output
    #[arg(long, value_name = "FILE")]
    detached: Option<PathBuf>,
    /// Which file of the directory is the model [default: the only *.onnx, else model.onnx]
    #[arg(long, value_name = "NAME")]
    model_file: Option<String>,
    #[command(flatten)]
    recipients: Recipients,
    #[command(flatten)]
    signers: Signers,
    /// Name that the model will be served under [default: the file's stem]
    #[arg(long)]
    name: Option<String>,
    /// Version that the model will be served as
    #[arg(long, default_value = "1", value_name = "VERSION")]
    model_version: String,
    /// Media type of the content [default: application/x-onnx; application/x-tar for several files]
    #[arg(long)]
    media_type: Option<String>,
    /// Replace an existing output; a detached payload is never replaced
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct EncryptDocument {
    output: ShownPath,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<ShownPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
    artifact_id: String,
    recipients: Vec<KeyId>,
    signers: Vec<SignerId>,
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
        let readers = self.signers.stdin_readers() + usize::from(is_dash(&self.input));
        self.recipients.check_stdin_with(context, readers)?;
        let source = self.source()?;
        let output = self.output.clone().or_else(|| sibling(&self.input));
        if self.signers.are_named() && output.as_deref().is_none_or(is_dash) {
            return Err(Failure::new(Kind::Usage, "a stream cannot be signed while it is written")
                .hint("pass -o FILE")
                .into());
        }
        let name = self.name.clone().or_else(|| stem(&self.input)).ok_or_else(|| {
            Failure::new(Kind::Usage, "a model from standard input has no name").hint("pass --name NAME")
        })?;
        let recipients = self.recipients.to_encrypt(context)?;
        let signers = self.signers.named(context)?;
        let metadata = Metadata {
            name,
            version: self.model_version,
            media_type: source.media_type,
            created: rfc3339(context.now()),
            size: source.size,
            sha256: None,
        };
        let spec = SealSpec { recipients: &recipients, metadata: &metadata };
        let destination = Destination::open_sealed(output.as_deref(), self.force)?;
        let payload = self.detached.as_deref().map(Destination::open_payload).transpose()?;
        payload.as_ref().map_or(Ok(()), |payload| destination.require_apart(payload))?;
        for out in payload.iter().chain([&destination]) {
            out.require_other(&self.input)?;
        }
        let doubts = [
            ops::doubt_name("name", &metadata.name, "--name NAME"),
            ops::doubt_name("version", &metadata.version, "--model-version VERSION"),
        ];
        for doubt in doubts.into_iter().flatten().chain(source.doubts) {
            context.output.warn(&doubt);
        }
        let progress = context.output.progress("encrypting");
        let input = source.stream;
        let summary = match payload {
            None => destination.fill_then(
                &progress,
                |out| match signers.as_slice() {
                    [] => Ok((seal(input, out, &spec, &progress)?, None)),
                    signers => {
                        let (summary, header) = seal_signed(input, out, &spec, signers, &progress)?;
                        Ok((summary, Some(header)))
                    }
                },
                // The signature stands before what it covers, so it is written last.
                |file, (_, header)| match header {
                    None => Ok(()),
                    Some(header) => fs::write_at_durably(file.stream, header, 0)
                        .map_err(|source| ContainerError::Write { name: file.name, source }),
                },
            )?,
            Some(payload) => fill_both(destination, payload, &progress, |header, payload| {
                Ok((seal_detached(input, header, payload, &spec, &signers, &progress)?, None))
            })?,
        }
        .0;
        drop(progress);
        let names: Vec<_> = summary.recipients.iter().map(called).collect();
        context.output.note(&format!(
            "encrypted {} bytes as '{}' version {} for {}",
            summary.plaintext_bytes,
            metadata.name,
            metadata.version,
            names.join(", ")
        ));
        let streamed = self.detached.as_deref().is_some_and(is_dash);
        let Some(output) = output.filter(|path| !is_dash(path) && !streamed) else { return Ok(()) };
        written(context.output.document(&EncryptDocument {
            output: output.into(),
            payload: self.detached.map(ShownPath::from),
            files: source.files,
            artifact_id: summary.artifact_id.to_string(),
            recipients: summary.recipients.iter().map(|recipient| recipient.key_id).collect(),
            signers: signers.iter().map(Signer::id).collect(),
            plaintext_bytes: summary.plaintext_bytes,
            sealed_bytes: summary.sealed_bytes,
        }))
    }
}

/// What is encrypted.
struct Source {
    stream: Named<Box<dyn Input>>,
    /// Its bytes, where they are known.
    size: Option<u64>,
    media_type: String,
    /// How many files, where it is an archive of them.
    files: Option<usize>,
    /// What a server will refuse of it.
    doubts: Vec<String>,
}

impl Encrypt {
    fn source(&self) -> Outcome<Source> {
        let media_type = self.media_type.as_deref();
        let opaque = is_dash(&self.input) || media_type.is_some_and(|media_type| media_type != ONNX);
        let model_files =
            if opaque { None } else { ModelFiles::find(&self.input, self.model_file.as_deref())? };
        if let Some(model_files) = model_files {
            let reader = model_files.reader()?;
            let size = Some(reader.length());
            let stream = Named::new(self.input.to_string_lossy(), Box::new(reader) as Box<dyn Input>);
            let (files, doubts) = (Some(model_files.count()), ops::doubt_members(&model_files));
            return Ok(Source { stream, size, media_type: TAR.to_owned(), files, doubts });
        }
        if self.model_file.is_some() {
            return Err(Failure::new(Kind::Usage, "--model-file names a file of a directory")
                .hint("give the directory as the model")
                .into());
        }
        if media_type == Some(TAR) {
            return Err(Failure::new(Kind::Usage, format!("{TAR} is what the files of a directory become"))
                .hint("give the directory as the model")
                .into());
        }
        let (Named { name, stream }, size) = open(&self.input)?;
        let stream = Steady::new(stream, &self.input)?;
        let stream = Named::new(name, Box::new(stream) as Box<dyn Input>);
        // A stream is read once, and what is no ONNX file is for others to judge.
        let doubt = if opaque { None } else { ops::doubt_model(&self.input) };
        let (media_type, doubts) = (media_type.unwrap_or(ONNX).to_owned(), doubt.into_iter().collect());
        Ok(Source { stream, size, media_type, files: None, doubts })
    }
}

/// Where the encrypted file goes when nobody says it: beside the model.
fn sibling(input: &Path) -> Option<PathBuf> {
    if is_dash(input) {
        return None;
    }
    if !input.is_dir() {
        return Some(input.with_extension("sealed"));
    }
    // `.` and `..` have no name of their own.
    let named = if input.file_name().is_some() { input.to_owned() } else { input.canonicalize().ok()? };
    let mut name = named.file_name()?.to_owned();
    name.push(".sealed");
    Some(named.with_file_name(name))
}

/// What the model is called when nobody says it.
fn stem(input: &Path) -> Option<String> {
    if is_dash(input) {
        return None;
    }
    let directory = if input.is_dir() { input.canonicalize().ok() } else { None };
    let name = directory.as_deref().map_or_else(|| input.file_stem(), Path::file_name)?;
    Some(name.to_string_lossy().into_owned())
}
