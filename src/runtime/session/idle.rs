//! Memory that sessions keep after large runs, and how it goes back to the system.
//!
//! An arena keeps what a run took, so that the next run need not ask the system for it.
//! Asking each time made a model with 64 MiB of tensors 12 percent slower. So memory goes
//! back only while a session rests. A session that does not rest gives it back once a
//! minute, since only some of its runs may be large.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::arena::Arena;

/// So many calls of [`release_idle_memory`] may find a session busy.
const BUSY: u32 = 6;

/// The sessions that are open.
static SESSIONS: Mutex<Vec<Weak<Keeper>>> = Mutex::new(Vec::new());

/// What keeps the weights of a session alive.
pub(super) type Weights = Box<dyn fmt::Debug + Send + Sync>;

/// One session of the library, and all that belongs to it.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) session: ort::session::Session,
    /// What its runs take memory from.
    arena: Arena,
    /// Weights that the library reads where they are; behind the session, so that it goes first.
    _weights: Weights,
}

/// Keeps one session open, and knows when it rests.
#[derive(Debug)]
pub(super) struct Keeper {
    open: Mutex<OpenSession>,
    /// It ran since the last call.
    ran: AtomicBool,
    /// How often in a row it had run.
    busy: AtomicU32,
    /// It was running when its memory should have gone back: the run does it at its end.
    due: AtomicBool,
}

/// Gives back to the system what sessions keep and do not need. To be called every ten
/// seconds.
pub fn release_idle_memory() {
    let sessions = {
        let mut all = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|session| session.strong_count() > 0);
        all.clone()
    };
    sessions.iter().filter_map(Weak::upgrade).for_each(|keeper| keeper.look());
}

impl Keeper {
    pub(super) fn new(open: OpenSession) -> Arc<Self> {
        let keeper = Arc::new(Self {
            open: Mutex::new(open),
            ran: AtomicBool::new(false),
            busy: AtomicU32::new(0),
            due: AtomicBool::new(false),
        });
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&keeper));
        keeper
    }

    /// Runs `run` on the session.
    pub(super) fn run<T>(&self, run: impl FnOnce(&mut ort::session::Session) -> T) -> T {
        let mut open = self.lock();
        self.ran.store(true, Ordering::Relaxed);
        let answer = run(&mut open.session);
        if self.due.swap(false, Ordering::Relaxed) {
            open.trim();
        }
        answer
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, OpenSession> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives memory back where the session rests, or has not rested for long.
    fn look(&self) {
        let ran = self.ran.swap(false, Ordering::Relaxed);
        if ran && self.busy.fetch_add(1, Ordering::Relaxed) + 1 < BUSY {
            return;
        }
        self.busy.store(0, Ordering::Relaxed);
        // A run can take any time, so nothing here waits for its end.
        match self.open.try_lock() {
            Ok(mut open) => open.trim(),
            Err(_) => self.due.store(true, Ordering::Relaxed),
        }
    }
}

impl OpenSession {
    pub(super) fn new(session: ort::session::Session, arena: Arena, weights: Weights) -> Self {
        Self { session, arena, _weights: weights }
    }

    fn trim(&mut self) {
        self.arena.trim(&mut self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::session::Session;
    use crate::runtime::session::aliased;
    use crate::runtime::testing::{model, open_with, run};
    use crate::runtime::{Tensor, TensorData};

    const BYTES: u64 = 64 << 20;

    fn open() -> Session {
        open_with(&model("models/grow.onnx"), &[]).unwrap()
    }

    fn grow(session: &mut Session, bytes: u64) {
        let count = i64::try_from(bytes / 4).unwrap();
        let shape = Tensor::new("shape", vec![1], TensorData::Int64(vec![count])).unwrap();
        run(session, vec![shape], &[]).unwrap();
    }

    fn held(session: &Session) -> u64 {
        session.keeper().lock().arena.held().unwrap().total
    }

    #[test]
    fn a_session_that_rests_gives_back_what_a_large_run_took() {
        let mut session = open();
        grow(&mut session, BYTES);
        session.keeper().look();
        assert_eq!(held(&session), BYTES, "it has just run");
        session.keeper().look();
        assert_eq!(held(&session), 0);
        grow(&mut session, BYTES);
        assert_eq!(held(&session), BYTES, "it runs as before");
    }

    #[test]
    fn a_session_that_rests_keeps_what_a_small_run_took() {
        let mut session = open();
        grow(&mut session, 4 << 20);
        session.keeper().look();
        session.keeper().look();
        assert_eq!(held(&session), 4 << 20);
    }

    #[test]
    fn a_session_that_never_rests_gives_back_now_and_then() {
        let mut session = open();
        grow(&mut session, BYTES);
        for _ in 1..BUSY {
            session.keeper().look();
            assert_eq!(held(&session), BYTES);
            grow(&mut session, 4);
        }
        session.keeper().look();
        assert_eq!(held(&session), 0);
    }

    #[test]
    fn every_kind_of_model_can_give_memory_back() {
        let aliased = aliased::names().into_iter().map(|name| format!("models/aliased/{name}"));
        let others = ["digits.onnx", "models/echo.onnx", "models/slow.onnx", "models/text.onnx"];
        for name in aliased.chain(others.map(str::to_owned)) {
            let session = open_with(&model(&name), &[]).unwrap();
            let OpenSession { session, arena, .. } = &mut *session.keeper().lock();
            arena.shrink(session);
            assert!(arena.held().is_some(), "{name}");
        }
    }

    #[test]
    fn a_run_that_is_under_way_gives_back_at_its_end() {
        let mut session = open();
        grow(&mut session, BYTES);
        session.keeper().look();
        session.keeper().run(|_| session.keeper().look());
        assert_eq!(held(&session), BYTES, "six in a row would be too many");
        session.keeper().look();
        session.keeper().run(|_| {
            session.keeper().ran.store(false, Ordering::Relaxed);
            session.keeper().look();
        });
        assert_eq!(held(&session), 0);
    }
}
