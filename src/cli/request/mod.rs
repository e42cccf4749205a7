//! `request`: sign, verify, send.

mod key;
mod message;
mod raw;
mod send;
mod sign;
mod verify;

use clap::{Args, Subcommand};

use super::Outcome;
use super::context::Context;

/// Sign, verify and send requests (RFC 9421)
#[derive(Debug, Args)]
pub(super) struct RequestCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Sign(sign::Sign),
    Verify(verify::Verify),
    Send(send::Send),
}

impl RequestCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Sign(verb) => verb.run(context),
            Verb::Verify(verb) => verb.run(context),
            Verb::Send(verb) => verb.run(context),
        }
    }
}
