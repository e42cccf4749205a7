//! `key jwks`

use std::io;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::output;
use crate::token::JwkSet;
/// Print the public token keys as a JWK Set (RFC 7517)
#[derive(Debug, Args)]
pub(super) struct Jwks {}

impl Jwks {
    #[expect(clippy::unused_self, reason = "the shape of every verb")]
    pub(super) fn run(self, context: &Context) -> Outcome {
        let set = JwkSet::new(&context.store()?.read()?, context.now());
        let text = serde_json::to_string_pretty(&set).map_err(io::Error::from);
        written(text.and_then(|text| output::print(format!("{text}\n").as_bytes())))
    }
}
