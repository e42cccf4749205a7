//! `key rotate`

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::rfc3339;
use crate::config::Span;
use crate::keyring::{KeyUse, Keyring, Overlap};
use crate::output::Document;
/// Replace a key; the old one stays accepted for an overlap
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key rotate --use token
  sealserve key rotate --use token --overlap 0s --emergency")]
pub(super) struct Rotate {
    /// What the key is for: token, request, model or signer
    #[arg(long = "use", value_name = "USE")]
    usage: KeyUse,
    /// Which key [default: the active one]
    #[arg(long)]
    id: Option<String>,
    /// How long the old key is still accepted [default: 12h 1m; a model or signer key: until revoked]
    #[arg(long)]
    overlap: Option<Span>,
    /// Allow an overlap that invalidates tokens before they expire
    #[arg(long, requires = "overlap")]
    emergency: bool,
    /// Print what would be done, and change nothing
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
    pub(super) fn run(self, context: &Context) -> Outcome {
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
