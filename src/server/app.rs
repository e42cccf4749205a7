//! One running server, and its status.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::edge::admission::Admission;
use super::edge::linger::Lingering;
use super::edge::tls::Identity;
use crate::clock::{UnixSeconds, rfc3339};
use crate::pipeline::{Core, ModelCounts};
use crate::serving::ModelStatus;

/// One running server.
pub(super) struct App {
    pub(super) core: Arc<Core>,
    /// The certificate in force.
    pub(super) tls: ArcSwap<Identity>,
    /// Host names that signed requests may be for, if they are not those of the certificate.
    pub(super) authorities: Vec<String>,
    /// Readiness was announced.
    pub(super) announced: AtomicBool,
    pub(super) draining: AtomicBool,
    /// SIGHUP: read the keyring now.
    pub(super) reread: AtomicBool,
    /// Limits connections.
    pub(super) admission: Arc<Admission>,
    /// Discards the bodies of refused requests.
    pub(super) lingering: Lingering,
    /// Send Strict-Transport-Security. Not on localhost, where it would apply to all other
    /// programs too.
    pub(super) hsts: bool,
    pub(super) url: String,
    pub(super) started: UnixSeconds,
}

impl App {
    /// Whether the server is ready for requests.
    pub(super) fn is_ready(&self) -> bool {
        self.announced.load(Ordering::Acquire)
            && !self.draining.load(Ordering::Acquire)
            && self.core.keyring.health.stale().is_none()
            && self.core.registry.serves()
    }

    pub(super) fn status(&self) -> Status {
        let core = &self.core;
        let turned_away = self.admission.turned_away();
        let report = |model: &Arc<crate::serving::Model>| ModelReport {
            status: model.status(),
            counts: core.statistics.of(model.id(), model.version()),
        };
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            url: self.url.clone(),
            ready: self.is_ready(),
            started: rfc3339(self.started),
            keyring: KeyringStatus {
                generation: core.keyring.latest().keys.generation,
                unreadable_for_seconds: core.keyring.health.stale().map(|stale| stale.as_secs()),
            },
            connections: self.admission.open(),
            connection_limit: self.admission.total(),
            connections_refused: turned_away.refused,
            connections_evicted: turned_away.evicted,
            requests: core.statistics.requests(),
            audit_lines_lost: core.audit.lost(),
            audit_healthy: core.audit.is_healthy(),
            models: core.registry.all().iter().map(report).collect(),
        }
    }
}

/// The status of a running server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// URL.
    pub url: String,
    /// Whether it takes requests.
    pub ready: bool,
    /// Start time.
    pub started: String,
    /// The keyring in force.
    pub keyring: KeyringStatus,
    /// Open connections.
    pub connections: usize,
    /// The most connections at once.
    pub connection_limit: usize,
    /// Connections refused since the start, because the limit was reached.
    pub connections_refused: u64,
    /// Connections closed since the start to make room for others.
    pub connections_evicted: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Audit lines that could not be written.
    pub audit_lines_lost: u64,
    /// Whether the last audit line was written.
    pub audit_healthy: bool,
    /// Its models.
    pub models: Vec<ModelReport>,
}

/// The keyring in force.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct KeyringStatus {
    /// The generation in force.
    pub generation: u64,
    /// For how long the file has been unreadable, if it is.
    pub unreadable_for_seconds: Option<u64>,
}

/// The status and the counters of one model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelReport {
    /// Its status.
    #[serde(flatten)]
    pub status: ModelStatus,
    /// Its counters.
    #[serde(flatten)]
    pub counts: ModelCounts,
}
