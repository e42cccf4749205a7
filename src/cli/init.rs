//! `init`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::context::{self, Context};
use super::{Outcome, Stop, written};
use crate::config::Home;
use crate::container::AgeRecipient;
use crate::error::Kind;
use crate::fs;
use crate::keyring::RootKey;
use crate::ops::{self, InitRequest};
use crate::output::{Document, Failure, ShownPath};
use crate::pki::Name;

/// Create a home: private CA, server certificate and keys
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve init --name models.example --name 10.0.0.7
  sealserve --home /srv/sealserve --root-key /etc/sealserve/root.key init
  sealserve init --recovery age1…        # its identity lies in a safe")]
pub(super) struct Init {
    /// Host name or IP address of the server; may be repeated
    #[arg(long = "name", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<Name>,
    /// Limit the authority's IP addresses, too, to those among the names; gRPC and other clients
    /// with BoringSSL then refuse certificates with an IP address
    #[arg(long)]
    limit_addresses: bool,
    /// age public key of a recovery identity that is kept offline: `model encrypt` encrypts for it, too
    #[arg(long = "recovery", value_name = "RECIPIENT")]
    recovery: Vec<String>,
}

#[derive(Serialize)]
struct InitDocument {
    home: ShownPath,
    /// What clients trust.
    ca: ShownPath,
    /// The configuration, to be completed.
    config: ShownPath,
    model_key: String,
    root_key: Option<ShownPath>,
}

impl Document for InitDocument {
    const SCHEMA: &'static str = "sealserve.init/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.home.display())
    }
}

impl Init {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let home = context.home()?;
        let parse = |text: &String| AgeRecipient::parse(text, &context.person());
        let recovery: Vec<_> = self.recovery.iter().map(parse).collect::<Result<_, _>>()?;
        if !recovery.is_empty() && home.config().symlink_metadata().is_ok() {
            return Err(configured(&home.config()).into());
        }
        let recovery: Vec<_> = recovery.iter().map(ToString::to_string).collect();
        let (root, file) = root_key(context, &home)?;
        let request = InitRequest {
            home: &home,
            root,
            names: &self.names,
            limit_addresses: self.limit_addresses,
            recovery: &recovery,
            now: context.now(),
        };
        home.create().map_err(|error| context::elsewhere(error, context::HOME))?;
        let report = ops::init(&request)?;
        for warning in &report.warnings {
            context.output.warn(warning);
        }
        context.output.note(&format!("made the home {}", report.home.display()));
        if let Some(path) = &file {
            context.output.note(&format!("root key: {} (keep a copy in a safe place)", path.display()));
        }
        for recipient in &recovery {
            context.output.note(&format!("models are encrypted for {recipient}, too"));
        }
        context.output.note(&format!("clients trust {}", report.ca.display()));
        context.output.note("next: sealserve model encrypt MODEL.onnx, then name it in sealserve.toml");
        written(context.output.document(&InitDocument {
            home: report.home.into(),
            ca: report.ca.into(),
            config: report.config.into(),
            model_key: report.model_key,
            root_key: file.map(ShownPath::from),
        }))
    }
}

/// The root key of a home that may not be there yet, made where there is none, and
/// the file that it is in.
pub(super) fn root_key(context: &Context, home: &Home) -> Outcome<(RootKey, Option<PathBuf>)> {
    let file = context.root_key_file()?;
    if file.as_deref().is_some_and(|path| inside(path, home.path())) {
        return Err(inside_home().into());
    }
    let root = match context.root_key() {
        Ok(root) => root,
        Err(Stop::Failure(failure)) => match &file {
            // One root key may open several homes; only where there is none, one is made.
            Some(path) if path.symlink_metadata().is_err() => {
                let refused = |error| context::elsewhere(error, context::ROOT_KEY);
                fs::parent_directory(path).map_err(refused)?;
                let root = RootKey::generate();
                root.write(path).map_err(refused)?;
                root
            }
            _ => return Err(Stop::Failure(failure)),
        },
        Err(other) => return Err(other),
    };
    Ok((root, file))
}

/// What is there may say otherwise, so it is not passed over.
fn configured(config: &Path) -> Failure {
    Failure::new(Kind::Failed, format!("'{}' exists already", config.display()))
        .hint("name the recipients there, as `recovery` in the table [keys]")
}

/// Whether `path` lies in `directory`, through whatever links.
fn inside(path: &Path, directory: &Path) -> bool {
    real(path).starts_with(real(directory))
}

/// `path` without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.canonicalize().unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path,
    })
}

fn inside_home() -> Failure {
    Failure::new(Kind::Usage, "the root key must not lie in the home")
        .hint("a copy of the home alone must be worthless; name a place outside of it with --root-key")
}
