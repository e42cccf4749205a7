//! `cert inspect`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::describe::Description;
use super::input::{FORMS, Input};
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::output::Document;
use crate::pki::{self, Shown};

/// Show the certificates in a file or of a live server, without verifying them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve cert inspect server.pem
  sealserve cert inspect models.example:443 --format json
  openssl pkcs12 -in bundle.p12 -nokeys | sealserve cert inspect -

A file with a name such as a:1 is written ./a:1.")]
pub(super) struct Inspect {
    /// Certificates in PEM or DER; - is standard input; a server is asked for its chain
    #[arg(value_name = FORMS)]
    input: Input,
}

#[derive(Serialize)]
struct InspectDocument {
    source: String,
    verified: bool,
    connection: Option<Connection>,
    certificates: Vec<Description>,
}

#[derive(Serialize)]
struct Connection {
    protocol: Option<String>,
    key_exchange: Option<String>,
    cipher_suite: Option<String>,
}

impl From<Shown> for Connection {
    fn from(shown: Shown) -> Self {
        let Shown { protocol, key_exchange, cipher_suite, .. } = shown;
        Self { protocol, key_exchange, cipher_suite }
    }
}

impl Document for InspectDocument {
    const SCHEMA: &'static str = "sealserve.cert.inspect/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "NOT VERIFIED")?;
        if let Some(connection) = &self.connection {
            let unknown = || "unknown".to_owned();
            writeln!(out, "protocol          {}", connection.protocol.clone().unwrap_or_else(unknown))?;
            writeln!(out, "key exchange      {}", connection.key_exchange.clone().unwrap_or_else(unknown))?;
            writeln!(out, "cipher suite      {}", connection.cipher_suite.clone().unwrap_or_else(unknown))?;
        }
        self.certificates.iter().try_for_each(|certificate| {
            writeln!(out)?;
            certificate.text(out)
        })
    }
}

impl Inspect {
    pub(super) fn run(self, context: &Context) -> Outcome {
        context.check_stdin(usize::from(self.input == Input::Stdin))?;
        let found = self.input.read()?;
        if let Some(disorder) = pki::disorder(&found.chain) {
            context.output.warn(&format!("the certificates stand in the wrong order: {}", disorder.detail));
        }
        written(context.output.document(&InspectDocument {
            source: self.input.name(),
            verified: false,
            connection: found.shown.map(Connection::from),
            certificates: found.chain.iter().map(|c| Description::new(c, context.now())).collect(),
        }))
    }
}
