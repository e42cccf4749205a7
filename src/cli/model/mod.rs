//! `model`: encrypt, decrypt, inspect, sign, verify; rewrap, reencrypt, recipient.

mod decrypt;
mod encrypt;
mod files;
mod inspect;
mod io;
mod keys;
mod range;
mod recipient;
mod recipients;
mod reencrypt;
mod rewrap;
mod rewrap_keys;
mod sign;
mod verify;

use clap::{Args, Subcommand};

pub(super) use sign::{Signers, read_trusted};

use super::Outcome;
use super::context::Context;

/// Encrypt and decrypt model files, and rotate their keys
#[derive(Debug, Args)]
pub(super) struct ModelCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Encrypt(encrypt::Encrypt),
    Decrypt(decrypt::Decrypt),
    Inspect(inspect::Inspect),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Rewrap(rewrap::Rewrap),
    Reencrypt(reencrypt::Reencrypt),
    Recipient(recipient::RecipientCommand),
}

impl ModelCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Encrypt(verb) => verb.run(context),
            Verb::Decrypt(verb) => verb.run(context),
            Verb::Inspect(verb) => verb.run(context),
            Verb::Sign(verb) => verb.run(context),
            Verb::Verify(verb) => verb.run(context),
            Verb::Rewrap(verb) => verb.run(context),
            Verb::Reencrypt(verb) => verb.run(context),
            Verb::Recipient(verb) => verb.run(context),
        }
    }
}
