//! `request verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::key::{SignKey, window};
use super::message::{Message, Purpose};
use super::raw;
use crate::cli::context::Context;
use crate::cli::secret::Source;
use crate::cli::{Outcome, answered, written};
use crate::clock::{UnixSeconds, parse, rfc3339};
use crate::config::Span;
use crate::crypto::digest::{Digest, sha256};
use crate::error::Kind;
use crate::fs;
use crate::output::{Document, Failure};
use crate::signing::{Binding, RequestKey, ResponseHead, SigningError, read, verify_response};

const RESPONSE_LIMIT: u64 = 1 << 30;

/// Verify the signature of a request; exit 3 if it is invalid
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve request verify https://models.example/v2/models/digits/infer -d @in.json \\
      -H @fields --token-file ci.token --sign-key-file ci.key
  curl -si … > answer; sealserve request verify … --response answer

What is covered, the times, the MAC and the body are judged as the server does.
Not checked: whether its credential is accepted, whether the key is of the principal
that the credential names, and whether the request was sent before.")]
pub(super) struct Verify {
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    key: SignKey,
    /// The longest validity that is accepted, at most 5m
    #[arg(long, default_value = "60s", value_name = "TIME", help_heading = "Signature")]
    window: Span,
    /// Verify as of this time: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<UnixSeconds>,
    /// Check this response to the request too, as `curl -i` writes it; - is stdin
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    parse(text).ok_or_else(|| "it is neither RFC 3339 nor seconds since 1970".into())
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    key: String,
    created: String,
    expires: String,
    nonce: String,
    /// What a server refuses besides.
    not_checked: [&'static str; 3],
    response: Option<ResponseDocument>,
}

#[derive(Serialize)]
struct ResponseDocument {
    verified: bool,
    status: u16,
    created: String,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.request.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "verified: signed with key {}, valid until {}", self.key, self.expires)?;
        if let Some(response) = &self.response {
            writeln!(out, "verified: the response, {}, signed {}", response.status, response.created)?;
        }
        writeln!(out, "not checked: its credential, whose key it is, whether it was sent before")
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        answered::<VerifyDocument>(context.output, self.judge(context))
    }

    fn judge(self, context: &Context) -> Outcome {
        let is_dash = |path: &PathBuf| path.as_os_str() == "-";
        let response_stdin = usize::from(self.response.as_ref().is_some_and(is_dash));
        context.check_stdin(self.message.stdin_readers() + self.key.stdin_readers() + response_stdin)?;
        let longest = window(self.window)?;
        let (request, _) = self.message.read(Purpose::Judge)?;
        let response = match &self.response {
            None => None,
            Some(path) if is_dash(path) => Some(Source::Stdin.read(RESPONSE_LIMIT)?),
            Some(path) => Some(fs::read(path, RESPONSE_LIMIT)?),
        };

        let received = read(&request.head(&request.headers))?.ok_or(SigningError::Unsigned)?;
        let key = self.key.to_verify(context, received.key_id())?;
        received.verify(key.secret())?;
        holds(received.digest(), &request.body, "request")?;
        let mut document = VerifyDocument {
            verified: true,
            key: received.key_id().to_owned(),
            created: rfc3339(received.created()),
            expires: rfc3339(received.expires()),
            nonce: received.nonce().to_owned(),
            not_checked: ["credential", "owner", "replay"],
            response: None,
        };
        let mut at = self.at.unwrap_or_else(|| context.now());
        let window = |at| received.check_window(at, longest);
        let Some(response) = response else {
            window(at)?;
            return written(context.output.document(&document));
        };
        let binding = received.clone().into_binding();
        let (found, created) = check(&binding, response.expose(), &key)?;
        // The request of an old response was valid when that was signed.
        at = self.at.unwrap_or(created);
        window(at)?;
        document.response = Some(found);
        written(context.output.document(&document))
    }
}

/// Checks the response in `bytes`, and tells when it was signed.
fn check(binding: &Binding, bytes: &[u8], key: &RequestKey) -> Outcome<(ResponseDocument, UnixSeconds)> {
    let response = raw::response(bytes).map_err(|detail| {
        Failure::new(Kind::Failed, format!("the response cannot be read: {detail}"))
            .hint("give it as `curl -i` writes it")
    })?;
    let head = ResponseHead { status: response.status, headers: &response.headers };
    let of_response = |error: SigningError| Failure::from(error).context("the response is refused");
    let received = verify_response(binding, &head, key.secret()).map_err(of_response)?;
    holds(received.digest.as_ref(), response.body, "response")?;
    let document = ResponseDocument {
        verified: true,
        status: response.status.as_u16(),
        created: rfc3339(received.created),
    };
    Ok((document, received.created))
}

/// Checks that `body` is the one that was signed.
fn holds(claimed: Option<&Digest>, body: &[u8], whose: &str) -> Outcome {
    let message = match claimed {
        Some(claimed) if *claimed == sha256(&[body]) => return Ok(()),
        None if body.is_empty() => return Ok(()),
        Some(_) => format!("the {whose}'s body is not the one that was signed"),
        None => format!("the {whose} has a body, but none was signed"),
    };
    Err(Failure::new(Kind::Negative, message).into())
}
