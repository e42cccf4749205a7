//! What a new certificate keeps of the one that it replaces: names and lifetime.

use std::path::Path;
use std::time::Duration;

use super::{HomeError, read_certificates};
use crate::pki::{Certificate, Holder, Name, lifetime};

/// What is kept of a certificate that is replaced.
#[derive(Debug, Default)]
pub struct Kept {
    /// Names of a server that the new certificate was not asked for.
    pub names: Vec<Name>,
    /// How long it lasted, where that was its own choice.
    pub lifetime: Option<Duration>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// What a certificate for `holder` keeps of the file at `path` that it replaces. Where
/// there is none, or one for a holder of another kind, that is nothing.
pub fn kept(path: &Path, holder: Holder<'_>) -> Kept {
    if path.symlink_metadata().is_err() {
        return Kept::default();
    }
    match read_certificates(path) {
        Ok(chain) => of_chain(&chain, holder),
        // A damaged file is one of the reasons to issue another certificate.
        Err(error) => Kept { warnings: vec![unreadable(path, &error)], ..Kept::default() },
    }
}

fn unreadable(path: &Path, error: &HomeError) -> String {
    format!("'{}' cannot be read, so no name and no lifetime is kept of it: {error}", path.display())
}

fn of_chain(chain: &[Certificate], holder: Holder<'_>) -> Kept {
    let Some((old, above)) = chain.split_first() else { return Kept::default() };
    let facts = &old.facts;
    let mut kept = Kept::default();
    match holder {
        Holder::Server(asked) if !facts.ca && !facts.hosts.is_empty() => {
            kept.names.extend(facts.hosts.iter().filter(|name| !asked.contains(name)).cloned());
            if facts.names.len() > facts.hosts.len() {
                let others =
                    facts.names.iter().filter(|name| !name.starts_with("DNS:") && !name.starts_with("IP:"));
                let others: Vec<_> = others.map(String::as_str).collect();
                kept.warnings
                    .push(format!("names of the old certificate are dropped: {}", others.join(", ")));
            }
        }
        Holder::Client(principal) if facts.principal.as_ref() == Some(principal) => {}
        _ => return kept,
    }
    if facts.key.algorithm != "P-256" {
        kept.warnings
            .push(format!("the old certificate has an {} key, the new one a P-256 key", facts.key.algorithm));
    }
    // One that was cut to what its issuer had left says nothing of what was wanted.
    let cut = above.iter().any(|issuer| issuer.facts.not_after == facts.not_after);
    kept.lifetime = lifetime::asked(facts.not_before, facts.not_after).filter(|_| !cut);
    kept
}
