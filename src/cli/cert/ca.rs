//! `cert ca create`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::describe::Description;
use crate::cli::context::Context;
use crate::cli::{Outcome, init, written};
use crate::config::Span;
use crate::fs::{Existing, FsError};
use crate::ops::{self, HomeError};
use crate::output::{Document, Failure, ShownPath};
use crate::pki::{Authority, AuthorityRequest, Limits, Subtree};

/// Certificate authorities
#[derive(Debug, Args)]
pub(super) struct CaCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
}

impl CaCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Create(verb) => verb.run(context),
        }
    }
}

/// Create a root CA and the intermediate CA that issues certificates
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve cert ca create --permit models.example
  sealserve cert ca create --out-dir ca --title 'Example models' --permit models.example

In a home the keys go into the keyring, which is made where there is none; `sealserve init`
makes an authority by itself. With --out-dir they are files: ca.pem, ca.key, issuing.pem and
issuing.key, where ca.key signs nothing more and belongs in a safe.")]
struct Create {
    /// Domain, address or network that the CA may certify; may be repeated [default: everything]
    #[arg(long = "permit", value_name = "NAME")]
    permitted: Vec<Subtree>,
    /// Limit IP addresses, too, to those of --permit; gRPC and other clients with BoringSSL then
    /// refuse certificates with an IP address [default: only if --permit has an IP address]
    #[arg(long, requires = "permitted")]
    limit_addresses: bool,
    /// Organization in the names of both certificates
    #[arg(long, default_value = "sealserve", value_parser = parse_title)]
    title: String,
    /// Lifetime of the root CA [default: 3650d]
    #[arg(long)]
    lifetime: Option<Span>,
    /// Lifetime of the intermediate CA [default: 1825d]
    #[arg(long, value_name = "LIFETIME")]
    issuing_lifetime: Option<Span>,
    /// Write certificates and keys into this directory; no home needed
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// Replace certificates in the home whose keys are not in its keyring
    #[arg(long, conflicts_with = "out_dir")]
    force: bool,
}

fn parse_title(text: &str) -> Result<String, String> {
    // What fits an organization name (RFC 5280, appendix A.1).
    if text.trim() != text
        || text.is_empty()
        || text.chars().count() > 64
        || text.chars().any(char::is_control)
    {
        return Err("a title is 1 to 64 characters, without space around it".into());
    }
    Ok(text.to_owned())
}

#[derive(Serialize)]
struct CreatedDocument {
    root: Description,
    issuing: Description,
    /// What clients trust.
    ca: ShownPath,
    /// Signs; its key is beside it, or in the keyring.
    issuer: ShownPath,
    keys: &'static str,
}

impl Document for CreatedDocument {
    const SCHEMA: &'static str = "sealserve.cert.ca.create/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.ca.display())
    }
}

impl Create {
    fn run(self, context: &Context) -> Outcome {
        let request = AuthorityRequest {
            title: &self.title,
            limits: &self.limits(),
            root_lifetime: self.lifetime.map(|span| span.0),
            issuing_lifetime: self.issuing_lifetime.map(|span| span.0),
        };
        let (authority, directory, keys) = match &self.out_dir {
            Some(directory) => {
                let authority = Authority::create(&request, context.now())?;
                ops::write_authority(directory, &authority).map_err(|error| match error {
                    // There is no --force: whatever else a file of that name is, it may be a key.
                    HomeError::File(exists @ FsError::Exists { .. }) => {
                        Failure::from(exists).hint("choose another directory; an authority replaces nothing")
                    }
                    other => other.into(),
                })?;
                (authority, directory.clone(), "files")
            }
            None => (self.in_home(context, &request)?, context.home()?.pki(), "keyring"),
        };
        let ca = directory.join("ca.pem");
        for warning in &authority.warnings {
            context.output.warn(warning);
        }
        if self.permitted.is_empty() {
            context.output.warn("this authority may vouch for every name; --permit limits it");
        }
        context.output.note(&format!("clients trust {}", ca.display()));
        written(context.output.document(&CreatedDocument {
            root: Description::new(authority.root.certificate(), context.now()),
            issuing: Description::new(authority.issuing.certificate(), context.now()),
            issuer: directory.join("issuing.pem").into(),
            ca: ca.into(),
            keys,
        }))
    }

    /// Addresses are limited only where that was asked for.
    fn limits(&self) -> Limits {
        if self.permitted.is_empty() {
            return Limits::default();
        }
        let network = |subtree: &Subtree| matches!(subtree, Subtree::Network(..));
        Limits::new(&self.permitted, self.limit_addresses || self.permitted.iter().any(network))
    }

    fn in_home(&self, context: &Context, request: &AuthorityRequest<'_>) -> Outcome<Authority> {
        let home = context.home()?;
        // The key of a keyring that is there is never made anew.
        let (root, made) = if home.keyring().symlink_metadata().is_ok() {
            (context.root_key()?, None)
        } else {
            init::root_key(context, &home)?
        };
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let authority = ops::create_authority(&home, root, request, existing, context.now())?;
        if let Some(path) = made {
            context.output.note(&format!("made the home {}", home.path().display()));
            context.output.note(&format!("root key: {} (keep a copy in a safe place)", path.display()));
        }
        Ok(authority)
    }
}
