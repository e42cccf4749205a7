//! The same work on every core.

use std::num::NonZero;
use std::thread;

/// Runs `work` on this thread and on one more for each other core, up to
/// `limit` in all, and returns when all are done.
pub(super) fn run(limit: usize, work: impl Fn() + Sync) {
    let count = thread::available_parallelism().map_or(1, NonZero::get).min(limit);
    thread::scope(|scope| {
        for _ in 1..count {
            // Where no more threads can be had, those that run do all the work.
            let _ = thread::Builder::new().name("container".to_owned()).spawn_scoped(scope, &work);
        }
        work();
    });
}
