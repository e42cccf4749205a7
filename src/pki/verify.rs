//! Whether a certificate holds: path validation by webpki, and what RFC 5280
//! demands beyond that. Everything that is wrong is found, not only the first.

use super::checks::{self, Role};
use super::finding::{Check, Finding, Level};
use super::{Certificate, Name, Principal, Purpose, order, path};
use crate::clock::UnixSeconds;

/// Whom a certificate shall name.
#[derive(Debug, Clone)]
pub enum Named {
    /// A host.
    Host(Name),
    /// A client.
    Principal(Principal),
}

/// What is asked of a certificate.
#[derive(Debug)]
pub struct Question<'a> {
    /// The certificate, then those that may lead upwards.
    pub chain: &'a [Certificate],
    /// Authorities that are trusted.
    pub anchors: &'a [Certificate],
    /// For what; any purpose where none is named.
    pub purpose: Option<Purpose>,
    /// For whom; anyone where none is named.
    pub named: Option<&'a Named>,
    /// Whether it was shown by someone who failed to prove to have its key.
    pub impostor: bool,
    /// When.
    pub at: UnixSeconds,
}

/// The answer.
#[derive(Debug)]
pub struct Verdict {
    /// Subjects from the certificate up to where the way could be followed.
    pub path: Vec<String>,
    /// What is wrong, from the certificate upwards.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether the certificate holds: nothing worse than warnings was found.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Error)
    }
}

/// Answers `question`.
pub fn verify(question: &Question<'_>) -> Verdict {
    let Question { chain, anchors, purpose, named, impostor, at } = question;
    let Some(leaf) = chain.first() else { return Verdict { path: Vec::new(), findings: Vec::new() } };
    let (way, arrived) = path::upwards(chain, anchors);
    let mut findings = Vec::new();
    for (step, certificate) in way.iter().enumerate() {
        // An authority in question is one of those below the next.
        let below = step.saturating_sub(usize::from(!leaf.facts.ca));
        let role = if step == 0 { Role::Leaf(*purpose) } else { Role::Authority { below } };
        // An anchor is trusted as it is; its own signature proves nothing, but must be right.
        let above = way.get(step + 1).copied().or(certificate.is_self_issued().then_some(*certificate));
        findings.extend(checks::check(certificate, role, above, *at));
    }
    if let Some(disorder) = order::disorder(chain) {
        findings.push(Finding::error(Check::Order, leaf, disorder.detail));
    }
    if !arrived {
        let detail = "no way leads to an authority that is trusted";
        findings.push(Finding::error(Check::UnknownIssuer, leaf, detail));
    }
    // An authority in question has no names that path validation could judge.
    if !leaf.facts.ca
        && let Err((check, detail)) = path::validate(chain, anchors, *purpose, *at)
        && !findings.iter().any(|found| found.check == check && found.level == Level::Error)
    {
        findings.push(Finding::error(check, leaf, detail));
    }
    if *impostor {
        findings.push(Finding::error(Check::Possession, leaf, "who showed it did not prove to have its key"));
    }
    findings.extend(named.and_then(|named| misnamed(leaf, named)));
    Verdict { path: way.iter().map(|certificate| certificate.facts.subject.clone()).collect(), findings }
}

fn misnamed(leaf: &Certificate, named: &Named) -> Option<Finding> {
    let (holds, wanted) = match named {
        Named::Host(name) => (path::answers_to(leaf, name), name.to_string()),
        Named::Principal(principal) => {
            (leaf.facts.principal.as_ref() == Some(principal), principal.to_string())
        }
    };
    let found = if leaf.facts.names.is_empty() { "nobody".into() } else { leaf.facts.names.join(", ") };
    (!holds).then(|| Finding::error(Check::Name, leaf, format!("it is for {found}, not for {wanted}")))
}
