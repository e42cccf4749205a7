//! The sessions of one model, and which of them are stuck.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::process;
use crate::runtime::{Interrupt, ModelError, Session};

/// A session counts as stuck if its run goes on for this long after it was cancelled. ONNX
/// Runtime checks for cancellation only between two operations.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Opens one more session.
pub(super) type OpenSpare = Box<dyn FnOnce() -> Result<Session, ModelError> + Send>;

/// The sessions of one model.
pub(super) struct Sessions {
    slots: Vec<Slot>,
    /// The session that took over when all others were stuck.
    spare: OnceLock<Slot>,
}

impl Sessions {
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        Self { slots: sessions.into_iter().map(Slot::new).collect(), spare: OnceLock::new() }
    }

    /// All sessions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain(self.spare.get())
    }

    /// Adds `session`. Only one is ever added.
    pub(super) fn add(&self, session: Session) -> &Slot {
        self.spare.get_or_init(|| Slot::new(session))
    }

    /// The number of sessions that are stuck.
    pub(super) fn stuck(&self) -> usize {
        self.all().filter(|slot| slot.is_stuck()).count()
    }
}

impl Drop for Sessions {
    /// Returns the memory of the weights to the system at once.
    fn drop(&mut self) {
        self.slots.clear();
        self.spare.take();
        process::release_freed_memory();
    }
}

/// A session that runs one request at a time.
pub(super) struct Slot {
    session: Mutex<Session>,
    /// Cancels the current run.
    running: Mutex<Option<Interrupt>>,
}

/// A session in use. Dropping this frees it for the next run.
pub(super) struct Used<'s> {
    slot: &'s Slot,
    pub(super) session: MutexGuard<'s, Session>,
}

impl Slot {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Mutex::new(session), running: Mutex::new(None) }
    }

    /// Waits until the session is free, and takes it for a run that `interrupt` cancels.
    pub(super) fn take(&self, interrupt: &Interrupt) -> Used<'_> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        self.used(session, interrupt)
    }

    /// Takes the session if it is free.
    pub(super) fn try_take(&self, interrupt: &Interrupt) -> Option<Used<'_>> {
        Some(self.used(self.session.try_lock().ok()?, interrupt))
    }

    fn used<'s>(&'s self, session: MutexGuard<'s, Session>, interrupt: &Interrupt) -> Used<'s> {
        *self.running() = Some(interrupt.clone());
        Used { slot: self, session }
    }

    /// Whether its run was cancelled and still goes on.
    pub(super) fn is_stuck(&self) -> bool {
        self.running().as_ref().and_then(Interrupt::stopped_for).is_some_and(|time| time >= GRACE)
    }

    fn running(&self) -> MutexGuard<'_, Option<Interrupt>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        *self.slot.running() = None;
    }
}
