//! `cert issue`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::describe::Description;
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::cli::{Outcome, written};
use crate::config::Span;
use crate::error::{Diagnose, Kind};
use crate::fs::Existing;
use crate::ops::{self, HomeError, IssueRequest, Kept};
use crate::output::{self, Document, Failure, ShownPath};
use crate::pki::{self, Holder, Inventory, Leaf, LeafRequest, Name, PkiError, Principal, Signer};

/// Issue a certificate with a new key, for a server or for a client
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("holder").required(true).args(["server", "client"])))]
#[command(group(ArgGroup::new("authority").args(["ca_cert", "ca_key"]).multiple(true).requires_all(["ca_cert", "ca_key"])))]
#[command(after_help = "Examples:
  sealserve cert issue --server models.example --force            # renews, also while a server runs
  sealserve cert issue --server models.example --force --only-these-names
  sealserve cert issue --client ann --lifetime 7d
  sealserve cert issue --client ci --out-cert ci.pem --out-key ci.key
  sealserve cert issue --server a.example --ca-cert ca/issuing.pem --ca-key ca/issuing.key \\
    --out-cert a.pem --out-key a.key                                # no home needed

In a home the files are pki/server.pem and pki/server.key, or pki/client-PRINCIPAL.pem and .key.
A certificate that replaces another keeps its names and its lifetime, unless told otherwise.")]
pub(super) struct Issue {
    /// Host names and addresses of a server
    #[arg(long, value_name = "NAME", num_args = 1..)]
    server: Vec<Name>,
    /// Drop all other names of the certificate that is replaced
    #[arg(long, conflicts_with = "client")]
    only_these_names: bool,
    /// The principal of a client
    #[arg(long, value_name = "PRINCIPAL")]
    client: Option<Principal>,
    /// How long it is valid [default: as long as the certificate
    /// that is replaced, else 90d for a server, 24h for a client]
    #[arg(long)]
    lifetime: Option<Span>,
    /// Certificate of the authority, and after it those above [default: that of the home]
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Key of the authority: PKCS#8, PEM or DER
    #[arg(long, value_name = secret::FORMS)]
    ca_key: Option<Source>,
    /// Write the certificate and those above it to this file; - is stdout
    #[arg(long, value_name = "FILE", requires = "out_key")]
    out_cert: Option<PathBuf>,
    /// Write the private key to this file (0600); - is stdout
    #[arg(long, value_name = "FILE", requires = "out_cert")]
    out_key: Option<PathBuf>,
    /// Allow a lifetime that clients may refuse: more than 825 days, or 30 for a client
    #[arg(long)]
    allow_long_lifetime: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct IssuedDocument {
    certificate: ShownPath,
    key: ShownPath,
    inventory: Option<ShownPath>,
    issued: Description,
}

impl Document for IssuedDocument {
    const SCHEMA: &'static str = "sealserve.cert.issue/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.certificate.display())
    }
}

impl Issue {
    pub(super) fn run(self, context: &Context) -> Outcome {
        context.check_stdin(usize::from(self.ca_key == Some(Source::Stdin)))?;
        self.ca_key.as_ref().map_or(Ok(()), Source::check)?;
        let (certificate, key) = self.outputs(context)?;
        let (signer, inventory) = self.authority(context)?;
        let kept = self.kept(context, &certificate);
        let names: Vec<_> = self.server.iter().chain(&kept.names).cloned().collect();
        let holder = match &self.client {
            Some(principal) => Holder::Client(principal),
            None => Holder::Server(&names),
        };
        let [certificate_file, key_file] =
            [&certificate, &key].map(|path| Some(path.as_path()).filter(|path| *path != Path::new("-")));
        let request = IssueRequest {
            signer: &signer,
            leaf: LeafRequest {
                holder,
                lifetime: self.lifetime.map(|span| span.0),
                usual: kept.lifetime,
                allow_long: self.allow_long_lifetime,
            },
            inventory: inventory.as_ref(),
            certificate: certificate_file,
            key: key_file,
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
        };
        let leaf = ops::issue(&request, context.now()).map_err(|error| match &error {
            HomeError::Pki(PkiError::OutsideConstraints { .. }) if !kept.names.is_empty() => {
                let hint = error.hint().unwrap_or_default();
                Failure::from(error).hint(format!(
                    "{hint}; --only-these-names drops the other names of '{}'",
                    certificate.display()
                ))
            }
            _ => Failure::from(error),
        })?;
        let issued = Description::new(&leaf.certificate, context.now());
        for warning in &leaf.warnings {
            context.output.warn(warning);
        }
        let who = leaf.certificate.facts.holder();
        context.output.note(&format!("issued a certificate for {who}, valid until {}", issued.not_after));
        if self.ca_cert.is_some() && signer.is_root() {
            context
                .output
                .warn("a root signed it; an intermediate could be replaced without every client's help");
        }
        if certificate_file.is_none() || key_file.is_none() {
            return hand_out(&leaf, certificate_file.is_none(), key_file.is_none());
        }
        let inventory = inventory.map(|inventory| ShownPath::from(inventory.path()));
        let (certificate, key) = (certificate.into(), key.into());
        written(context.output.document(&IssuedDocument { certificate, key, inventory, issued }))
    }

    /// What the new certificate keeps of the one in the file that it replaces.
    fn kept(&self, context: &Context, certificate: &Path) -> Kept {
        if !self.force || certificate == Path::new("-") {
            return Kept::default();
        }
        let holder = match &self.client {
            Some(principal) => Holder::Client(principal),
            None => Holder::Server(&self.server),
        };
        let mut kept = ops::kept(certificate, holder);
        if self.only_these_names {
            kept.names.clear();
        }
        if self.lifetime.is_some() {
            kept.lifetime = None;
        }
        for warning in &kept.warnings {
            context.output.warn(warning);
        }
        if !kept.names.is_empty() {
            let names: Vec<_> = kept.names.iter().map(ToString::to_string).collect();
            context.output.note(&format!("kept from the old certificate: {}", names.join(", ")));
        }
        kept
    }

    /// Where certificate and key go.
    fn outputs(&self, context: &Context) -> Outcome<(PathBuf, PathBuf)> {
        let (certificate, key) = match (&self.out_cert, &self.out_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ if self.ca_cert.is_some() => {
                return Err(Failure::new(Kind::Usage, "nothing says where the certificate goes")
                    .hint("pass --out-cert FILE --out-key FILE; - is stdout")
                    .into());
            }
            _ => {
                let stem = match &self.client {
                    Some(principal) => format!("client-{principal}"),
                    None => "server".into(),
                };
                let pki = context.home()?.pki();
                (pki.join(format!("{stem}.pem")), pki.join(format!("{stem}.key")))
            }
        };
        if certificate == key && certificate != Path::new("-") {
            return Err(Failure::new(Kind::Usage, "certificate and key go to two files").into());
        }
        Ok((certificate, key))
    }

    /// Who signs, and where that is written down.
    fn authority(&self, context: &Context) -> Outcome<(Signer, Option<Inventory>)> {
        if let (Some(certificate), Some(key)) = (&self.ca_cert, &self.ca_key) {
            let chain = ops::read_certificates(certificate)?;
            let secret = key.read(pki::MAX_FILE)?;
            return Ok((Signer::load(chain, &secret, &key.name(), key.file())?, None));
        }
        let (home, store) = (context.home()?, context.store()?);
        let signer = ops::open_authority(&home, &store.read()?)?;
        Ok((signer, Some(ops::inventory(&home))))
    }
}

/// Writes what was asked for to stdout, where no document goes then.
fn hand_out(leaf: &Leaf, certificate: bool, key: bool) -> Outcome {
    if certificate {
        written(output::print(leaf.chain.as_bytes()))?;
    }
    if key {
        written(output::print(leaf.key.expose()))?;
    }
    Ok(())
}
