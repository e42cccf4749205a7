//! `request send`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::value::RawValue;

use super::key::{SignKey, window};
use super::message::{Message, Purpose};
use crate::cli::context::Context;
use crate::cli::secret::{FORMS, Source};
use crate::cli::{Outcome, Stop, written};
use crate::client::{Identity, Trust};
use crate::clock::SystemClock;
use crate::config::Span;
use crate::error::Kind;
use crate::fs::{self, AtomicFile, Existing};
use crate::ops::{self, Proof, SendReport, SendRequest, Signer};
use crate::output::{self, Document, Failure};

const KEY_LIMIT: u64 = 64 << 10;
/// The longest answer.
const RESPONSE_LIMIT: usize = 256 << 20;

/// Send a request with its credential and signature, and print the response body
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve request send https://localhost:8443/v2/models/digits/infer -d @in.json --token-file t
  sealserve request send https://models.example/v2/models/digits/infer -d @in.json \\
      --token-file ci.token --sign-key-file ci.key --sign-key-id ci \\
      --client-cert ci.pem --client-key ci.pem.key --cacert ca.pem --retry 3

A signed request takes only a signed answer: one that does not verify is not printed.")]
pub(super) struct Send {
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    key: SignKey,
    /// How long the signature is valid, at most 5m
    #[arg(long, default_value = "60s", value_name = "TIME", help_heading = "Signature")]
    window: Span,
    /// Accept a response that is not signed
    #[arg(long, help_heading = "Signature")]
    allow_unsigned_response: bool,
    /// The client's certificate chain, in PEM
    #[arg(long, value_name = "FILE", requires = "client_key", help_heading = "Connection")]
    client_cert: Option<PathBuf>,
    /// The private key of --client-cert, in PEM
    #[arg(long, value_name = FORMS, requires = "client_cert", help_heading = "Connection")]
    client_key: Option<Source>,
    /// CA certificates to trust [default: the home's pki/ca.pem, else what the system trusts]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    cacert: Option<PathBuf>,
    /// Allow http to a loopback address
    #[arg(long, help_heading = "Connection")]
    insecure: bool,
    /// Time for one attempt
    #[arg(long, default_value = "60s", value_name = "TIME", help_heading = "Connection")]
    timeout: Span,
    /// Number of retries after 429 and 503, and when nothing was sent yet
    #[arg(long, default_value = "0", value_name = "N", value_parser = clap::value_parser!(u32).range(..=100), help_heading = "Connection")]
    retry: u32,
    /// Write the body to this new file (0600); - is stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file at --out
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Serialize)]
struct SendDocument {
    status: u16,
    signature: Proof,
    attempts: u32,
    headers: Vec<Line>,
    bytes: usize,
    /// The body, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    /// The body, where it is anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    value: String,
}

impl Document for SendDocument {
    const SCHEMA: &'static str = "sealserve.request.send/v1";

    /// In text form the body itself is the answer.
    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Send {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let client_key = usize::from(self.client_key == Some(Source::Stdin));
        context.check_stdin(self.message.stdin_readers() + self.key.stdin_readers() + client_key)?;
        let window = window(self.window)?;
        if self.timeout.0.is_zero() {
            return Err(Failure::new(Kind::Usage, "a --timeout of nothing leaves no time").into());
        }
        let signer = if self.key.is_given() {
            let key = self.key.to_sign(context)?;
            Some(Signer { key, window, allow_unsigned_response: self.allow_unsigned_response })
        } else {
            None
        };
        let (outgoing, _) = self.message.read(Purpose::Make)?;
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(chain), Some(key)) => Some(Identity {
                chain: chain.clone(),
                key: key.read(KEY_LIMIT)?,
                key_origin: key.name(),
                key_file: key.file().map(Into::into),
            }),
            _ => None,
        };
        // A file that cannot be written is found out before anything is sent.
        let out = self.out.as_deref().filter(|path| path.as_os_str() != "-");
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let file = out.map(|path| AtomicFile::create(path, fs::SECRET, existing)).transpose()?;

        let report = ops::send(&SendRequest {
            trust: self.trust(context),
            outgoing,
            signer,
            identity,
            insecure: self.insecure,
            timeout: self.timeout.0,
            retries: self.retry,
            response_limit: RESPONSE_LIMIT,
            clock: &SystemClock,
        })?;
        if report.proof == Proof::Unsigned {
            context.output.warn("the answer is not signed");
        }
        match file {
            Some(mut file) => {
                file.write_all(&report.body)
                    .map_err(fs::FsError::io("write", out.unwrap_or(&PathBuf::new())))?;
                file.commit()?;
                written(context.output.document(&document(&report, false)))
            }
            None if context.output.is_json() => written(context.output.document(&document(&report, true))),
            None => print(&report, self.out.is_some()),
        }
    }

    fn trust(&self, context: &Context) -> Trust {
        if let Some(path) = &self.cacert {
            return Trust::File(path.clone());
        }
        // Who has no place for a home has none.
        let ca = context.home().ok().map(|home| home.pki().join("ca.pem")).filter(|path| path.exists());
        ca.map_or(Trust::System, Trust::File)
    }
}

fn document(report: &SendReport, with_body: bool) -> SendDocument {
    let text = std::str::from_utf8(&report.body).ok().map(str::to_owned);
    let json = text.and_then(|text| RawValue::from_string(text).ok()).filter(|_| with_body);
    let other = with_body && json.is_none() && !report.body.is_empty();
    let headers = report.headers.iter().map(|(name, value)| Line {
        name: name.to_string(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    SendDocument {
        status: report.status.as_u16(),
        signature: report.proof,
        attempts: report.attempts,
        headers: headers.collect(),
        bytes: report.body.len(),
        body: json,
        body_base64: other.then(|| BASE64.encode(&report.body)),
    }
}

fn print(report: &SendReport, asked: bool) -> Outcome {
    if io::stdout().is_terminal() && !asked && std::str::from_utf8(&report.body).is_err() {
        return Err(Failure::new(Kind::Usage, "binary output is not written to a terminal unless asked")
            .hint("pass -o FILE, or -o - to have it on the terminal all the same")
            .into());
    }
    output::print(&report.body).map_err(Stop::Output)
}
