//! `token`: mint, verify, inspect.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::secret::{self, Source};
use super::{Outcome, answered, written};
use crate::auth::{AuthError, Authenticator, ConnectionInfo, Credential, Scope};
use crate::clock::rfc3339;
use crate::config::Span;
use crate::error::Kind;
use crate::keyring::KeyUse;
use crate::output::{Document, Failure};
use crate::secret::SecretBytes;
use crate::token::{self, Expected, Grant, SigningKey};

/// Mint and verify access tokens (RFC 9068)
#[derive(Debug, Args)]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Mint(Mint),
    Verify(Verify),
    Inspect(Inspect),
}

impl TokenCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Mint(verb) => verb.run(context),
            Verb::Verify(verb) => verb.run(context),
            Verb::Inspect(verb) => verb.run(context),
        }
    }
}

/// Whom tokens come from and whom they are for; the home's configuration says it
/// where the options do not.
#[derive(Debug, Args)]
struct Parties {
    /// Issuer (iss) [default: `issuer` of the home's sealserve.toml]
    #[arg(long)]
    issuer: Option<String>,
    /// Audience (aud) [default: `audience` of the home's sealserve.toml]
    #[arg(long)]
    audience: Option<String>,
}

impl Parties {
    fn resolve(self, context: &Context) -> Outcome<Expected> {
        if let (Some(issuer), Some(audience)) = (&self.issuer, &self.audience) {
            return Ok(Expected { issuer: issuer.clone(), audience: audience.clone() });
        }
        let config = context.config()?;
        Ok(Expected {
            issuer: self.issuer.unwrap_or(config.issuer),
            audience: self.audience.unwrap_or(config.audience),
        })
    }
}

/// Mint a token
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve token mint --subject ann --scope model:digits:infer -o ann.token
  sealserve token mint --subject ci --scope 'model:*:infer' --lifetime 10m -o - | …")]
struct Mint {
    /// Whom it names (sub)
    #[arg(long)]
    subject: String,
    /// The client that will present it (client_id) [default: the subject]
    #[arg(long)]
    client: Option<String>,
    /// Permission: model:NAME:infer, model:NAME:metadata or admin:*; may be repeated
    #[arg(long = "scope", required = true, value_parser = parse_scope)]
    scopes: Vec<Scope>,
    /// How long it is valid, at most 12h
    #[arg(long, default_value = "1h")]
    lifetime: Span,
    #[command(flatten)]
    parties: Parties,
    /// Write the token to this new file (0600); - is stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn parse_scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|error: token::TokenError| error.to_string())
}

impl Mint {
    fn run(self, context: &Context) -> Outcome {
        secret::deliverable(self.out.as_deref())?;
        let keyring = context.store()?.read()?;
        let Expected { issuer, audience } = self.parties.resolve(context)?;
        let grant = Grant {
            issuer,
            audience,
            client: self.client.unwrap_or_else(|| self.subject.clone()),
            subject: self.subject,
            scopes: self.scopes.iter().map(Scope::to_string).collect(),
            lifetime: self.lifetime.0,
        };
        let key = SigningKey::new(keyring.active(KeyUse::Token)?);
        let (minted, claims) = key.mint(&grant, context.now())?;
        let mut line = SecretBytes::with_capacity(minted.len() + 1);
        line.expose_mut().extend_from_slice(minted.expose());
        line.expose_mut().push(b'\n');
        secret::deliver(line.expose(), self.out.as_deref())?;
        context.output.note(&format!(
            "minted token {} for {}, valid until {}",
            claims.jti,
            claims.sub,
            rfc3339(claims.exp)
        ));
        // Where stdout carries the token it carries nothing else.
        if self.out.as_deref().is_none_or(|path| path == Path::new("-")) {
            return Ok(());
        }
        written(context.output.document(&MintDocument {
            token: claims.jti,
            subject: claims.sub,
            key: key.kid().to_owned(),
            expires: rfc3339(claims.exp),
        }))
    }
}

#[derive(Serialize)]
struct MintDocument {
    /// Its id (jti); the token itself is in its file.
    token: String,
    subject: String,
    key: String,
    expires: String,
}

impl Document for MintDocument {
    const SCHEMA: &'static str = "sealserve.token.mint/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Verify a token as the server does; exit 3 if it is refused
#[derive(Debug, Args)]
struct Verify {
    /// The token
    #[arg(value_name = secret::FORMS)]
    token: Source,
    #[command(flatten)]
    parties: Parties,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    subject: String,
    token: String,
    key: String,
    keyring_generation: u64,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.token.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "verified: {} (token {}, key {})", self.subject, self.token, self.key)
    }
}

impl Verify {
    fn run(self, context: &Context) -> Outcome {
        answered::<VerifyDocument>(context.output, self.judge(context))
    }

    fn judge(self, context: &Context) -> Outcome {
        context.check_stdin(usize::from(self.token == Source::Stdin))?;
        let keyring = context.store()?.read()?;
        let expected = self.parties.resolve(context)?;
        let text = read(&self.token)?;
        let authenticator = Authenticator::new(&keyring, expected)?;
        // The server's own path, from the header field on.
        let credential = Credential::Authorization(format!("Bearer {text}").into());
        let judged = authenticator.authenticate(&ConnectionInfo::offline(), &[credential], context.now());
        let principal = judged.map_err(|error| match error {
            AuthError::Token(error) => Failure::from(error),
            other => Failure::new(Kind::Negative, other.to_string()),
        })?;
        // An API key is no token, however good it is.
        let token = principal.token().ok_or(token::TokenError::Envelope)?;
        written(context.output.document(&VerifyDocument {
            verified: true,
            subject: principal.name().to_owned(),
            token: token.to_owned(),
            key: principal.key().to_owned(),
            keyring_generation: keyring.generation,
        }))
    }
}

/// Show the content of a token, without verifying it
#[derive(Debug, Args)]
struct Inspect {
    /// The token
    #[arg(value_name = secret::FORMS)]
    token: Source,
}

#[derive(Serialize)]
struct InspectDocument {
    verified: bool,
    header: serde_json::Value,
    claims: serde_json::Value,
}

impl Document for InspectDocument {
    const SCHEMA: &'static str = "sealserve.token.inspect/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "NOT VERIFIED")?;
        writeln!(out, "header: {}", self.header)?;
        writeln!(out, "claims: {:#}", self.claims)
    }
}

impl Inspect {
    fn run(self, context: &Context) -> Outcome {
        let (header, claims) =
            token::inspect(&read(&self.token)?).map_err(|error| Failure::from(error).kind(Kind::Failed))?;
        written(context.output.document(&InspectDocument { verified: false, header, claims }))
    }
}

/// A token is text; white space around it comes from editors and shells.
fn read(source: &Source) -> Outcome<String> {
    let bytes = source.read(2 * token::MAX_LENGTH as u64)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| Failure::from(token::TokenError::Envelope))?;
    Ok(text.trim().to_owned())
}
