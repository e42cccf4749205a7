//! Sessions, one thread each, fed by one bounded queue; runs that are known to be
//! quick stay on the thread that asks.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::slot::{GRACE, Slot, Used};
use super::{Bounds, ServingError, Tensors};
use crate::process;
use crate::runtime::{Allowance, Interrupt, ModelError, RunError, Runtime, Session, TensorSpec};

/// A run that takes less than this is not worth the way to another thread.
const QUICK: Duration = Duration::from_micros(100);

struct Job {
    inputs: Tensors,
    outputs: Vec<String>,
    allowed: Allowance,
    interrupt: Interrupt,
    reply: oneshot::Sender<Result<Tensors, ServingError>>,
}

/// Opens one session more.
pub(super) type OpenSpare = Box<dyn FnOnce() -> Result<Session, ModelError> + Send>;

/// The sessions of one model.
pub(super) struct Pool {
    runtime: Runtime,
    /// Before the queue, at whose end the workers leave: what they share then goes with the
    /// last of them, on its thread.
    shared: Arc<Shared>,
    queue: SyncSender<Job>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// What callers and workers share.
struct Shared {
    name: String,
    slots: Vec<Slot>,
    /// The session that took over when all others were stuck.
    spare: OnceLock<Slot>,
    /// Opens it; none once that was tried.
    open_spare: Mutex<Option<OpenSpare>>,
    jobs: Mutex<Receiver<Job>>,
    has_static_cost: bool,
    /// Shapes of inputs with which the last run was quick, as hashes; 0: none.
    quick: [AtomicU64; 8],
    hasher: RandomState,
    counters: Arc<Counters>,
    withdrawn: watch::Sender<bool>,
    /// Every session runs what was stopped and goes on all the same.
    stuck: watch::Sender<bool>,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) waiting: AtomicUsize,
    pub(super) done: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Ends a run when its caller goes away, whether by deadline or disconnect.
struct Abandon {
    interrupt: Interrupt,
    /// It keeps no sessions from going.
    shared: Weak<Shared>,
    /// The run has ended by itself.
    needless: bool,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if self.needless {
            return;
        }
        self.interrupt.stop();
        let shared = Weak::clone(&self.shared);
        if let Ok(tokio) = Handle::try_current() {
            tokio.spawn(async move {
                tokio::time::sleep(GRACE).await;
                // If it is the last that has the sessions, it also frees them.
                tokio::task::spawn_blocking(move || {
                    if let Some(shared) = shared.upgrade() {
                        shared.look_for_stuck_runs();
                    }
                });
            });
        }
    }
}

impl Pool {
    /// Starts a thread for each of `sessions`; `queue` jobs may wait. Where no session comes
    /// to an end any more, `open_spare` opens a further one.
    pub(super) fn start(
        runtime: Runtime,
        name: &str,
        sessions: Vec<Session>,
        open_spare: Option<OpenSpare>,
        queue: usize,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let specs = |of: fn(&Session) -> &[TensorSpec]| sessions.first().map(of).unwrap_or_default().to_vec();
        let (inputs, outputs) = (specs(Session::inputs), specs(Session::outputs));
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            has_static_cost: sessions.iter().all(Session::has_static_cost),
            slots: sessions.into_iter().map(Slot::new).collect(),
            spare: OnceLock::new(),
            open_spare: Mutex::new(open_spare),
            jobs: Mutex::new(receiver),
            quick: Default::default(),
            hasher: RandomState::new(),
            counters: Arc::default(),
            withdrawn: watch::Sender::new(false),
            stuck: watch::Sender::new(false),
        });
        for index in 0..shared.slots.len() {
            shared.spawn(move |shared| shared.work(&shared.slots[index]))?;
        }
        Ok(Self { runtime, shared, queue: sender, inputs, outputs })
    }

    /// Runs `inputs` on the next free session, within `bounds`.
    pub(super) async fn run(
        &self,
        inputs: Tensors,
        outputs: Vec<String>,
        bounds: Bounds,
    ) -> Result<Tensors, ServingError> {
        let Bounds { time, answer: allowed } = bounds;
        let interrupt = self.runtime.interrupt()?;
        if let Some(mut used) = self.shared.at_once(&inputs, &interrupt) {
            return Ok(self.shared.run(&mut used, inputs, &outputs, allowed, &interrupt)?);
        }
        self.require_unstuck()?;
        let shared = Arc::downgrade(&self.shared);
        let mut withdrawn = self.shared.withdrawn.subscribe();
        let mut stuck = self.shared.stuck.subscribe();
        let (reply, answer) = oneshot::channel();
        let waiting = &self.shared.counters.waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        let job = Job { inputs, outputs, allowed, interrupt: interrupt.clone(), reply };
        self.queue.try_send(job).map_err(|error| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => ServingError::QueueFull,
                TrySendError::Disconnected(_) => ServingError::Stopped,
            }
        })?;
        let mut abandon = Abandon { interrupt, shared, needless: false };
        let answer = tokio::select! {
            biased;
            _ = withdrawn.wait_for(|withdrawn| *withdrawn) => return Err(ServingError::Withdrawn),
            answer = tokio::time::timeout(time, answer) => answer,
            _ = stuck.wait_for(|stuck| *stuck) => return Err(ServingError::Busy),
        };
        let answer = answer.map_err(|_| ServingError::Deadline)?.map_err(|_| ServingError::Stopped)?;
        abandon.needless = true;
        answer
    }

    /// Has nothing run any more: who waits is told, what runs is stopped. The sessions go
    /// with the last run, once nobody holds the pool.
    pub(super) fn withdraw(&self) {
        self.shared.withdrawn.send_replace(true);
        self.shared.open_spare.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Fails while no session comes to an end.
    pub(super) fn require_unstuck(&self) -> Result<(), ServingError> {
        if *self.shared.stuck.borrow() { Err(ServingError::Busy) } else { Ok(()) }
    }

    /// Sessions whose runs were stopped and go on all the same.
    pub(super) fn stuck(&self) -> usize {
        self.shared.all().filter(|slot| slot.is_stuck()).count()
    }

    pub(super) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub(super) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    pub(super) fn sessions(&self) -> usize {
        self.shared.all().count()
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }
}

impl Shared {
    /// All sessions.
    fn all(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain(self.spare.get())
    }

    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(self);
        thread::Builder::new().name(format!("run {}", self.name)).spawn(move || work(&shared)).map(drop)
    }

    /// A free session, if running `inputs` on it takes less time than handing them
    /// to another thread and back. That is known only of models whose shapes decide
    /// how long they take, and only of the very shapes that were quick before.
    fn at_once(&self, inputs: &Tensors, interrupt: &Interrupt) -> Option<Used<'_>> {
        let (slot, shapes) = self.shapes(inputs);
        let known = self.has_static_cost && slot.load(Ordering::Relaxed) == shapes;
        // Who waits already goes first.
        let waits = self.counters.waiting.load(Ordering::Relaxed) > 0;
        if !known || waits || *self.withdrawn.borrow() {
            return None;
        }
        self.all().find_map(|slot| slot.try_take(interrupt))
    }

    fn run(
        &self,
        used: &mut Used<'_>,
        inputs: Tensors,
        outputs: &[String],
        allowed: Allowance,
        interrupt: &Interrupt,
    ) -> Result<Tensors, RunError> {
        let ((slot, shapes), started) = (self.shapes(&inputs), Instant::now());
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let (inputs, paid) = inputs.into_parts();
        let outcome = used.session.run(inputs, &outputs, &allowed, interrupt);
        drop(paid);
        let counters = &self.counters;
        let answer = outcome.inspect_err(|_| {
            counters.failed.fetch_add(1, Ordering::Relaxed);
        })?;
        counters.done.fetch_add(1, Ordering::Relaxed);
        slot.store(if started.elapsed() < QUICK { shapes } else { 0 }, Ordering::Relaxed);
        Ok(Tensors::new(answer, allowed))
    }

    /// Finds out whether any session still comes to an end. If none does, callers are told,
    /// and a further session takes over, once.
    fn look_for_stuck_runs(self: &Arc<Self>) {
        // Held until it is told, so that what was seen first is not told last.
        let mut spare = self.open_spare.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = self.all().all(Slot::is_stuck);
        if self.stuck.send_replace(stuck) != stuck {
            let model = &self.name;
            if stuck {
                tracing::warn!(%model, "every session runs an operation that cannot be stopped");
            } else {
                tracing::info!(%model, "the model takes requests again");
            }
        }
        if stuck {
            self.send_away();
        }
        let open = if stuck { spare.take() } else { None };
        drop(spare);
        if let Some(open) = open
            && let Err(error) = self.spawn(move |shared| shared.take_over(open))
        {
            tracing::warn!(model = %self.name, %error, "no further session can take over");
        }
    }

    /// Empties the queue: nobody takes from it, and what waits there holds memory.
    fn send_away(&self) {
        // Whoever has it locked waits for a job, and is not stuck.
        let Ok(jobs) = self.jobs.try_lock() else { return };
        for job in jobs.try_iter() {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            let _ = job.reply.send(Err(ServingError::Busy));
        }
    }

    /// Opens a further session, and works with it.
    fn take_over(self: &Arc<Self>, open: OpenSpare) {
        match open() {
            Ok(session) => {
                let slot = self.spare.get_or_init(|| Slot::new(session));
                self.look_for_stuck_runs();
                self.work(slot);
            }
            Err(error) => tracing::warn!(model = %self.name, %error, "no further session can take over"),
        }
    }

    /// Where these shapes are remembered, and as what.
    fn shapes(&self, inputs: &Tensors) -> (&AtomicU64, u64) {
        let mut hasher = self.hasher.build_hasher();
        for tensor in inputs.iter() {
            (tensor.name(), tensor.shape()).hash(&mut hasher);
        }
        let hash = hasher.finish().max(1);
        (&self.quick[(hash % 8) as usize], hash)
    }

    /// Takes jobs until the pool is gone.
    fn work(self: &Arc<Self>, slot: &Slot) {
        loop {
            // One worker waits in `recv`, the others for the lock: no job is seen twice.
            let next = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            if job.reply.is_closed() || *self.withdrawn.borrow() {
                continue;
            }
            let mut used = slot.take(&job.interrupt);
            let outcome = self.run(&mut used, job.inputs, &job.outputs, job.allowed, &job.interrupt);
            drop(used);
            // It may have counted as stuck.
            if job.interrupt.is_stopped() {
                self.look_for_stuck_runs();
            }
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
        self.slots.clear();
        self.spare.take();
        process::release_freed_memory();
    }
}
