//! Where certificates come from.

use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::Outcome;
use crate::fs::FsError;
use crate::ops;
use crate::pki::{self, Certificate, Endpoint, Shown};

/// How help shows an [`Input`].
pub(super) const FORMS: &str = "FILE|-|HOST:PORT";

/// A file, standard input, or a server that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    File(PathBuf),
    Stdin,
    Endpoint(Endpoint),
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.parse() {
            _ if text == "-" => Self::Stdin,
            // A file of such a name is written ./NAME, whether it exists or not.
            Ok(endpoint) => Self::Endpoint(endpoint),
            Err(_) => Self::File(text.into()),
        })
    }
}

/// Certificates, and the connection that they came over.
pub(super) struct Found {
    pub(super) chain: Vec<Certificate>,
    pub(super) shown: Option<Shown>,
}

impl Input {
    /// Reads all certificates, at least one.
    pub(super) fn read(&self) -> Outcome<Found> {
        let chain = match self {
            Self::File(path) => ops::read_certificates(path)?,
            Self::Stdin => {
                let mut bytes = Vec::new();
                let read = io::stdin().lock().take(pki::MAX_FILE + 1).read_to_end(&mut bytes);
                read.map_err(FsError::io("read", "standard input"))?;
                if bytes.len() as u64 > pki::MAX_FILE {
                    let limit = pki::MAX_FILE;
                    return Err(FsError::TooLarge { path: "standard input".into(), limit }.into());
                }
                pki::certificates(&bytes, "standard input", None)?
            }
            Self::Endpoint(endpoint) => {
                let mut shown = pki::probe(endpoint)?;
                let chain = std::mem::take(&mut shown.chain);
                return Ok(Found { chain, shown: Some(shown) });
            }
        };
        Ok(Found { chain, shown: None })
    }

    /// How documents and messages name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
            Self::Endpoint(endpoint) => endpoint.to_string(),
        }
    }
}
