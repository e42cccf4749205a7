//! Everything that follows from the keyring, and whether it is still to be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{ApiError, Refresh};
use crate::auth::{Authenticator, RequestKeys};
use crate::clock;
use crate::keyring::Keyring;

/// Everything that follows from one generation of the keyring. A request takes
/// one and keeps it to its end.
pub struct Snapshot {
    /// Knows tokens and API keys.
    pub authenticator: Authenticator,
    /// Knows request keys.
    pub request_keys: RequestKeys,
    /// Public halves only.
    pub keys: Keyring,
}

/// The keyring in force.
pub struct KeyringState {
    snapshot: ArcSwap<Snapshot>,
    /// Whether it can still be read.
    pub health: KeyringHealth,
    /// Asks for the file to be read again.
    pub refresh: Refresh,
}

impl KeyringState {
    /// Begins with `snapshot`.
    pub fn new(snapshot: Snapshot, health: KeyringHealth, refresh: Refresh) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), health, refresh }
    }

    /// The snapshot in force, however old it is.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The snapshot for one request; none once it is too old to be trusted.
    pub fn trusted(&self) -> Result<Arc<Snapshot>, ApiError> {
        if self.health.is_trusted() { Ok(self.latest()) } else { Err(ApiError::stale_keyring()) }
    }

    /// Puts `snapshot` in force.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }
}

/// Whether the snapshot is still to be trusted. Silence is no proof of health: what
/// counts is the last look that succeeded, so a reader that hangs or dies is noticed.
pub struct KeyringHealth {
    start: Duration,
    max_stale: Duration,
    /// Milliseconds from `start` to the last look that succeeded.
    succeeded: AtomicU64,
    failing: AtomicBool,
}

/// Without a look for this long, the keyring counts as unreadable.
const SILENCE: Duration = Duration::from_secs(3);

impl KeyringHealth {
    /// Trusts a keyring that cannot be read for at most `max_stale`.
    pub fn new(max_stale: Duration) -> Self {
        let (succeeded, failing) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { start: clock::coarse(), max_stale, succeeded, failing }
    }

    /// The file was read, or has not changed.
    pub fn succeeded(&self) {
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.succeeded.store(now, Ordering::Release);
        self.failing.store(false, Ordering::Release);
    }

    /// The file could not be read.
    pub fn failed(&self) {
        self.failing.store(true, Ordering::Release);
    }

    fn elapsed(&self) -> Duration {
        clock::coarse().saturating_sub(self.start)
    }

    /// Time since the last look that succeeded.
    fn age(&self) -> Duration {
        self.elapsed().saturating_sub(Duration::from_millis(self.succeeded.load(Ordering::Acquire)))
    }

    /// For how long the keyring could not be read, if it cannot.
    pub fn stale(&self) -> Option<Duration> {
        let age = self.age();
        (self.failing.load(Ordering::Acquire) || age > SILENCE).then_some(age)
    }

    fn is_trusted(&self) -> bool {
        self.stale().is_none_or(|stale| stale < self.max_stale)
    }
}
