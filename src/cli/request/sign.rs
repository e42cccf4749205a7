//! `request sign`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64URL_NOPAD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Serialize;

use super::key::{SignKey, window};
use super::message::{Message, Purpose, X_API_KEY};
use crate::cli::context::Context;
use crate::cli::{Outcome, secret, written};
use crate::clock::{SystemClock, rfc3339};
use crate::config::Span;
use crate::fs::{self, AtomicFile, Existing, FsError};
use crate::output::Document;

/// Print the header fields that sign a request, for `curl -H @FILE`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve request sign https://models.example/v2/models/digits/infer -d @in.json \\
      --sign-key-file ci.key --sign-key-id ci --token-file ci.token --reveal -o fields
  curl -H @fields --data-binary @in.json \\
      https://models.example/v2/models/digits/infer

With --reveal the fields are a secret: they go to a file, a terminal, or to `-o -`.")]
pub(super) struct Sign {
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    key: SignKey,
    /// How long the signature is valid, at most 5m
    #[arg(long, default_value = "60s", value_name = "TIME", help_heading = "Signature")]
    window: Span,
    /// Print Authorization and X-Api-Key too, with the secrets that they hold
    #[arg(long)]
    reveal: bool,
    /// Write the fields to this new file (0600); - is stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file at --out
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Serialize)]
struct SignDocument {
    key: String,
    created: String,
    expires: String,
    nonce: String,
    /// Unless they are in a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    value: String,
}

impl Document for SignDocument {
    const SCHEMA: &'static str = "sealserve.request.sign/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        print(&self.headers, out)
    }
}

fn print(lines: &[Line], out: &mut dyn Write) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{}: {}", line.name, line.value))
}

impl Sign {
    pub(super) fn run(self, context: &Context) -> Outcome {
        context.check_stdin(self.message.stdin_readers() + self.key.stdin_readers())?;
        if self.reveal && self.out.is_none() {
            secret::deliverable(None)?;
        }
        let window = window(self.window)?;
        let key = self.key.to_sign(context)?;
        let (outgoing, default_type) = self.message.read(Purpose::Make)?;
        let out = self.out.as_deref().filter(|path| path.as_os_str() != "-");
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let file = out.map(|path| AtomicFile::create(path, fs::SECRET, existing)).transpose()?;
        let signed = outgoing.sign(&key, window, &SystemClock)?;
        // What the caller gave, the caller has.
        let wanted = [
            ("Content-Type", CONTENT_TYPE, default_type),
            ("Authorization", AUTHORIZATION, self.reveal),
            ("X-Api-Key", X_API_KEY, self.reveal),
            ("Content-Digest", http::HeaderName::from_static("content-digest"), true),
            ("Signature-Input", http::HeaderName::from_static("signature-input"), true),
            ("Signature", http::HeaderName::from_static("signature"), true),
        ];
        let lines = wanted.iter().filter(|(.., wanted)| *wanted).filter_map(|(name, field, _)| {
            let value = signed.headers.get(field)?.to_str().ok()?.to_owned();
            Some(Line { name, value })
        });
        let mut document = SignDocument {
            key: key.id().to_owned(),
            created: rfc3339(signed.validity.created),
            expires: rfc3339(signed.validity.expires),
            nonce: BASE64URL_NOPAD.encode(&signed.nonce),
            headers: lines.collect(),
            out: None,
        };
        if let (Some(path), Some(mut file)) = (out, file) {
            print(&document.headers, &mut file).map_err(FsError::io("write", path))?;
            file.commit()?;
            document.headers.clear();
            document.out = Some(path.display().to_string());
            context.output.note(&format!("the fields are valid until {}", document.expires));
        }
        written(context.output.document(&document))
    }
}
