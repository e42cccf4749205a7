//! Sessions, one thread each, fed by one bounded queue.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::oneshot;

use super::ServingError;
use crate::runtime::{Interrupt, RunError, Runtime, Session, Tensor, TensorSpec};

struct Job {
    inputs: Vec<Tensor>,
    outputs: Vec<String>,
    interrupt: Interrupt,
    reply: oneshot::Sender<Result<Vec<Tensor>, ServingError>>,
}

/// The sessions of one model.
pub(super) struct Pool {
    runtime: Runtime,
    queue: SyncSender<Job>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    sessions: usize,
    counters: Arc<Counters>,
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
        let counters = Arc::new(Counters::default());
        let first = sessions.first();
        let pool = Self {
            runtime,
            queue: sender,
            inputs: first.map(|s| s.inputs().to_vec()).unwrap_or_default(),
            outputs: first.map(|s| s.outputs().to_vec()).unwrap_or_default(),
            sessions: sessions.len(),
            counters: Arc::clone(&counters),
        };
        for session in sessions {
            let (receiver, counters) = (Arc::clone(&receiver), Arc::clone(&counters));
            thread::Builder::new()
                .name(format!("run {name}"))
                .spawn(move || work(session, &receiver, &counters))?;
        }
        Ok(pool)
    }

    /// Runs `inputs` on the next free session, within `limit`, waiting included.
    pub(super) async fn run(
        &self,
        inputs: Vec<Tensor>,
        outputs: Vec<String>,
        limit: Duration,
    ) -> Result<Vec<Tensor>, ServingError> {
        let interrupt = self.runtime.interrupt()?;
        let abandon = Abandon(interrupt.clone());
        let (reply, answer) = oneshot::channel();
        self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(Job { inputs, outputs, interrupt, reply }).map_err(|error| {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => ServingError::QueueFull,
                TrySendError::Disconnected(_) => ServingError::Stopped,
            }
        })?;
        let answer = tokio::time::timeout(limit, answer).await;
        drop(abandon);
        answer.map_err(|_| ServingError::Deadline)?.map_err(|_| ServingError::Stopped)?
    }

    pub(super) fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub(super) fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Takes jobs until the pool is gone.
fn work(mut session: Session, queue: &Mutex<Receiver<Job>>, counters: &Counters) {
    loop {
        // One worker waits in `recv`, the others for the lock: no job is seen twice.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        counters.waiting.fetch_sub(1, Ordering::Relaxed);
        if job.reply.is_closed() {
            continue;
        }
        let outputs: Vec<&str> = job.outputs.iter().map(String::as_str).collect();
        let outcome = session.run(job.inputs, &outputs, &job.interrupt);
        let counter = if outcome.is_ok() { &counters.done } else { &counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        let _ = job.reply.send(outcome.map_err(|error| match error {
            RunError::Interrupted => ServingError::Deadline,
            other => other.into(),
        }));
    }
}
