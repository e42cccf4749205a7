//! The keyring in force, and whether it is recent enough to be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{ApiError, Refresh};
use crate::auth::{Authenticator, RequestKeys};
use crate::clock;
use crate::keyring::Keyring;

/// One generation of the keyring, in the forms in which requests need it. A request keeps the
/// snapshot with which it was authenticated.
pub struct Snapshot {
    /// Authenticates tokens and API keys.
    pub authenticator: Authenticator,
    /// Verifies signed requests.
    pub request_keys: RequestKeys,
    /// The public keys.
    pub keys: Keyring,
}

/// The keyring in force.
pub struct KeyringState {
    snapshot: ArcSwap<Snapshot>,
    /// Whether the file can be read.
    pub health: KeyringHealth,
    /// Asks for the file to be checked now.
    pub refresh: Refresh,
}

impl KeyringState {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Snapshot, health: KeyringHealth, refresh: Refresh) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), health, refresh }
    }

    /// The snapshot in force, however old it is.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The snapshot in force, unless it is too old to be trusted.
    pub fn trusted(&self) -> Result<Arc<Snapshot>, ApiError> {
        if self.health.is_trusted() { Ok(self.latest()) } else { Err(ApiError::stale_keyring()) }
    }

    /// Puts `snapshot` in force.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }
}

/// Whether the snapshot can be trusted. It depends on the time of the last successful check, so
/// that a thread that hangs or dies is noticed.
pub struct KeyringHealth {
    start: Duration,
    max_stale: Duration,
    /// Milliseconds from `start` to the last successful check.
    succeeded: AtomicU64,
    failing: AtomicBool,
}

/// Without a successful check for this long, the keyring counts as unreadable.
const SILENCE: Duration = Duration::from_secs(3);

impl KeyringHealth {
    /// A keyring that cannot be read is trusted for at most `max_stale`.
    pub fn new(max_stale: Duration) -> Self {
        let (succeeded, failing) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { start: clock::coarse(), max_stale, succeeded, failing }
    }

    /// Records a check: the file was read, or has not changed.
    pub fn succeeded(&self) {
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.succeeded.store(now, Ordering::Release);
        self.failing.store(false, Ordering::Release);
    }

    /// Records that the file could not be read.
    pub fn failed(&self) {
        self.failing.store(true, Ordering::Release);
    }

    fn elapsed(&self) -> Duration {
        clock::coarse().saturating_sub(self.start)
    }

    /// Time since the last successful check.
    fn age(&self) -> Duration {
        self.elapsed().saturating_sub(Duration::from_millis(self.succeeded.load(Ordering::Acquire)))
    }

    /// For how long the keyring has been unreadable, if it is.
    pub fn stale(&self) -> Option<Duration> {
        let age = self.age();
        (self.failing.load(Ordering::Acquire) || age > SILENCE).then_some(age)
    }

    fn is_trusted(&self) -> bool {
        self.stale().is_none_or(|stale| stale < self.max_stale)
    }
}
