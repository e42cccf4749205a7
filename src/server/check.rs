//! Checks everything that a start needs, and changes nothing.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::ServerError;
use super::models;
use super::places::{not_listening, require_places};
use super::run::{Options, Prepared, prepare};
use crate::clock::{Clock, SystemClock};
use crate::config::Home;
use crate::pki;

/// Does everything that [`run`](super::run()) does before it takes requests, and then stops.
pub fn check(options: Options<'_>) -> Result<(), ServerError> {
    let (home, config) = (options.home, options.config);
    home.require_private()?;
    if !is_served(home) {
        require_free(config.listen)?;
    }
    require_places(home, config)?;
    require_in_time(&config.tls.certificate)?;
    let Prepared { registry, .. } = prepare(options, &SystemClock)?;
    models::withdrawn(&registry).for_each(|(model, refusal)| models::warn_withdrawn(&model, &refusal));
    Ok(())
}

/// Fails unless the certificate at `path` is valid now. The server itself would start with it,
/// since the file can be replaced while it runs, but clients would refuse it.
fn require_in_time(path: &Path) -> Result<(), ServerError> {
    let chain = pki::chain(path, pki::MAX_FILE)?;
    let now = i64::try_from(SystemClock.unix()).unwrap_or(i64::MAX);
    let parsed = chain.first().and_then(|leaf| pki::Certificate::parse(leaf).ok());
    match parsed {
        Some(leaf) if now > leaf.facts.not_after => Err(ServerError::Expired { path: path.to_owned() }),
        Some(leaf) if now < leaf.facts.not_before => Err(ServerError::NotYetValid { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// Whether a server runs in `home`. Its port is then in use for a good reason.
fn is_served(home: &Home) -> bool {
    let lock = File::open(home.state().join("server.lock"));
    lock.is_ok_and(|file| file.try_lock_shared().is_err())
}

fn require_free(address: SocketAddr) -> Result<(), ServerError> {
    TcpListener::bind(address).map(drop).map_err(not_listening(address))
}
