//! Schedules the runs of one model. A run that is known to be quick stays on the calling
//! thread; all others wait in a bounded queue for the next free session. Each session has its
//! own thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;
use std::{io, thread};

use async_channel::{Receiver, Sender, TrySendError};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::inline::QuickShapes;
use super::sessions::{GRACE, OpenSpare, Sessions, Slot, Used};
use super::{Bounds, ServingError, Tensors};
use crate::runtime::{Allowance, Interrupt, RunError, Runtime, Session, TensorSpec};

/// A run in the queue.
struct Job {
    inputs: Tensors,
    outputs: Vec<String>,
    allowed: Allowance,
    interrupt: Interrupt,
    reply: oneshot::Sender<Result<Tensors, ServingError>>,
}

/// How a run is scheduled.
enum Policy<'s> {
    /// On the calling thread, with this session.
    Inline(Used<'s>),
    /// In the queue, for the next free session.
    Queue,
}

/// Schedules the runs of one model.
pub(super) struct Scheduler {
    runtime: Runtime,
    /// Dropped before the queue, whose end stops the workers: the last worker then frees the
    /// sessions, on its own thread.
    shared: Arc<Shared>,
    queue: Sender<Job>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// State that callers and workers share.
struct Shared {
    name: String,
    sessions: Sessions,
    /// Opens one more session; `None` once that was tried.
    open_spare: Mutex<Option<OpenSpare>>,
    jobs: Receiver<Job>,
    quick: QuickShapes,
    waiting: AtomicUsize,
    withdrawn: watch::Sender<bool>,
    /// Whether every session is stuck.
    stuck: watch::Sender<bool>,
}

/// Cancels a run when its caller goes away, by deadline or disconnect.
struct Abandon {
    interrupt: Interrupt,
    /// Weak, so that it does not keep the sessions alive.
    shared: Weak<Shared>,
    /// The run has ended; nothing is to be cancelled.
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
                // Dropping the last reference frees the sessions, which takes long.
                tokio::task::spawn_blocking(move || {
                    if let Some(shared) = shared.upgrade() {
                        shared.look_for_stuck_runs();
                    }
                });
            });
        }
    }
}

impl Scheduler {
    /// Starts a thread for each of `sessions`; at most `queue` jobs wait. `open_spare` opens one
    /// more session when all others are stuck.
    pub(super) fn start(
        runtime: Runtime,
        name: &str,
        sessions: Vec<Session>,
        open_spare: Option<OpenSpare>,
        queue: usize,
    ) -> io::Result<Self> {
        let (queue, jobs) = async_channel::bounded(queue);
        let specs = |of: fn(&Session) -> &[TensorSpec]| sessions.first().map(of).unwrap_or_default().to_vec();
        let (inputs, outputs) = (specs(Session::inputs), specs(Session::outputs));
        let quick = QuickShapes::new(sessions.iter().all(Session::has_static_cost));
        let count = sessions.len();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            sessions: Sessions::new(sessions),
            open_spare: Mutex::new(open_spare),
            jobs,
            quick,
            waiting: AtomicUsize::new(0),
            withdrawn: watch::Sender::new(false),
            stuck: watch::Sender::new(false),
        });
        for index in 0..count {
            shared.spawn(move |shared| {
                if let Some(slot) = shared.sessions.all().nth(index) {
                    shared.work(slot);
                }
            })?;
        }
        Ok(Self { runtime, shared, queue, inputs, outputs })
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
        if let Policy::Inline(mut used) = self.shared.policy(&inputs, &interrupt) {
            return Ok(self.shared.run(&mut used, inputs, &outputs, allowed, &interrupt)?);
        }
        self.require_unstuck()?;
        let shared = Arc::downgrade(&self.shared);
        let mut withdrawn = self.shared.withdrawn.subscribe();
        let mut stuck = self.shared.stuck.subscribe();
        let (reply, answer) = oneshot::channel();
        let waiting = &self.shared.waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        let job = Job { inputs, outputs, allowed, interrupt: interrupt.clone(), reply };
        self.queue.try_send(job).map_err(|error| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => ServingError::QueueFull,
                TrySendError::Closed(_) => ServingError::Stopped,
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

    /// Stops the scheduler: queued callers fail, running inferences are cancelled. The sessions
    /// are freed when the last run has ended and the scheduler is dropped.
    pub(super) fn withdraw(&self) {
        self.shared.withdrawn.send_replace(true);
        self.shared.open_spare.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Fails while all sessions are stuck.
    pub(super) fn require_unstuck(&self) -> Result<(), ServingError> {
        if *self.shared.stuck.borrow() { Err(ServingError::Busy) } else { Ok(()) }
    }

    /// The number of sessions that are stuck.
    pub(super) fn stuck(&self) -> usize {
        self.shared.sessions.stuck()
    }

    pub(super) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub(super) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    pub(super) fn sessions(&self) -> usize {
        self.shared.sessions.all().count()
    }

    /// The number of runs in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(self);
        thread::Builder::new().name(format!("run {}", self.name)).spawn(move || work(&shared)).map(drop)
    }

    /// Chooses the policy for a run on `inputs`: inline if it is known to be quick, nothing is
    /// queued, and a session is free.
    fn policy(&self, inputs: &Tensors, interrupt: &Interrupt) -> Policy<'_> {
        // Queued runs go first.
        let waits = self.waiting.load(Ordering::Relaxed) > 0;
        if waits || *self.withdrawn.borrow() || !self.quick.are_quick(self.quick.of(inputs)) {
            return Policy::Queue;
        }
        let free = self.sessions.all().find_map(|slot| slot.try_take(interrupt));
        free.map_or(Policy::Queue, Policy::Inline)
    }

    fn run(
        &self,
        used: &mut Used<'_>,
        inputs: Tensors,
        outputs: &[String],
        allowed: Allowance,
        interrupt: &Interrupt,
    ) -> Result<Tensors, RunError> {
        let (shapes, started) = (self.quick.of(&inputs), Instant::now());
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let (inputs, paid) = inputs.into_parts();
        let outcome = used.session.run(inputs, &outputs, &allowed, interrupt);
        drop(paid);
        let answer = outcome?;
        self.quick.learn(shapes, started.elapsed());
        Ok(Tensors::new(answer, allowed))
    }

    /// Checks whether all sessions are stuck. If so, queued callers fail, and one more session
    /// is opened, once.
    fn look_for_stuck_runs(self: &Arc<Self>) {
        // Held until the state is published, so that an older state never overwrites a newer one.
        let mut spare = self.open_spare.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = self.sessions.all().all(Slot::is_stuck);
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

    /// Fails all queued callers: no session will serve them, and their inputs hold memory.
    fn send_away(&self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let _ = job.reply.send(Err(ServingError::Busy));
        }
    }

    /// Opens one more session and serves the queue with it.
    fn take_over(self: &Arc<Self>, open: OpenSpare) {
        match open() {
            Ok(session) => {
                let slot = self.sessions.add(session);
                self.look_for_stuck_runs();
                self.work(slot);
            }
            Err(error) => tracing::warn!(model = %self.name, %error, "no further session can take over"),
        }
    }

    /// Serves the queue with `slot` until the scheduler is dropped.
    fn work(self: &Arc<Self>, slot: &Slot) {
        while let Ok(job) = self.jobs.recv_blocking() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if job.reply.is_closed() {
                continue;
            }
            if *self.withdrawn.borrow() {
                let _ = job.reply.send(Err(ServingError::Withdrawn));
                continue;
            }
            let mut used = slot.take(&job.interrupt);
            let outcome = self.run(&mut used, job.inputs, &job.outputs, job.allowed, &job.interrupt);
            drop(used);
            // A cancelled run may have counted as stuck.
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
