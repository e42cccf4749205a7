//! `cert check`.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::describe::left;
use super::input::{FORMS, Input};
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::{UnixSeconds, rfc3339_signed};
use crate::config::{Config, Span};
use crate::error::Kind;
use crate::ops;
use crate::output::{Document, Failure, table};
use crate::pki::Entry;

/// Find certificates that expire soon; exit 3 if there are any
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve cert check --within 30d
  sealserve cert check --within 14d models.example:443 ca/issuing.pem --format json

Without files it looks at what the home uses (pki/ca.pem, pki/issuing.pem, the server's
certificate) and at its inventory. Of the inventory, what ended or was replaced by a later
certificate for the same holder does not count, and a certificate that lives no longer than
the window counts when a third of its life is left.")]
pub(super) struct Check {
    /// Time within which a certificate must expire to be listed
    #[arg(long, default_value = "30d", value_name = "TIME")]
    within: Span,
    /// Certificates [default: those of the home]
    #[arg(value_name = FORMS)]
    inputs: Vec<Input>,
}

#[derive(Serialize)]
struct CheckDocument {
    within_seconds: u64,
    checked: usize,
    expiring: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    source: String,
    subject: String,
    /// Whom it names, as people call them.
    holder: String,
    serial: String,
    not_after: String,
    /// Negative when its time is over.
    seconds_left: i64,
    expired: bool,
}

impl Document for CheckDocument {
    const SCHEMA: &'static str = "sealserve.cert.check/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.expiring.is_empty() {
            return Ok(());
        }
        let rows = self.expiring.iter().map(|row| {
            [row.not_after.clone(), left(row.seconds_left), row.holder.clone(), row.source.clone()]
        });
        writeln!(out, "{}", table(["ENDS", "LEFT", "HOLDER", "WHERE"], rows))
    }
}

impl Check {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let stdin = self.inputs.iter().filter(|input| **input == Input::Stdin).count();
        context.check_stdin(stdin)?;
        let mut look = Look::new(self.within.0.as_secs(), context.now());
        if self.inputs.is_empty() {
            look.home(context)?;
        }
        for input in &self.inputs {
            look.input(input)?;
        }
        let (checked, expiring) = (look.checked, look.expiring);
        let count = expiring.len();
        let within = span(self.within);
        written(context.output.document(&CheckDocument {
            within_seconds: self.within.0.as_secs(),
            checked,
            expiring,
        }))?;
        let of = if checked == 1 { "certificate ends" } else { "certificates end" };
        if count == 0 {
            context.output.note(&format!(
                "none of {checked} is in the last third of its life and ends within {within}"
            ));
            return Ok(());
        }
        let message = format!("{count} of {checked} {of} within {within}");
        Err(Failure::new(Kind::Negative, message).hint("renew with `sealserve cert issue … --force`").into())
    }
}

/// In days, as such windows are given.
fn span(span: Span) -> String {
    let seconds = span.0.as_secs();
    if seconds != 0 && seconds.is_multiple_of(86_400) {
        format!("{} days", seconds / 86_400)
    } else {
        span.to_string()
    }
}

/// What was looked at so far.
struct Look {
    within: i64,
    now: i64,
    checked: usize,
    expiring: Vec<Row>,
    /// Each certificate counts once, wherever it lies.
    fingerprints: HashSet<String>,
}

impl Look {
    fn new(within: u64, now: UnixSeconds) -> Self {
        Self {
            within: i64::try_from(within).unwrap_or(i64::MAX),
            now: i64::try_from(now).unwrap_or(i64::MAX),
            checked: 0,
            expiring: Vec::new(),
            fingerprints: HashSet::new(),
        }
    }

    fn input(&mut self, input: &Input) -> Outcome {
        for certificate in input.read()?.chain {
            let facts = &certificate.facts;
            let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
            // An intermediate stands in the server's file, too.
            if !self.fingerprints.insert(hex(&facts.fingerprint)) {
                continue;
            }
            self.checked += 1;
            if facts.not_after.saturating_sub(self.now) <= self.within {
                self.expiring.push(Row {
                    source: input.name(),
                    subject: facts.subject.clone(),
                    holder: facts.holder(),
                    serial: hex(&facts.serial),
                    not_after: rfc3339_signed(facts.not_after),
                    seconds_left: facts.not_after.saturating_sub(self.now),
                    expired: facts.not_after < self.now,
                });
            }
        }
        Ok(())
    }

    /// What the home uses, and what was issued there.
    fn home(&mut self, context: &Context) -> Outcome {
        let home = context.home()?;
        let server = match Config::read(&home.config()) {
            Ok(config) => config.tls.certificate,
            // A home that only issues has no configuration.
            Err(_) if home.config().symlink_metadata().is_err() => home.pki().join("server.pem"),
            Err(error) => return Err(error.into()),
        };
        let used = [home.pki().join("ca.pem"), home.pki().join("issuing.pem"), server];
        let there = |path: &&std::path::PathBuf| Path::symlink_metadata(path).is_ok();
        for path in used.iter().filter(there) {
            self.input(&Input::File(path.clone()))?;
        }
        let inventory = ops::inventory(&home);
        let entries = inventory.read()?;
        if self.checked == 0 && entries.is_empty() {
            let message = format!("the home '{}' has no certificates", home.path().display());
            return Err(Failure::new(Kind::Failed, message).hint("name files, or a home with --home").into());
        }
        self.entries(&entries, &inventory.path().display().to_string());
        Ok(())
    }

    fn entries(&mut self, entries: &[Entry], source: &str) {
        let newest: HashMap<_, _> =
            entries.iter().enumerate().map(|(at, entry)| (entry.holder(), at)).collect();
        for (at, entry) in entries.iter().enumerate() {
            let Some((begins, ends)) = entry.times() else { continue };
            let (begins, ends) =
                (i64::try_from(begins).unwrap_or(0), i64::try_from(ends).unwrap_or(i64::MAX));
            let replaced = newest.get(&entry.holder()).is_some_and(|newest| *newest > at);
            if ends < self.now || replaced || self.fingerprints.contains(&entry.fingerprint) {
                continue;
            }
            self.checked += 1;
            let life = ends.saturating_sub(begins);
            let soon = if life <= self.within { life / 3 } else { self.within };
            if ends - self.now <= soon {
                self.expiring.push(Row {
                    source: source.to_owned(),
                    subject: entry.subject.clone(),
                    holder: entry.holder_name(),
                    serial: entry.serial.clone(),
                    not_after: entry.not_after.clone(),
                    seconds_left: ends - self.now,
                    expired: false,
                });
            }
        }
    }
}
