//! Tracks the progress of a connection. Only requests and responses count as progress: a
//! client that sends PING, or a header section byte by byte, is idle.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock;

/// Progress of one connection.
pub(in crate::server) struct Activity {
    start: Duration,
    /// Requests whose response has not begun.
    busy: AtomicUsize,
    /// Milliseconds from `start` to the last progress.
    last: AtomicU64,
    /// Milliseconds from `start` to the beginning of an unfinished HTTP/2 header block, plus
    /// one; 0 if there is none.
    header_block: AtomicU64,
    /// Responses under way, by number, and when each last made progress. There are few.
    answers: Mutex<Vec<(u64, u64)>>,
    next_answer: AtomicU64,
}

/// How long a connection may go without progress.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Patience {
    /// Without a request, or inside a header block.
    pub(in crate::server) idle: Duration,
    /// While a response is under way.
    pub(in crate::server) answer: Duration,
}

impl Patience {
    /// How often to check.
    pub(in crate::server) fn interval(self) -> Duration {
        (self.idle.min(self.answer) / 4).max(Duration::from_millis(20))
    }
}

impl Activity {
    pub(in crate::server) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: clock::coarse(),
            busy: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            header_block: AtomicU64::new(0),
            answers: Mutex::default(),
            next_answer: AtomicU64::new(0),
        })
    }

    /// Records progress of a request or a response.
    pub(in crate::server) fn progress(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// Records that bytes were written. Over HTTP/1.1 they belong to the current response.
    pub(in crate::server) fn wrote(&self) {
        let now = self.now();
        self.last.store(now, Ordering::Relaxed);
        self.answers().iter_mut().for_each(|(_, last)| *last = now);
    }

    /// Records that a header block has begun.
    pub(in crate::server) fn header_block_began(&self) {
        self.header_block.store(self.now() + 1, Ordering::Relaxed);
    }

    /// Records that the header block is complete.
    pub(in crate::server) fn header_block_ended(&self) {
        self.header_block.store(0, Ordering::Relaxed);
    }

    /// Whether a response is still being written.
    pub(in crate::server) fn is_answering(&self) -> bool {
        !self.answers().is_empty()
    }

    /// Whether the connection must be closed.
    pub(in crate::server) fn is_over(&self, patience: Patience) -> bool {
        let block = self.header_block.load(Ordering::Relaxed);
        if block > 0 && self.since(block - 1) >= patience.idle {
            return true;
        }
        let answers = self.answers();
        if answers.is_empty() {
            let busy = self.busy.load(Ordering::Acquire) > 0;
            return !busy && self.since(self.last.load(Ordering::Relaxed)) >= patience.idle;
        }
        answers.iter().any(|(_, last)| self.since(*last) >= patience.answer)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self) -> Duration {
        clock::coarse().saturating_sub(self.start)
    }

    fn since(&self, milliseconds: u64) -> Duration {
        self.elapsed().saturating_sub(Duration::from_millis(milliseconds))
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose response has not begun.
pub(in crate::server) struct Busy(Arc<Activity>);

impl Busy {
    pub(in crate::server) fn new(activity: &Arc<Activity>) -> Self {
        activity.busy.fetch_add(1, Ordering::AcqRel);
        activity.progress();
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.progress();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A response under way.
pub(in crate::server) struct Answering {
    activity: Arc<Activity>,
    number: u64,
}

impl Answering {
    pub(in crate::server) fn new(activity: &Arc<Activity>) -> Self {
        let number = activity.next_answer.fetch_add(1, Ordering::Relaxed);
        activity.answers().push((number, activity.now()));
        activity.progress();
        Self { activity: Arc::clone(activity), number }
    }

    /// Records that a piece of it was sent.
    pub(in crate::server) fn progress(&self) {
        let now = self.activity.now();
        self.activity.last.store(now, Ordering::Relaxed);
        let mut answers = self.activity.answers();
        if let Some((_, last)) = answers.iter_mut().find(|(number, _)| *number == self.number) {
            *last = now;
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.progress();
        self.activity.answers().retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    fn is_over(activity: &Activity, idle: Duration, answer: Duration) -> bool {
        activity.is_over(Patience { idle, answer })
    }

    #[test]
    fn an_idle_connection_ends_and_a_busy_one_does_not() {
        let activity = Activity::new();
        assert!(is_over(&activity, Duration::ZERO, NEVER));
        assert!(!is_over(&activity, NEVER, Duration::ZERO));
        let busy = Busy::new(&activity);
        assert!(!is_over(&activity, Duration::ZERO, Duration::ZERO));
        drop(busy);
        assert!(is_over(&activity, Duration::ZERO, NEVER));
    }

    #[test]
    fn one_answer_that_stalls_ends_the_connection_whatever_the_others_do() {
        let activity = Activity::new();
        let stalled = Answering::new(&activity);
        let other = Answering::new(&activity);
        assert!(!is_over(&activity, Duration::ZERO, NEVER), "an answer is under way");
        std::thread::sleep(Duration::from_millis(40));
        other.progress();
        assert!(is_over(&activity, NEVER, Duration::from_millis(30)));
        drop(stalled);
        other.progress();
        assert!(!is_over(&activity, NEVER, Duration::from_secs(30)));
    }

    #[test]
    fn a_header_block_has_a_deadline_that_more_of_it_does_not_move() {
        let activity = Activity::new();
        let _busy = Busy::new(&activity);
        activity.header_block_began();
        std::thread::sleep(Duration::from_millis(40));
        activity.progress();
        assert!(is_over(&activity, Duration::from_millis(30), NEVER));
        activity.header_block_ended();
        assert!(!is_over(&activity, Duration::from_millis(30), NEVER));
    }
}
