//! Who may connect: so many connections in all, so many from one address. When all places
//! are taken, the oldest connection without a credential makes room, whatever it is doing:
//! nothing that a stranger does earns a place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::auth::ConnectionInfo;

/// How long a new connection waits for one that makes room.
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
    /// The oldest first. As large as there are connections, which are capped.
    open: BTreeMap<u64, Member>,
    addresses: HashMap<IpAddr, usize>,
    next: u64,
    stopping: bool,
}

struct Member {
    connection: Arc<ConnectionInfo>,
    /// Ends the task that serves the connection; none once that was done.
    task: Option<AbortHandle>,
    evicted: bool,
}

/// Connections that were turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct TurnedAway {
    /// Closed at once, as there was no place.
    pub(in crate::server) refused: u64,
    /// Closed to make room for others.
    pub(in crate::server) evicted: u64,
}

/// One connection's place; dropped with it.
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

    /// A place for `connection`, if there is one or room can be made.
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

    /// Ends the oldest connection without a credential. Returns whether there is one.
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

    /// `task` serves the connection `number`, unless another has taken over already.
    pub(in crate::server) fn serves(&self, number: u64, task: AbortHandle) {
        if let Some(member) = self.state().open.get_mut(&number) {
            member.task.get_or_insert(task);
        }
    }

    /// `task` is all that is left of the connection `number`.
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

    /// Connections that were turned away since the start.
    pub(in crate::server) fn turned_away(&self) -> TurnedAway {
        let (refused, evicted) = (&self.refused, &self.evicted);
        TurnedAway { refused: refused.load(Ordering::Relaxed), evicted: evicted.load(Ordering::Relaxed) }
    }

    /// Logs that connections were turned away, if any were since the last call.
    pub(in crate::server) fn tell(&self) {
        let TurnedAway { refused, evicted } = self.turned_away();
        if self.told.swap(refused + evicted, Ordering::Relaxed) < refused + evicted {
            let limit = self.total;
            tracing::warn!(refused, evicted, limit, "connections were turned away; counted since the start");
        }
    }

    /// Waits until all connections are closed. They no longer linger.
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
    /// Names the connection to [`Admission::serves`].
    pub(in crate::server) fn number(&self) -> u64 {
        self.number
    }

    pub(in crate::server) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    /// Whether the client may be waited for after the connection's end.
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
        // Where all are clients, a new connection is refused.
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
