//! `cert verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::input::{FORMS, Input};
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::clock::{UnixSeconds, parse, rfc3339};
use crate::error::Kind;
use crate::ops;
use crate::output::{Document, Failure};
use crate::pki::{self, Certificate, Finding, Level, Name, Named, Principal, Purpose, Question};

/// Verify a certificate strictly (RFC 5280); exit 3 if it is invalid
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve cert verify server.pem --ca ca.pem --purpose server --name models.example
  sealserve cert verify ann.pem --ca ca.pem --purpose client --name ann
  sealserve cert verify models.example:443
  sealserve cert verify server.pem --ca ca.pem --at 2027-01-01T00:00:00Z

docs/pki.md lists all that is looked at.")]
pub(super) struct Verify {
    /// The certificate, and after it those that lead to an authority; a server shows its own
    #[arg(value_name = FORMS)]
    input: Input,
    /// Certificates of trusted authorities; may be repeated [default: pki/ca.pem of the home]
    #[arg(long = "ca", value_name = "FILE")]
    anchors: Vec<PathBuf>,
    /// Purpose that it must be valid for: server or client [default: a server's for HOST:PORT, else anything]
    #[arg(long)]
    purpose: Option<Purpose>,
    /// Name that it must be valid for: a host, or for --purpose client a principal [default: HOST]
    #[arg(long)]
    name: Option<String>,
    /// Verify as of this time: RFC 3339, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<UnixSeconds>,
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    parse(text).ok_or_else(|| "it is neither RFC 3339 nor seconds since 1970".into())
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    subject: String,
    purpose: Option<&'static str>,
    name: Option<String>,
    at: String,
    /// From the certificate upwards.
    path: Vec<String>,
    findings: Vec<Finding>,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.cert.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let verdict = if self.verified { "verified" } else { "NOT VERIFIED" };
        writeln!(out, "{verdict}: {}", self.path.join(" < "))?;
        for finding in &self.findings {
            let level = match finding.level {
                Level::Error => "wrong",
                Level::Warning => "warning",
            };
            writeln!(out, "{level}: {finding} (RFC 5280, {}; {})", finding.section, finding.certificate)?;
        }
        Ok(())
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        context.check_stdin(usize::from(self.input == Input::Stdin))?;
        let (purpose, named) = self.wanted()?;
        let anchors = self.anchors(context)?;
        let found = self.input.read()?;
        let at = self.at.unwrap_or_else(|| context.now());
        let verdict = pki::verify(&Question {
            chain: &found.chain,
            anchors: &anchors,
            purpose,
            named: named.as_ref(),
            impostor: found.shown.as_ref().is_some_and(|shown| !shown.possession),
            at,
        });
        let verified = verdict.holds();
        let errors = verdict.findings.iter().filter(|finding| finding.level == Level::Error);
        let mut reasons: Vec<_> = errors.map(|finding| finding.check.name()).collect();
        reasons.dedup();
        let refusal = format!("{} does not verify: {}", self.input.name(), reasons.join(", "));
        written(context.output.document(&VerifyDocument {
            verified,
            subject: found.chain.first().map(|leaf| leaf.facts.subject.clone()).unwrap_or_default(),
            purpose: purpose.map(Purpose::usage),
            name: named.map(|named| match named {
                Named::Host(name) => name.to_string(),
                Named::Principal(principal) => principal.to_string(),
            }),
            at: rfc3339(at),
            path: verdict.path,
            findings: verdict.findings,
        }))?;
        if verified { Ok(()) } else { Err(Failure::new(Kind::Negative, refusal).into()) }
    }

    /// For what and for whom it shall be good.
    fn wanted(&self) -> Outcome<(Option<Purpose>, Option<Named>)> {
        let usage = |message: String| Failure::new(Kind::Usage, message);
        let (purpose, host) = match &self.input {
            Input::Endpoint(endpoint) => {
                (Some(self.purpose.unwrap_or(Purpose::Server)), Some(Named::Host(endpoint.host.clone())))
            }
            _ => (self.purpose, None),
        };
        let named = match (&self.name, purpose) {
            (None, _) => host,
            (Some(name), Some(Purpose::Client)) => {
                Some(Named::Principal(name.parse::<Principal>().map_err(usage)?))
            }
            (Some(name), _) => Some(Named::Host(name.parse::<Name>().map_err(usage)?)),
        };
        if matches!(&named, Some(Named::Host(name)) if name.is_wildcard()) {
            return Err(usage("--name is one host, not many".into()).into());
        }
        Ok((purpose, named))
    }

    fn anchors(&self, context: &Context) -> Outcome<Vec<Certificate>> {
        if self.anchors.is_empty() {
            let path = context.home()?.pki().join("ca.pem");
            return ops::read_certificates(&path).map_err(|error| {
                let failure = Failure::from(error);
                failure.hint("name the authorities to trust with --ca FILE").into()
            });
        }
        let mut anchors = Vec::new();
        for path in &self.anchors {
            anchors.extend(ops::read_certificates(path)?);
        }
        Ok(anchors)
    }
}
