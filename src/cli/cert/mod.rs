//! `cert`: ca create, issue, inspect, verify, check.

mod ca;
mod check;
mod describe;
mod input;
mod inspect;
mod issue;
mod verify;

use clap::{Args, Subcommand};

use super::Outcome;
use super::context::Context;

/// Issue, inspect and verify certificates
#[derive(Debug, Args)]
pub(super) struct CertCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ca(ca::CaCommand),
    Issue(issue::Issue),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Check(check::Check),
}

impl CertCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Ca(command) => command.run(context),
            Verb::Issue(verb) => verb.run(context),
            Verb::Inspect(verb) => verb.run(context),
            Verb::Verify(verb) => verb.run(context),
            Verb::Check(verb) => verb.run(context),
        }
    }
}
