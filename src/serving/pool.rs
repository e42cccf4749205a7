//! Sessions, one thread each, fed by one bounded queue; runs that are known to be
//! quick stay on the thread that asks.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::{oneshot, watch};

use super::{Bounds, ServingError};
use crate::process;
use crate::runtime::{Allowance, Interrupt, RunError, Runtime, Session, Tensor, TensorSpec};

/// A run that takes less than this is not worth the way to another thread.
const QUICK: Duration = Duration::from_micros(100);

struct Job {
    inputs: Vec<Tensor>,
    outputs: Vec<String>,
    allowed: Allowance,
    interrupt: Interrupt,
    reply: oneshot::Sender<Result<Vec<Tensor>, ServingError>>,
}

/// The sessions of one model.
pub(super) struct Pool {
    runtime: Runtime,
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// What callers and workers share.
struct Shared {
    sessions: Vec<Mutex<Session>>,
    is_steady: bool,
    /// Shapes of inputs with which the last run was quick, as hashes; 0: none.
    quick: [AtomicU64; 8],
    hasher: RandomState,
    counters: Arc<Counters>,
    withdrawn: watch::Sender<bool>,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) waiting: AtomicUsize,
    pub(super) done: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Ends a run when its caller goes away, whether by deadline or disconnect.
struct Abandon(Interrupt);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Pool {
    /// Starts a thread for each of `sessions`; `queue` jobs may wait.
    pub(super) fn start(
        runtime: Runtime,
        name: &str,
        sessions: Vec<Session>,
        queue: usize,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let specs = |of: fn(&Session) -> &[TensorSpec]| sessions.first().map(of).unwrap_or_default().to_vec();
        let (inputs, outputs) = (specs(Session::inputs), specs(Session::outputs));
        let shared = Arc::new(Shared {
            is_steady: sessions.iter().all(Session::is_steady),
            sessions: sessions.into_iter().map(Mutex::new).collect(),
            quick: Default::default(),
            hasher: RandomState::new(),
            counters: Arc::default(),
            withdrawn: watch::Sender::new(false),
        });
        for index in 0..shared.sessions.len() {
            let (receiver, shared) = (Arc::clone(&receiver), Arc::clone(&shared));
            thread::Builder::new()
                .name(format!("run {name}"))
                .spawn(move || shared.work(&shared.sessions[index], &receiver))?;
        }
        Ok(Self { runtime, queue: sender, shared, inputs, outputs })
    }

    /// Runs `inputs` on the next free session, within `bounds`, waiting included.
    pub(super) async fn run(
        &self,
        inputs: Vec<Tensor>,
        outputs: Vec<String>,
        bounds: Bounds,
    ) -> Result<Vec<Tensor>, ServingError> {
        let interrupt = self.runtime.interrupt()?;
        if let Some(mut session) = self.shared.at_once(&inputs) {
            return Ok(self.shared.run(&mut session, inputs, &outputs, &bounds.answer, &interrupt)?);
        }
        let abandon = Abandon(interrupt.clone());
        let mut withdrawn = self.shared.withdrawn.subscribe();
        let (reply, answer) = oneshot::channel();
        let waiting = &self.shared.counters.waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(Job { inputs, outputs, allowed: bounds.answer, interrupt, reply }).map_err(
            |error| {
                waiting.fetch_sub(1, Ordering::Relaxed);
                match error {
                    TrySendError::Full(_) => ServingError::QueueFull,
                    TrySendError::Disconnected(_) => ServingError::Stopped,
                }
            },
        )?;
        let answer = tokio::select! {
            biased;
            _ = withdrawn.wait_for(|withdrawn| *withdrawn) => return Err(ServingError::Withdrawn),
            answer = tokio::time::timeout(bounds.time, answer) => answer,
        };
        drop(abandon);
        answer.map_err(|_| ServingError::Deadline)?.map_err(|_| ServingError::Stopped)?
    }

    /// Has nothing run any more: who waits is told, what runs is stopped. The sessions go
    /// with the last run, once nobody holds the pool.
    pub(super) fn withdraw(&self) {
        self.shared.withdrawn.send_replace(true);
    }

    pub(super) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub(super) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    pub(super) fn sessions(&self) -> usize {
        self.shared.sessions.len()
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }
}

impl Shared {
    /// A free session, if running `inputs` on it takes less time than handing them
    /// to another thread and back. That is known only of models whose shapes decide
    /// how long they take, and only of the very shapes that were quick before.
    fn at_once(&self, inputs: &[Tensor]) -> Option<MutexGuard<'_, Session>> {
        let (slot, shapes) = self.shapes(inputs);
        let known = self.is_steady && slot.load(Ordering::Relaxed) == shapes;
        // Who waits already goes first.
        let waits = self.counters.waiting.load(Ordering::Relaxed) > 0;
        if !known || waits || *self.withdrawn.borrow() {
            return None;
        }
        self.sessions.iter().find_map(|session| session.try_lock().ok())
    }

    fn run(
        &self,
        session: &mut Session,
        inputs: Vec<Tensor>,
        outputs: &[String],
        allowed: &Allowance,
        interrupt: &Interrupt,
    ) -> Result<Vec<Tensor>, RunError> {
        let ((slot, shapes), started) = (self.shapes(&inputs), Instant::now());
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let outcome = session.run(inputs, &outputs, allowed, interrupt);
        if outcome.is_err() {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            return outcome;
        }
        self.counters.done.fetch_add(1, Ordering::Relaxed);
        slot.store(if started.elapsed() < QUICK { shapes } else { 0 }, Ordering::Relaxed);
        outcome
    }

    /// Where these shapes are remembered, and as what.
    fn shapes(&self, inputs: &[Tensor]) -> (&AtomicU64, u64) {
        let mut hasher = self.hasher.build_hasher();
        for tensor in inputs {
            (tensor.name(), tensor.shape()).hash(&mut hasher);
        }
        let hash = hasher.finish().max(1);
        (&self.quick[(hash % 8) as usize], hash)
    }

    /// Takes jobs until the pool is gone.
    fn work(&self, session: &Mutex<Session>, queue: &Mutex<Receiver<Job>>) {
        loop {
            // One worker waits in `recv`, the others for the lock: no job is seen twice.
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            if job.reply.is_closed() || *self.withdrawn.borrow() {
                continue;
            }
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = self.run(&mut session, job.inputs, &job.outputs, &job.allowed, &job.interrupt);
            let _ = job.reply.send(outcome.map_err(|error| match error {
                RunError::Interrupted => ServingError::Deadline,
                other => other.into(),
            }));
        }
    }
}

impl Drop for Shared {
    /// What the weights took goes back to the system at once.
    fn drop(&mut self) {
        self.sessions.clear();
        process::release_freed_memory();
    }
}
