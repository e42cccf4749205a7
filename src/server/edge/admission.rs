//! Limits the number of connections, in all and for each address. When the limit is reached,
//! the oldest connection that has not authenticated is evicted, even if it is busy, since an
//! attacker could keep connections busy.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::auth::ConnectionInfo;

/// How long a new connection waits for an evicted one to close.
const HANDOVER: Duration = Duration::from_millis(100);

/// The places for connections.
pub(in crate::server) struct Admission {
    total: usize,
    per_address: usize,
    state: Mutex<State>,
    freed: Notify,
    refused: AtomicU64,
    evicted: AtomicU64,
    told: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Oldest first. Bounded by the number of connections.
    open: BTreeMap<u64, Member>,
    addresses: HashMap<IpAddr, usize>,
    next: u64,
    stopping: bool,
}

struct Member {
    connection: Arc<ConnectionInfo>,
    /// Aborts the task that serves the connection; `None` once that was done.
    task: Option<AbortHandle>,
    evicted: bool,
}

/// Connections that were refused or evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct TurnedAway {
    /// Closed at once, because the limit was reached.
    pub(in crate::server) refused: u64,
    /// Evicted to make room for others.
    pub(in crate::server) evicted: u64,
}

/// The place of one connection; dropped with it.
pub(in crate::server) struct Seat {
    admission: Arc<Admission>,
    number: u64,
    address: IpAddr,
}

impl Admission {
    pub(in crate::server) fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            state: Mutex::default(),
            freed: Notify::new(),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            told: AtomicU64::new(0),
        })
    }

    /// A place for `connection`, if there is one or another connection can be evicted.
    pub(in crate::server) async fn admit(self: &Arc<Self>, connection: &Arc<ConnectionInfo>) -> Option<Seat> {
        let freed = self.freed.notified();
        let seat = match self.try_admit(connection) {
            Err(Full::Total) if self.evict() => {
                let _ = timeout(HANDOVER, freed).await;
                self.try_admit(connection)
            }
            other => other,
        };
        if seat.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        seat.ok()
    }

    fn try_admit(self: &Arc<Self>, connection: &Arc<ConnectionInfo>) -> Result<Seat, Full> {
        let address = connection.network();
        let mut state = self.state();
        if state.addresses.get(&address).is_some_and(|open| *open >= self.per_address) {
            return Err(Full::Address);
        }
        if state.open.len() >= self.total {
            return Err(Full::Total);
        }
        *state.addresses.entry(address).or_insert(0) += 1;
        let number = state.next;
        state.next += 1;
        state.open.insert(number, Member { connection: Arc::clone(connection), task: None, evicted: false });
        Ok(Seat { admission: Arc::clone(self), number, address })
    }

    /// Evicts the oldest connection that has not authenticated. Returns whether there was one.
    fn evict(&self) -> bool {
        let mut state = self.state();
        let mut strangers = state
            .open
            .values_mut()
            .filter(|member| member.task.is_some() && !member.connection.is_authenticated());
        let Some(member) = strangers.next() else { return false };
        member.evicted = true;
        if let Some(task) = member.task.take() {
            task.abort();
        }
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Registers `task` as serving the connection `number`, unless another has already taken
    /// over.
    pub(in crate::server) fn serves(&self, number: u64, task: AbortHandle) {
        if let Some(member) = self.state().open.get_mut(&number) {
            member.task.get_or_insert(task);
        }
    }

    /// Registers `task`, which waits for the client to close the connection `number`.
    pub(in crate::server) fn lingers(&self, number: u64, task: AbortHandle) {
        if let Some(member) = self.state().open.get_mut(&number) {
            member.task = Some(task);
        }
    }

    /// Open connections.
    pub(in crate::server) fn open(&self) -> usize {
        self.state().open.len()
    }

    /// The most connections at once.
    pub(in crate::server) fn total(&self) -> usize {
        self.total
    }

    /// Connections that were refused or evicted since the start.
    pub(in crate::server) fn turned_away(&self) -> TurnedAway {
        let (refused, evicted) = (&self.refused, &self.evicted);
        TurnedAway { refused: refused.load(Ordering::Relaxed), evicted: evicted.load(Ordering::Relaxed) }
    }

    /// Logs refused and evicted connections, if there were any since the last call.
    pub(in crate::server) fn tell(&self) {
        let TurnedAway { refused, evicted } = self.turned_away();
        if self.told.swap(refused + evicted, Ordering::Relaxed) < refused + evicted {
            let limit = self.total;
            tracing::warn!(refused, evicted, limit, "connections were turned away; counted since the start");
        }
    }

    /// Waits until all connections are closed. From now on they do not linger.
    pub(in crate::server) async fn empty(&self) {
        self.state().stopping = true;
        loop {
            let freed = self.freed.notified();
            if self.open() == 0 {
                return;
            }
            freed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Full {
    Total,
    Address,
}

impl Seat {
    /// The number of the connection, for [`Admission::serves`].
    pub(in crate::server) fn number(&self) -> u64 {
        self.number
    }

    pub(in crate::server) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    /// Whether the connection may linger until its client closes it.
    pub(in crate::server) fn may_linger(&self) -> bool {
        let state = self.admission.state();
        !state.stopping && state.open.get(&self.number).is_some_and(|member| !member.evicted)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.open.remove(&self.number);
        if let Some(open) = state.addresses.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                state.addresses.remove(&self.address);
            }
        }
        drop(state);
        self.admission.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that waits for ever.
    async fn connect(
        admission: &Arc<Admission>,
        last: u8,
    ) -> Option<(Arc<ConnectionInfo>, tokio::task::JoinHandle<()>)> {
        let connection = Arc::new(ConnectionInfo::new(([127, 0, 0, last], 1).into()));
        let seat = admission.admit(&connection).await?;
        let number = seat.number();
        let task = tokio::spawn(async move {
            let _seat = seat;
            std::future::pending::<()>().await;
        });
        admission.serves(number, task.abort_handle());
        Some((connection, task))
    }

    #[tokio::test]
    async fn the_oldest_stranger_makes_room_and_no_client_does() {
        let admission = Admission::new(3, 3);
        let (client, client_task) = connect(&admission, 1).await.unwrap();
        client.set_authenticated();
        let (_old, old_task) = connect(&admission, 2).await.unwrap();
        let (_young, young_task) = connect(&admission, 2).await.unwrap();
        assert!(connect(&admission, 3).await.is_some());
        assert!(old_task.await.unwrap_err().is_cancelled());
        assert!(!young_task.is_finished() && !client_task.is_finished());
        assert_eq!((admission.open(), admission.turned_away()), (3, TurnedAway { refused: 0, evicted: 1 }));
        // If all have authenticated, a new connection is refused.
        let admission = Admission::new(1, 1);
        let (client, task) = connect(&admission, 1).await.unwrap();
        client.set_authenticated();
        assert!(connect(&admission, 2).await.is_none());
        assert!(!task.is_finished());
        assert_eq!(admission.turned_away(), TurnedAway { refused: 1, evicted: 0 });
    }

    #[tokio::test]
    async fn an_address_that_has_its_share_evicts_nobody() {
        let admission = Admission::new(2, 1);
        let _first = connect(&admission, 1).await.unwrap();
        let _second = connect(&admission, 2).await.unwrap();
        assert!(connect(&admission, 1).await.is_none());
        assert_eq!((admission.open(), admission.turned_away()), (2, TurnedAway { refused: 1, evicted: 0 }));
    }

    #[tokio::test]
    async fn a_seat_is_free_when_its_connection_ends() {
        let admission = Admission::new(2, 1);
        let (_, task) = connect(&admission, 1).await.unwrap();
        task.abort();
        let _ = task.await;
        assert_eq!(admission.open(), 0);
        assert!(admission.state().addresses.is_empty());
        timeout(Duration::from_mins(1), admission.empty()).await.unwrap();
    }
}
