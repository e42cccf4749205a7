//! A certificate as a document.

use std::io::{self, Write};

use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;

use crate::clock::{UnixSeconds, rfc3339_signed};
use crate::pki::Certificate;

/// What a certificate says.
#[derive(Debug, Serialize)]
pub(super) struct Description {
    subject: String,
    issuer: String,
    serial: String,
    version: u32,
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// Negative when its time is over.
    seconds_left: i64,
    names: Vec<String>,
    principal: Option<String>,
    key: Key,
    signature_algorithm: String,
    authority: bool,
    path_length: Option<u32>,
    key_usages: Option<Vec<&'static str>>,
    extended_key_usages: Option<Vec<String>>,
    name_constraints: Option<Constraints>,
    subject_key_id: Option<String>,
    authority_key_id: Option<String>,
    sha256: String,
    /// SHA-256 of the public key, as curl's `--pinnedpubkey` takes it.
    spki_pin: String,
    #[serde(skip)]
    begun: bool,
}

#[derive(Debug, Serialize)]
struct Key {
    algorithm: String,
    bits: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Constraints {
    permitted: Vec<String>,
    excluded: Vec<String>,
}

impl Description {
    pub(super) fn new(certificate: &Certificate, now: UnixSeconds) -> Self {
        let facts = certificate.facts.clone();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let hex = |bytes: Vec<u8>| HEXLOWER.encode(&bytes);
        let constrained = !facts.permitted.is_empty() || !facts.excluded.is_empty();
        Self {
            subject: facts.subject,
            issuer: facts.issuer,
            serial: hex(facts.serial),
            version: facts.version,
            not_before: rfc3339_signed(facts.not_before),
            not_after: rfc3339_signed(facts.not_after),
            seconds_left: facts.not_after.saturating_sub(now),
            begun: facts.not_before <= now,
            names: facts.names,
            principal: facts.principal.map(|principal| principal.to_string()),
            key: Key { algorithm: facts.key.algorithm, bits: facts.key.bits },
            signature_algorithm: facts.signature_algorithm,
            authority: facts.ca,
            path_length: facts.path_length,
            key_usages: facts.key_usages,
            extended_key_usages: facts.extended_key_usages,
            name_constraints: constrained
                .then_some(Constraints { permitted: facts.permitted, excluded: facts.excluded }),
            subject_key_id: facts.subject_key_id.map(hex),
            authority_key_id: facts.authority_key_id.map(hex),
            sha256: HEXLOWER.encode(&facts.fingerprint),
            spki_pin: format!("sha256//{}", BASE64.encode(&facts.key.pin)),
        }
    }

    /// One line for each thing that it says.
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |label: &str, value: &str| writeln!(out, "{label:<18}{value}");
        line("subject", &self.subject)?;
        line("issuer", &self.issuer)?;
        line("serial", &self.serial)?;
        line("valid from", &self.not_before)?;
        let state = if self.begun { left(self.seconds_left) } else { "has not begun".into() };
        line("valid until", &format!("{} ({state})", self.not_after))?;
        if !self.names.is_empty() {
            line("names", &self.names.join(", "))?;
        }
        if let Some(principal) = &self.principal {
            line("principal", principal)?;
        }
        let bits = self.key.bits.filter(|_| self.key.algorithm == "RSA");
        let bits = bits.map(|bits| format!(" {bits} bits")).unwrap_or_default();
        line("key", &format!("{}{bits}", self.key.algorithm))?;
        line("signed with", &self.signature_algorithm)?;
        if self.authority {
            let depth = self.path_length.map(|depth| format!(", path length {depth}")).unwrap_or_default();
            line("authority", &format!("yes{depth}"))?;
        }
        let listed = |usages: &[String]| usages.join(", ");
        if let Some(usages) = &self.key_usages {
            line("key usage", &usages.join(", "))?;
        }
        if let Some(usages) = &self.extended_key_usages {
            line("used for", &listed(usages))?;
        }
        if let Some(Constraints { permitted, excluded }) = &self.name_constraints {
            for (label, names) in [("permitted", permitted), ("excluded", excluded)] {
                if !names.is_empty() {
                    line(label, &listed(names))?;
                }
            }
        }
        for (label, id) in
            [("subject key id", &self.subject_key_id), ("issuer's key id", &self.authority_key_id)]
        {
            if let Some(id) = id {
                line(label, id)?;
            }
        }
        line("SHA-256", &self.sha256)?;
        line("public key pin", &self.spki_pin)
    }
}

/// How long a certificate still lasts, in the unit that a person would use.
pub(super) fn left(seconds: i64) -> String {
    let length = seconds.unsigned_abs();
    let (size, unit) = match length {
        0..7200 => (60, "minute"),
        7200..172_800 => (3600, "hour"),
        _ => (86_400, "day"),
    };
    // To the nearest: what was issued a second ago for 90 days has 90 days left.
    let count = length.saturating_add(size / 2) / size;
    let plural = if count == 1 { "" } else { "s" };
    if seconds < 0 {
        format!("ended {count} {unit}{plural} ago")
    } else {
        format!("{count} {unit}{plural} left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_in_the_unit_that_a_person_would_use() {
        for (seconds, text) in [
            (0, "0 minutes left"),
            (60, "1 minute left"),
            (7200, "2 hours left"),
            (90 * 86_400 - 1, "90 days left"),
            (89 * 86_400 + 100, "89 days left"),
            (-1, "ended 0 minutes ago"),
            (-3 * 86_400, "ended 3 days ago"),
            (i64::MIN, "ended 106751991167301 days ago"),
        ] {
            assert_eq!(left(seconds), text);
        }
    }
}
