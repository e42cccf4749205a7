//! Replay protection for signed requests. A nonce is stored for as long as its signature can
//! be valid, and is never evicted to make room.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::AuthError;
use crate::clock::UnixSeconds;
use crate::crypto::digest;
use crate::signing;

/// Nonces are stored for this many seconds after `expires`.
const GRACE: u64 = 5;

/// Stores the nonces of signed requests. A store may be remote and shared by several servers,
/// so it is asynchronous and can fail. A request whose nonce cannot be stored is refused.
pub trait NonceStore: Send + Sync {
    /// Stores `nonce` for the request key `key`; fails if it is stored already. The signature,
    /// including `expires`, must have been verified, so that only the key's owner fills the
    /// store.
    fn take<'a>(&'a self, key: &'a str, nonce: &'a str, expires: UnixSeconds, now: UnixSeconds) -> Taken<'a>;

    /// Signatures made in this second or later cannot have been accepted before the store
    /// started.
    fn settled(&self) -> UnixSeconds;
}

/// The answer of a [`NonceStore`].
pub type Taken<'a> = Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send + 'a>>;

/// Stores nonces in memory, for as long as the server runs. A new generation of the keyring
/// keeps them.
#[derive(Debug)]
pub struct ReplayMemory {
    started: UnixSeconds,
    /// The most nonces of one key.
    capacity: usize,
    keys: Mutex<HashMap<String, Arc<Nonces>>>,
}

impl ReplayMemory {
    /// An empty store, started at `started`, for `capacity` nonces of each key.
    pub fn new(started: UnixSeconds, capacity: usize) -> Self {
        Self { started, capacity, keys: Mutex::default() }
    }

    /// The nonces of the key `id`.
    fn of(&self, id: &str) -> Arc<Nonces> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonces) = keys.get(id) {
            return Arc::clone(nonces);
        }
        Arc::clone(keys.entry(id.to_owned()).or_insert_with(|| Arc::new(Nonces::new(self.capacity))))
    }
}

impl NonceStore for ReplayMemory {
    fn take<'a>(&'a self, key: &'a str, nonce: &'a str, expires: UnixSeconds, now: UnixSeconds) -> Taken<'a> {
        let taken = self.of(key).take(nonce.as_bytes(), expires, now);
        Box::pin(std::future::ready(taken))
    }

    /// The server that ran before accepted a `created` that was slightly in the future.
    fn settled(&self) -> UnixSeconds {
        self.started + signing::CLOCK_SKEW + 1
    }
}

/// The nonces of one key.
#[derive(Debug)]
struct Nonces {
    capacity: usize,
    seen: Mutex<Seen>,
}

/// 128 bits of a nonce's hash, since nonces can have any length.
type Mark = [u8; 16];

#[derive(Debug, Default)]
struct Seen {
    marks: HashSet<Mark>,
    /// The same, by `expires`.
    by_expiry: BTreeMap<UnixSeconds, Vec<Mark>>,
    /// Nonces that expire before this were removed, whatever the clock says now.
    forgotten: UnixSeconds,
}

impl Nonces {
    fn new(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    /// Stores a nonce; fails if it is stored already.
    fn take(&self, nonce: &[u8], expires: UnixSeconds, now: UnixSeconds) -> Result<(), AuthError> {
        let hash = digest::sha256(&[nonce]);
        let mut mark = Mark::default();
        mark.copy_from_slice(&hash[..16]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now.saturating_sub(GRACE));
        if expires < seen.forgotten || seen.marks.contains(&mark) {
            return Err(AuthError::Replayed);
        }
        if seen.marks.len() >= self.capacity {
            let oldest = seen.by_expiry.first_key_value().map_or(now, |(expires, _)| *expires);
            return Err(AuthError::NoncesFull { wait: (oldest + GRACE + 1).saturating_sub(now) });
        }
        seen.marks.insert(mark);
        seen.by_expiry.entry(expires).or_default().push(mark);
        Ok(())
    }
}

impl Seen {
    /// Removes nonces that expired before `time`.
    fn forget(&mut self, time: UnixSeconds) {
        while let Some(oldest) = self.by_expiry.first_entry().filter(|entry| *entry.key() < time) {
            self.forgotten = self.forgotten.max(*oldest.key() + 1);
            for mark in oldest.remove() {
                self.marks.remove(&mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;

    #[test]
    fn a_nonce_is_taken_once_and_by_each_key() {
        let memory = ReplayMemory::new(NOW, 10);
        let take = |key: &str, nonce: &[u8]| memory.of(key).take(nonce, NOW + 60, NOW);
        assert_eq!(take("ann", b"1"), Ok(()));
        assert_eq!(take("ann", b"1"), Err(AuthError::Replayed));
        assert_eq!(take("ann", b"2"), Ok(()));
        assert_eq!(take("bob", b"1"), Ok(()));
        // The same nonce with another `expires` is still a replay.
        assert_eq!(memory.of("ann").take(b"1", NOW + 61, NOW), Err(AuthError::Replayed));
    }

    #[test]
    fn it_is_remembered_until_its_signature_cannot_hold_any_more() {
        let nonces = Nonces::new(10);
        nonces.take(b"1", NOW + 60, NOW).unwrap();
        for later in [NOW, NOW + 60, NOW + 65] {
            assert_eq!(nonces.take(b"1", NOW + 60, later), Err(AuthError::Replayed), "{later}");
        }
        // Removed, but not accepted again, even if the clock is set back.
        for time in [NOW + 66, NOW] {
            assert_eq!(nonces.take(b"1", NOW + 60, time), Err(AuthError::Replayed), "{time}");
        }
        assert!(nonces.seen.lock().unwrap().marks.is_empty());
    }

    #[test]
    fn a_clock_that_leaps_ahead_for_a_moment_locks_nobody_out() {
        let nonces = Nonces::new(10);
        nonces.take(b"1", NOW + 3660, NOW + 3600).unwrap();
        nonces.take(b"2", NOW + 60, NOW).unwrap();
        assert_eq!(nonces.take(b"2", NOW + 60, NOW), Err(AuthError::Replayed));
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        let nonces = Nonces::new(2);
        nonces.take(b"1", NOW + 60, NOW).unwrap();
        nonces.take(b"2", NOW + 61, NOW).unwrap();
        assert_eq!(nonces.take(b"3", NOW + 60, NOW), Err(AuthError::NoncesFull { wait: 66 }));
        assert_eq!(nonces.take(b"1", NOW + 60, NOW), Err(AuthError::Replayed));
        // The first one's time is over; the second's is not.
        nonces.take(b"3", NOW + 120, NOW + 66).unwrap();
        assert_eq!(nonces.take(b"4", NOW + 120, NOW + 66), Err(AuthError::NoncesFull { wait: 1 }));
        nonces.take(b"4", NOW + 120, NOW + 67).unwrap();
    }

    #[test]
    fn of_many_threads_one_takes_it() {
        let nonces = Nonces::new(100_000);
        let taken: usize = std::thread::scope(|scope| {
            let take =
                || (0..1000_u32).filter(|n| nonces.take(&n.to_be_bytes(), NOW + 60, NOW).is_ok()).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
