//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::anonymous_denials::AnonymousDenials;
use super::api_error::ApiError;
use super::edge::admission::Admission;
use super::edge::linger::Lingering;
use super::edge::tls::Identity;
use super::refresh::Refresh;
use crate::audit::Log;
use crate::auth::{Authenticator, ReplayMemory, RequestKeys};
use crate::clock::{Clock, rfc3339};
use crate::config::{LimitsTable, SigningMode, SigningTable};
use crate::keyring::Keyring;
use crate::serving::{ModelStatus, Registry};

/// Everything that follows from one generation of the keyring. A request takes
/// one and keeps it to its end.
pub(super) struct Snapshot {
    pub(super) authenticator: Authenticator,
    pub(super) request_keys: RequestKeys,
    /// Public halves only.
    pub(super) keys: Keyring,
}

/// What all requests share.
pub(super) struct App {
    pub(super) registry: Registry,
    pub(super) limits: LimitsTable,
    pub(super) signing: SigningTable,
    /// What it shows of itself.
    pub(super) tls: ArcSwap<Identity>,
    pub(super) replay: Arc<ReplayMemory>,
    pub(super) audit: Log,
    pub(super) denials: AnonymousDenials,
    pub(super) clock: Arc<dyn Clock>,
    /// Bytes of request bodies that may still be taken into memory.
    pub(super) body_memory: Arc<Semaphore>,
    /// For answers.
    pub(super) answer_memory: Arc<Semaphore>,
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) keyring: KeyringHealth,
    /// Whoever waits for the server was told.
    pub(super) announced: AtomicBool,
    pub(super) draining: AtomicBool,
    /// SIGHUP: read the keyring now.
    pub(super) reread: AtomicBool,
    /// Ask here for a look at the keyring.
    pub(super) refresh: Refresh,
    /// The places for connections.
    pub(super) admission: Arc<Admission>,
    /// Takes what refused clients still send.
    pub(super) lingering: Lingering,
    pub(super) requests: AtomicU64,
    /// Tell browsers to come back over HTTPS only; on localhost that would bind
    /// every other program there.
    pub(super) hsts: bool,
    pub(super) url: String,
    pub(super) started: u64,
}

/// Whether the snapshot is still to be trusted. Silence is no proof of health: what
/// counts is the last look that succeeded, so a reader that hangs or dies is noticed.
pub(super) struct KeyringHealth {
    start: Instant,
    max_stale: Duration,
    /// Milliseconds from `start` to the last look that succeeded.
    succeeded: AtomicU64,
    failing: AtomicBool,
}

/// Without a look for this long, the keyring counts as unreadable.
const SILENCE: Duration = Duration::from_secs(3);

impl KeyringHealth {
    pub(super) fn new(max_stale: Duration) -> Self {
        let (succeeded, failing) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { start: Instant::now(), max_stale, succeeded, failing }
    }

    pub(super) fn succeeded(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.succeeded.store(now, Ordering::Release);
        self.failing.store(false, Ordering::Release);
    }

    pub(super) fn failed(&self) {
        self.failing.store(true, Ordering::Release);
    }

    /// Time since the last look that succeeded.
    fn age(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.succeeded.load(Ordering::Acquire)))
    }

    /// For how long the keyring could not be read, if it cannot.
    pub(super) fn stale(&self) -> Option<Duration> {
        let age = self.age();
        (self.failing.load(Ordering::Acquire) || age > SILENCE).then_some(age)
    }

    fn is_trusted(&self) -> bool {
        self.stale().is_none_or(|stale| stale < self.max_stale)
    }
}

impl App {
    /// The snapshot for one request; none once it is too old to be trusted.
    pub(super) fn trusted_snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        if self.keyring.is_trusted() { Ok(self.snapshot.load_full()) } else { Err(ApiError::stale_keyring()) }
    }

    /// Whether new requests are welcome.
    pub(super) fn is_ready(&self) -> bool {
        self.announced.load(Ordering::Acquire)
            && !self.draining.load(Ordering::Acquire)
            && self.keyring.stale().is_none()
            && self.registry.serves()
    }

    /// Whether a signature made now can be told from one that a server before this
    /// one accepted.
    pub(super) fn is_settled(&self) -> bool {
        self.signing.mode == SigningMode::Off
            || self.clock.unix() >= self.replay.settled()
            || self.snapshot.load().request_keys.is_empty()
    }

    pub(super) fn status(&self) -> Status {
        let turned_away = self.admission.turned_away();
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            url: self.url.clone(),
            ready: self.is_ready(),
            started: rfc3339(self.started),
            keyring: KeyringStatus {
                generation: self.snapshot.load().keys.generation,
                unreadable_for_seconds: self.keyring.stale().map(|stale| stale.as_secs()),
            },
            connections: self.admission.open(),
            connection_limit: self.admission.total(),
            connections_refused: turned_away.refused,
            connections_evicted: turned_away.evicted,
            requests: self.requests.load(Ordering::Relaxed),
            audit_lines_lost: self.audit.lost(),
            audit_healthy: self.audit.is_healthy(),
            models: self.registry.iter().map(|model| model.status()).collect(),
        }
    }
}

/// What a running server is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Its release.
    pub version: String,
    /// Where it listens.
    pub url: String,
    /// Whether it takes requests.
    pub ready: bool,
    /// Since when it runs.
    pub started: String,
    /// Which keys it obeys.
    pub keyring: KeyringStatus,
    /// Open connections.
    pub connections: usize,
    /// The most connections at once.
    pub connection_limit: usize,
    /// Connections refused since the start, as there was no place.
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
    pub models: Vec<ModelStatus>,
}

/// Which keys a server obeys.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct KeyringStatus {
    /// The generation in force.
    pub generation: u64,
    /// For how long the file could not be read, if it cannot.
    pub unreadable_for_seconds: Option<u64>,
}
