//! `status`.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::{Outcome, written};
use crate::config::Span;
use crate::error::Kind;
use crate::output::{Document, Failure, table};
use crate::server;
use crate::serving::{ModelState, ModelStatus};

const POLL: Duration = Duration::from_millis(100);

/// Show the status of this home's server
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Wait this long for the server to be ready
    #[arg(long, value_name = "TIME")]
    wait: Option<Span>,
    /// The development server's home
    #[arg(long)]
    dev: bool,
}

#[derive(Serialize)]
struct StatusDocument {
    #[serde(flatten)]
    status: server::Status,
}

impl Document for StatusDocument {
    const SCHEMA: &'static str = "sealserve.status/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let status = &self.status;
        let ready = if status.ready { "ready" } else { "not ready" };
        writeln!(out, "{ready}: {} (pid {}, since {})", status.url, status.pid, status.started)?;
        write!(out, "keyring generation {}", status.keyring.generation)?;
        match status.keyring.unreadable_for_seconds {
            Some(seconds) => writeln!(out, ", UNREADABLE for {seconds} s")?,
            None => writeln!(out)?,
        }
        let (open, limit) = (status.connections, status.connection_limit);
        writeln!(out, "{open} of {limit} connections, {} requests", status.requests)?;
        let (refused, evicted) = (status.connections_refused, status.connections_evicted);
        if refused + evicted > 0 {
            writeln!(out, "{refused} connections refused, {evicted} closed to make room for others")?;
        }
        if !status.audit_healthy || status.audit_lines_lost > 0 {
            writeln!(out, "AUDIT: {} lines lost", status.audit_lines_lost)?;
        }
        let rows = status.models.iter().map(|report| {
            let (model, counts) = (&report.status, &report.counts);
            [
                model.name.clone(),
                model.version.clone(),
                state(model),
                model.device.clone(),
                model.sessions.to_string(),
                model.waiting.to_string(),
                counts.done.to_string(),
                counts.failed.to_string(),
            ]
        });
        let headings = ["MODEL", "VERSION", "STATE", "DEVICE", "SESSIONS", "WAITING", "DONE", "FAILED"];
        writeln!(out, "{}", table(headings, rows))
    }
}

/// Whether a model is there, and what is held against it.
fn state(model: &ModelStatus) -> String {
    match (model.state, &model.refused) {
        (ModelState::Withdrawn, _) => "withdrawn".into(),
        (ModelState::Stuck, _) => "stuck".into(),
        (ModelState::Ready, None) if model.stuck > 0 => format!("ready; {} stuck", model.stuck),
        (ModelState::Ready, None) => "ready".into(),
        (ModelState::Ready, Some(refusal)) => format!("ready; {} key {}", refusal.usage, refusal.state),
    }
}

impl Status {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let home = if self.dev { context.dev_home()? } else { context.home()? };
        let socket = home.control_socket();
        let deadline = Instant::now() + self.wait.map_or(Duration::ZERO, |Span(wait)| wait);
        let status = loop {
            match server::query(&socket) {
                Ok(status) if status.ready || self.wait.is_none() => break status,
                Err(error) if self.wait.is_none() || Instant::now() >= deadline => return Err(error.into()),
                Ok(_) if Instant::now() >= deadline => {
                    return Err(Failure::new(Kind::Failed, "the server runs, but is not ready").into());
                }
                _ => std::thread::sleep(POLL),
            }
        };
        written(context.output.document(&StatusDocument { status }))
    }
}
