//! `key`: create, list, rotate, revoke, export, jwks, public.

mod authority;
mod create;
mod export;
mod jwks;
mod list;
mod public;
mod revoke;
mod rotate;

use clap::{Args, Subcommand};

use super::Outcome;
use super::context::Context;

/// Create, rotate and revoke keys
#[derive(Debug, Args)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(create::Create),
    List(list::List),
    Rotate(rotate::Rotate),
    Revoke(revoke::Revoke),
    Export(export::Export),
    Jwks(jwks::Jwks),
    Public(public::Public),
}

impl KeyCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Create(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context),
            Verb::Rotate(verb) => verb.run(context),
            Verb::Revoke(verb) => verb.run(context),
            Verb::Export(verb) => verb.run(context),
            Verb::Jwks(verb) => verb.run(context),
            Verb::Public(verb) => verb.run(context),
        }
    }
}
