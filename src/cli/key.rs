//! `key`: create, list, rotate, revoke, jwks, public.

mod public;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::{Outcome, secret, written};
use crate::clock::{UnixSeconds, rfc3339};
use crate::config::Span;
use crate::keyring::{Key, KeyUse, Keyring, KeyringError, NewKey, Overlap};
use crate::output::{Document, table};
use crate::token::JwkSet;

/// Create, rotate and revoke keys
#[derive(Debug, Args)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Rotate(Rotate),
    Revoke(Revoke),
    Jwks(Jwks),
    Public(public::Public),
}

impl KeyCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Create(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context),
            Verb::Rotate(verb) => verb.run(context),
            Verb::Revoke(verb) => verb.run(context),
            Verb::Jwks(verb) => verb.run(context),
            Verb::Public(verb) => verb.run(context),
        }
    }
}

/// Add a key to the keyring, or write one to a file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key create --use model --id resnet
  sealserve key create --use request --id ci --owner ci
  sealserve key create --use model --out model.key    # no home needed
  sealserve key create --use signer --out signer.key  # Ed25519, as `openssl genpkey` makes it")]
struct Create {
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

impl Create {
    fn run(self, context: &Context) -> Outcome {
        let new = NewKey { usage: self.usage, id: self.id.clone(), owner: self.owner };
        if let Some(path) = &self.out {
            secret::deliverable(Some(path))?;
            // A keyring that lives for this call only: one way to make keys.
            let mut keyring = Keyring::default();
            let created = keyring.create(new, context.now())?;
            secret::deliver(keyring.get(&created.kid)?.export().expose(), Some(path))?;
            context.output.note(&format!("wrote {} key {}", self.usage, created.kid));
            return Ok(());
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

/// Show the keys and their states, never their secrets
#[derive(Debug, Args)]
struct List {
    /// Only keys for token, request, model or signer
    #[arg(long = "use", value_name = "USE")]
    usage: Option<KeyUse>,
}

#[derive(Serialize)]
struct ListDocument {
    generation: u64,
    keys: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    kid: String,
    #[serde(rename = "use")]
    usage: KeyUse,
    alg: String,
    state: String,
    created: String,
    verify_until: Option<String>,
    revoked: Option<String>,
    compromised: bool,
    owner: Option<String>,
}

impl Row {
    fn new(key: &Key, now: UnixSeconds) -> Self {
        Self {
            id: key.id.clone(),
            kid: key.kid.clone(),
            usage: key.usage,
            alg: key.algorithm.to_string(),
            state: key.state_at(now).to_string(),
            created: rfc3339(key.created),
            verify_until: key.verify_until.map(rfc3339),
            revoked: key.revoked.map(rfc3339),
            compromised: key.compromised,
            owner: key.owner.clone(),
        }
    }
}

impl Document for ListDocument {
    const SCHEMA: &'static str = "sealserve.key.list/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.keys.iter().map(|key| {
            let until = key.revoked.clone().or_else(|| key.verify_until.clone()).unwrap_or_default();
            [
                key.id.clone(),
                key.usage.to_string(),
                key.alg.clone(),
                key.state.clone(),
                key.created.clone(),
                until,
            ]
        });
        writeln!(out, "{}", table(["ID", "USE", "ALG", "STATE", "CREATED", "UNTIL"], rows))
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        let keyring = context.store()?.read()?;
        let wanted = keyring.keys.iter().filter(|key| self.usage.is_none_or(|usage| key.usage == usage));
        let keys = wanted.map(|key| Row::new(key, context.now())).collect();
        written(context.output.document(&ListDocument { generation: keyring.generation, keys }))
    }
}

/// Replace a key; the old one is accepted while what it made is in use
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key rotate --use token
  sealserve key rotate --use token --overlap 0s --emergency")]
struct Rotate {
    /// What the key is for: token, request, model or signer
    #[arg(long = "use", value_name = "USE")]
    usage: KeyUse,
    /// Which key [default: the active one]
    #[arg(long)]
    id: Option<String>,
    /// How long the old key is still accepted [default: 12h 1m; a model or signer key: until revoked]
    #[arg(long)]
    overlap: Option<Span>,
    /// Allow an overlap that cuts live tokens off
    #[arg(long, requires = "overlap")]
    emergency: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RotatedDocument {
    /// None after a dry run.
    new: Option<String>,
    old: String,
    verify_until: Option<String>,
    generation: u64,
    dry_run: bool,
}

impl Document for RotatedDocument {
    const SCHEMA: &'static str = "sealserve.key.rotate/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.new.iter().try_for_each(|id| writeln!(out, "{id}"))
    }
}

impl Rotate {
    fn run(self, context: &Context) -> Outcome {
        let overlap = match self.overlap {
            Some(Span(duration)) => Overlap::For { duration, emergency: self.emergency },
            None => Overlap::Standard,
        };
        let (now, store) = (context.now(), context.store()?);
        let change = |keyring: &mut Keyring| {
            let rotated = keyring.rotate(self.usage, self.id.as_deref(), overlap, now)?;
            Ok((rotated, keyring.generation + 1))
        };
        let (rotated, generation) =
            if self.dry_run { change(&mut store.read()?)? } else { store.update(change)? };
        let until = rotated.verify_until.map(rfc3339);
        let (would, id) = (if self.dry_run { "would retire" } else { "retired" }, &rotated.old.id);
        match &until {
            Some(until) => context
                .output
                .note(&format!("{would} {id}, accepted until {until} (generation {generation})")),
            None => context.output.note(&format!(
                "{would} {id}, accepted until `sealserve key revoke {id}` (generation {generation})"
            )),
        }
        written(context.output.document(&RotatedDocument {
            new: (!self.dry_run).then_some(rotated.new.id),
            old: rotated.old.id,
            verify_until: until,
            generation,
            dry_run: self.dry_run,
        }))
    }
}

/// Kill a key: what it made is accepted nowhere from now on
#[derive(Debug, Args)]
struct Revoke {
    /// The key's id or kid
    id: String,
    /// The secret is known to have leaked
    #[arg(long)]
    compromised: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RevokedDocument {
    id: String,
    kid: String,
    generation: u64,
    dry_run: bool,
}

impl Document for RevokedDocument {
    const SCHEMA: &'static str = "sealserve.key.revoke/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Revoke {
    fn run(self, context: &Context) -> Outcome {
        let (now, store) = (context.now(), context.store()?);
        let change = |keyring: &mut Keyring| {
            let revoked = keyring.revoke(&self.id, self.compromised, now)?;
            let active = keyring.active(keyring.get(&revoked.kid)?.usage).is_ok();
            Ok((revoked, active, keyring.generation + 1))
        };
        let (revoked, active, generation) =
            if self.dry_run { change(&mut store.read()?)? } else { store.update(change)? };
        let would = if self.dry_run { "would revoke" } else { "revoked" };
        context.output.note(&format!("{would} {} (generation {generation})", revoked.id));
        if !active {
            context.output.warn("no active key for this use is left; `sealserve key create` makes one");
        }
        written(context.output.document(&RevokedDocument {
            id: revoked.id,
            kid: revoked.kid,
            generation,
            dry_run: self.dry_run,
        }))
    }
}

/// Print the public token keys as a JWK Set (RFC 7517)
#[derive(Debug, Args)]
struct Jwks {}

impl Jwks {
    #[expect(clippy::unused_self, reason = "the shape of every verb")]
    fn run(self, context: &Context) -> Outcome {
        let set = JwkSet::new(&context.store()?.read()?, context.now());
        let mut out = io::stdout().lock();
        written(
            serde_json::to_writer_pretty(&mut out, &set)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out)),
        )
    }
}
