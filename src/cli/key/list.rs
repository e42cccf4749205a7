//! `key list`

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::{UnixSeconds, rfc3339};
use crate::keyring::{Key, KeyUse};
use crate::output::{Document, table};
/// List keys and their states, never their secrets
#[derive(Debug, Args)]
pub(super) struct List {
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
    /// Whether servers withdraw what hangs on it.
    unload: bool,
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
            unload: key.unload,
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
                if key.compromised { format!("{}, compromised", key.state) } else { key.state.clone() },
                key.created.clone(),
                until,
            ]
        });
        writeln!(out, "{}", table(["ID", "USE", "ALG", "STATE", "CREATED", "UNTIL"], rows))
    }
}

impl List {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let keyring = context.store()?.read()?;
        let wanted = keyring.keys.iter().filter(|key| self.usage.is_none_or(|usage| key.usage == usage));
        let keys = wanted.map(|key| Row::new(key, context.now())).collect();
        written(context.output.document(&ListDocument { generation: keyring.generation, keys }))
    }
}
