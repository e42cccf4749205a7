//! What `key revoke` says of a key of the authority, and how to go on from there.

use std::path::PathBuf;

use crate::config::{Config, Home};
use crate::error::{Kind, shell_path, shell_word};
use crate::ops;
use crate::output::Failure;
use crate::pki::Name;

/// Where the next authority is made: below the working directory.
const NEXT: &str = "new-ca";

/// Why the key `id` is not revoked without a word more.
pub(super) fn unconfirmed(id: &str) -> Failure {
    Failure::new(
        Kind::Usage,
        format!(
            "'{id}' is a key of the authority: without it this home issues no certificate any more, for good"
        ),
    )
    .hint(format!(
        "to go on, pass --confirm {id}. Certificates that were issued stay valid until they end. \
         `--dry-run` prints the commands that make another authority and issue from it"
    ))
}

/// The commands that make another authority and have it issue for the server of `home`.
pub(super) fn recovery(home: &Home) -> String {
    let (certificate, key) = server_files(home);
    let names = ops::read_certificates(&certificate)
        .ok()
        .and_then(|chain| Some(chain.first()?.facts.hosts.clone()))
        .unwrap_or_default();
    let permits: String = names
        .iter()
        .filter_map(|name| match name {
            Name::Dns(name) => Some(format!(" --permit {}", name.trim_start_matches("*."))),
            Name::Ip(_) => None,
        })
        .collect();
    let names: Vec<_> = names.iter().map(|name| shell_word(&name.to_string())).collect();
    let names = if names.is_empty() { "NAME".to_owned() } else { names.join(" ") };
    format!(
        "sealserve cert ca create --out-dir {NEXT}{permits} && \
         sealserve cert issue --server {names} --ca-cert {NEXT}/issuing.pem --ca-key {NEXT}/issuing.key \
         --out-cert {} --out-key {} --force",
        shell_path(&certificate),
        shell_path(&key),
    )
}

/// What to do besides.
pub(super) fn besides() -> String {
    format!(
        "then have clients trust {NEXT}/ca.pem instead of the old root, and keep {NEXT}/ca.key offline; \
         certificates of the old authority stay valid until they end"
    )
}

/// Certificate and key of the server, as far as its configuration can be read.
fn server_files(home: &Home) -> (PathBuf, PathBuf) {
    if home.config().exists()
        && let Ok(config) = Config::read(&home.config())
    {
        return (config.tls.certificate, config.tls.key);
    }
    (home.pki().join("server.pem"), home.pki().join("server.key"))
}
