//! A home that is ready to serve.

use std::net::IpAddr;
use std::path::PathBuf;

use super::issue::{IssueRequest, issue};
use super::{HomeError, authority};
use crate::clock::UnixSeconds;
use crate::config::Home;
use crate::fs::{self, Existing};
use crate::keyring::{KeyUse, Keyring, NewKey, RootKey, Store};
use crate::pki::{Authority, AuthorityRequest, Holder, LeafRequest, Limits, Name, PkiError, Subtree};

/// What the home shall be.
pub struct InitRequest<'a> {
    /// Where.
    pub home: &'a Home,
    /// Opens its keyring.
    pub root: RootKey,
    /// What its server is called; the first one stands in its URL.
    pub names: &'a [Name],
    /// Whether its authority may vouch for no address but those among `names`.
    pub limit_addresses: bool,
    /// Public keys of age for which models are encrypted, too.
    pub recovery: &'a [String],
    /// Now.
    pub now: UnixSeconds,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct InitReport {
    /// The home.
    pub home: PathBuf,
    /// What clients trust.
    pub ca: PathBuf,
    /// The configuration, to be completed.
    pub config: PathBuf,
    /// The model key's name.
    pub model_key: String,
    /// What the caller should know of the authority.
    pub warnings: Vec<String>,
}

/// Makes a home. The keyring is written last: without it there is no home, and
/// the next attempt starts over.
pub fn init(request: &InitRequest<'_>) -> Result<InitReport, HomeError> {
    let InitRequest { home, root, names, recovery, .. } = request;
    let first = names.first().ok_or(PkiError::NoName)?;
    home.create()?;
    let (model_key, warnings) =
        Store::new(home.path(), root.clone()).create(|| -> Result<_, HomeError> {
            let (keyring, warnings) = fill(request, &config(first, recovery))?;
            let model_key = keyring.active(KeyUse::Model)?.id.clone();
            Ok((keyring, (model_key, warnings)))
        })?;
    Ok(InitReport {
        home: home.path().to_owned(),
        ca: authority::root_file(home),
        config: home.config(),
        model_key,
        warnings,
    })
}

/// Writes everything but the keyring, and returns that and what the caller should know.
fn fill(request: &InitRequest<'_>, config: &str) -> Result<(Keyring, Vec<String>), HomeError> {
    let InitRequest { home, names, limit_addresses, now, .. } = request;
    let now = *now;
    let permitted: Vec<_> = names.iter().map(Subtree::from).collect();
    let request = AuthorityRequest {
        title: "sealserve",
        limits: &Limits::new(&permitted, *limit_addresses),
        root_lifetime: None,
        issuing_lifetime: None,
    };
    let authority = Authority::create(&request, now)?;
    authority::write_certificates(home, &authority)?;
    let (certificate, key) = (home.pki().join("server.pem"), home.pki().join("server.key"));
    let request = IssueRequest {
        signer: &authority.issuing,
        leaf: LeafRequest { holder: Holder::Server(names), lifetime: None, usual: None, allow_long: false },
        inventory: Some(&authority::inventory(home)),
        certificate: Some(&certificate),
        key: Some(&key),
        // What an attempt that failed has left.
        existing: Existing::Replace,
    };
    issue(&request, now)?;
    if home.config().symlink_metadata().is_err() {
        fs::write(&home.config(), config.as_bytes(), fs::PUBLIC, Existing::Refuse)?;
    }

    let mut keyring = Keyring::default();
    let key = |usage, id: &str, owner: Option<&str>| NewKey {
        usage,
        id: Some(id.into()),
        owner: owner.map(Into::into),
    };
    keyring.create(key(KeyUse::Token, "token-1", None), now)?;
    keyring.create(key(KeyUse::Request, "ci", Some("ci")), now)?;
    keyring.create(key(KeyUse::Model, "model-1", None), now)?;
    authority::add_keys(&mut keyring, &authority, now)?;
    Ok((keyring, authority.warnings))
}

fn config(name: &Name, recovery: &[String]) -> String {
    // As a URL writes it; a wildcard stands for its domain.
    let host = match name {
        Name::Dns(name) => name.trim_start_matches("*.").to_owned(),
        Name::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        Name::Ip(address) => address.to_string(),
    };
    let keys = match recovery {
        [] => String::new(),
        some => format!(
            "\n[keys]\n# `model encrypt` encrypts for these recipients of age, too.\nrecovery = {some:?}\n"
        ),
    };
    format!(
        r#"# Configuration of a sealserve server; docs/configuration.md explains every key.
listen = "127.0.0.1:8443"
# allow_swap = true    # start even where memory may be written to a disk
issuer = "https://{host}"
audience = "https://{host}"

[tls]
certificate = "pki/server.pem"
key = "pki/server.key"

# Requests may be signed: "off", "optional" or "required".
# [signing]
# mode = "required"
{keys}
# One table for each model; `sealserve model encrypt` makes the file.
# [[model]]
# name = "digits"
# path = "models/digits.sealed"
"#
    )
}
