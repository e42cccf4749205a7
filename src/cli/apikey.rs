//! `apikey`: create, list, revoke.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::secret::{self, Source};
use super::token::parse_scope;
use super::{Outcome, written};
use crate::auth::Scope;
use crate::clock::{UnixSeconds, rfc3339};
use crate::config::Span;
use crate::error::Kind;
use crate::keyring::{self, ApiKey, Keyring, KeyringError, Network, NewApiKey, Presented, RevokedApiKey};
use crate::output::{Document, Failure, table};
use crate::secret::SecretBytes;

/// Most bytes of keys that were found somewhere.
const FOUND: u64 = 1 << 20;

/// Create, list and revoke API keys, for clients that cannot fetch tokens
#[derive(Debug, Args)]
pub(super) struct ApiKeyCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

impl ApiKeyCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Create(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context),
            Verb::Revoke(verb) => verb.run(context),
        }
    }
}

/// Create an API key; it is shown once, and the keyring stores its hash
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve apikey create --subject ci --scope model:digits:infer --lifetime 90d -o ci.key
  sealserve apikey create --subject ann --scope 'model:*:*' --from 10.0.0.0/8 -o -

A client sends it as `X-Api-Key: KEY` or as `Authorization: Bearer KEY`.")]
struct Create {
    /// The principal that it names
    #[arg(long)]
    subject: String,
    /// Permission: model:NAME:infer, model:NAME:metadata or admin:*; may be repeated
    #[arg(long = "scope", required = true, value_parser = parse_scope)]
    scopes: Vec<Scope>,
    /// How long it is accepted [default: until it is revoked]
    #[arg(long)]
    lifetime: Option<Span>,
    /// Network or address that it is accepted from; may be repeated [default: anywhere]
    #[arg(long = "from", value_name = "CIDR")]
    networks: Vec<Network>,
    /// Label that distinguishes it from the subject's other keys
    #[arg(long)]
    label: Option<String>,
    /// Write the key to this new file (0600); - is stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct CreatedDocument {
    id: String,
    subject: String,
    expires: Option<String>,
    generation: u64,
}

impl Document for CreatedDocument {
    const SCHEMA: &'static str = "sealserve.apikey.create/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.id)
    }
}

impl Create {
    fn run(self, context: &Context) -> Outcome {
        secret::deliverable(self.out.as_deref())?;
        let (now, store) = (context.now(), context.store()?);
        let new = NewApiKey {
            subject: self.subject,
            label: self.label,
            scopes: self.scopes.iter().map(Scope::to_string).collect(),
            lifetime: self.lifetime.map(|Span(lifetime)| lifetime),
            networks: self.networks,
        };
        let (key, text, generation) = store.update(|keyring| {
            let generation = keyring.generation + 1;
            let (key, text) = keyring.create_api_key(new, now)?;
            Ok((key.clone(), text, generation))
        })?;
        let mut line = SecretBytes::with_capacity(text.len() + 1);
        line.expose_mut().extend_from_slice(text.expose());
        line.expose_mut().push(b'\n');
        if let Err(stop) = secret::deliver(line.expose(), self.out.as_deref()) {
            // Nobody got it whole, so nobody is to use it.
            store.update(|keyring| keyring.revoke_api_key(&key.id, false, now))?;
            return Err(stop);
        }
        let (id, expires) = (key.id, key.expires.map(rfc3339));
        let until =
            expires.as_deref().map_or("until it is revoked".to_owned(), |time| format!("until {time}"));
        context.output.note(&format!(
            "created API key {id} for {}, valid {until} (generation {generation})",
            key.subject
        ));
        // Where stdout carries the key it carries nothing else.
        if self.out.as_deref().is_none_or(|path| path == Path::new("-")) {
            return Ok(());
        }
        written(context.output.document(&CreatedDocument { id, subject: key.subject, expires, generation }))
    }
}

/// List API keys and their states, never their secrets
#[derive(Debug, Args)]
struct List {
    /// Only keys of this principal
    #[arg(long)]
    subject: Option<String>,
}

#[derive(Serialize)]
struct ListDocument {
    generation: u64,
    api_keys: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    subject: String,
    label: Option<String>,
    scopes: Vec<String>,
    /// Empty: from anywhere.
    from: Vec<String>,
    state: String,
    created: String,
    expires: Option<String>,
    revoked: Option<String>,
    compromised: bool,
}

impl Row {
    fn new(key: &ApiKey, now: UnixSeconds) -> Self {
        Self {
            id: key.id.clone(),
            subject: key.subject.clone(),
            label: key.label.clone(),
            scopes: key.scopes.clone(),
            from: key.networks.iter().map(Network::to_string).collect(),
            state: key.state_at(now).to_string(),
            created: rfc3339(key.created),
            expires: key.expires.map(rfc3339),
            revoked: key.revoked.map(rfc3339),
            compromised: key.compromised,
        }
    }
}

impl Document for ListDocument {
    const SCHEMA: &'static str = "sealserve.apikey.list/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.api_keys.iter().map(|key| {
            let until = key.revoked.clone().or_else(|| key.expires.clone()).unwrap_or_default();
            [
                key.id.clone(),
                key.subject.clone(),
                key.state.clone(),
                key.created.clone(),
                until,
                key.scopes.join(" "),
                if key.from.is_empty() { "any".into() } else { key.from.join(" ") },
                key.label.clone().unwrap_or_default(),
            ]
        });
        let headings = ["ID", "SUBJECT", "STATE", "CREATED", "UNTIL", "SCOPES", "FROM", "LABEL"];
        writeln!(out, "{}", table(headings, rows))
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        let Keyring { generation, api_keys, .. } = context.store()?.read()?;
        let wanted = |key: &&ApiKey| self.subject.as_ref().is_none_or(|subject| key.subject == *subject);
        let api_keys = api_keys.iter().filter(wanted).map(|key| Row::new(key, context.now())).collect();
        written(context.output.document(&ListDocument { generation, api_keys }))
    }
}

/// Revoke API keys: servers stop accepting them at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve apikey revoke 4yNsyYzYKcbS
  grep -o 'ss_[0-9A-Za-z_]*' app.log | sealserve apikey revoke --key-file - --compromised")]
struct Revoke {
    /// The keys' ids
    #[arg(value_name = "ID", required_unless_present = "key_files")]
    ids: Vec<String>,
    /// File with whole API keys, separated by white space, such as from a log; may be repeated
    #[arg(long = "key-file", value_name = secret::FORMS)]
    key_files: Vec<Source>,
    /// The keys are known to have leaked
    #[arg(long)]
    compromised: bool,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RevokedDocument {
    revoked: Vec<RevokedRow>,
    /// Why others were not.
    failed: Vec<String>,
    generation: u64,
    dry_run: bool,
}

#[derive(Serialize)]
struct RevokedRow {
    id: String,
    since: String,
    /// Not, where it was revoked already.
    changed: bool,
}

impl Document for RevokedDocument {
    const SCHEMA: &'static str = "sealserve.apikey.revoke/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Revoke {
    fn run(self, context: &Context) -> Outcome {
        if self.ids.iter().any(|id| keyring::is_meant(id)) {
            return Err(Failure::new(Kind::Usage, "a secret stands where the id of an API key belongs")
                .hint("the id is the 12 characters after ss_; pass a whole key with --key-file, and revoke this one: it may be in your shell's history")
                .into());
        }
        context.check_stdin(self.key_files.iter().filter(|source| **source == Source::Stdin).count())?;
        let (now, store) = (context.now(), context.store()?);
        let texts = self.key_files.iter().map(|source| source.read(FOUND)).collect::<Outcome<Vec<_>>>()?;
        let change = |keyring: &mut Keyring| {
            let (mut revoked, mut failed) = (Vec::<RevokedApiKey>::new(), Vec::new());
            let mut note = |outcome: Result<RevokedApiKey, _>| match outcome {
                // Named twice, once by this call.
                Ok(outcome) if revoked.iter().any(|done| done.id == outcome.id) => {}
                Ok(outcome) => revoked.push(outcome),
                // One that is mistyped does not keep the others alive.
                Err(error) => failed.push(error),
            };
            for id in &self.ids {
                note(keyring.revoke_api_key(id, self.compromised, now));
            }
            for part in texts.iter().flat_map(parts) {
                let id = Presented::parse(part).map_err(KeyringError::from).and_then(|presented| {
                    let key = keyring.recognize(presented)?;
                    Ok(key.id.clone())
                });
                note(id.and_then(|id| keyring.revoke_api_key(&id, self.compromised, now)));
            }
            let changed = revoked.iter().any(|outcome| outcome.changed);
            Ok::<_, KeyringError>(((revoked, failed), changed))
        };
        let ((revoked, failed), generation) =
            if self.dry_run { store.rehearse(change)? } else { store.update_if(change)? };
        for outcome in &revoked {
            let (id, would) = (&outcome.id, if self.dry_run { "would revoke" } else { "revoked" });
            context.output.note(&if outcome.changed {
                format!("{would} API key {id} (generation {generation})")
            } else {
                format!(
                    "API key {id} was revoked already, at {} (generation {generation})",
                    rfc3339(outcome.since)
                )
            });
        }
        for error in failed.iter().skip(1) {
            context.output.warn(&error.to_string());
        }
        let row = |o: RevokedApiKey| RevokedRow { id: o.id, since: rfc3339(o.since), changed: o.changed };
        let revoked = revoked.into_iter().map(row).collect();
        let document = RevokedDocument {
            revoked,
            failed: failed.iter().map(ToString::to_string).collect(),
            generation,
            dry_run: self.dry_run,
        };
        written(context.output.document(&document))?;
        failed.into_iter().next().map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The keys in a text, one or many; one that holds none holds one that is malformed.
fn parts(text: &SecretBytes) -> impl Iterator<Item = &[u8]> {
    let parts = text.expose().split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let none = text.expose().trim_ascii().is_empty().then_some(&b""[..]);
    parts.chain(none)
}
