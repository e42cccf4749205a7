//! Moves long work away from the threads that serve connections.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ApiError;

/// Work on at most this many bytes stays on the calling thread: it takes less than a
/// millisecond.
pub const PIECE: usize = 64 << 10;

/// Does `work` on `size` bytes: on the calling thread if that is at most [`PIECE`], else with
/// [`run`].
pub async fn of_size<T: Send + 'static>(
    size: usize,
    patience: Duration,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if size <= PIECE { work() } else { run(patience, work).await }
}

/// Does long work on another thread. At most as many pieces of work run at once as there are
/// cores, so that the threads that serve connections still get their turn. Fails if no core is
/// free within `patience`.
pub async fn run<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    static CORES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
        Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)))
    });
    let core = timeout(patience, Arc::clone(&CORES).acquire_owned()).await.map_err(|_| ApiError::busy())?;
    let outcome = spawn_blocking(move || {
        // Held until the work ends, even if the request is cancelled.
        let _core = core;
        work()
    });
    outcome.await.unwrap_or_else(|error| Err(ApiError::failed().with_detail(error.to_string())))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::pipeline::Class;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn no_more_long_work_is_done_at_once_than_there_are_cores() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let cores = std::thread::available_parallelism().unwrap().get();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(run(PATIENCE, move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(10));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }))
        };
        let all: Vec<_> = (0..4 * cores).map(|_| work()).collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= cores);
    }

    #[tokio::test]
    async fn work_that_gets_no_core_is_put_off() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let (begun, has_begun) = mpsc::channel();
        let mut ends = Vec::new();
        let busy: Vec<_> = (0..cores)
            .map(|_| {
                let (end, ended) = mpsc::channel::<()>();
                ends.push(end);
                let begun = begun.clone();
                tokio::spawn(run(PATIENCE, move || {
                    begun.send(()).unwrap();
                    let _ = ended.recv();
                    Ok(())
                }))
            })
            .collect();
        for _ in 0..cores {
            while has_begun.try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let outcome = timeout(PATIENCE, run(Duration::from_millis(1), || Ok(()))).await;
        let error = outcome.expect("an answer").unwrap_err();
        assert_eq!((error.class(), error.code(), error.retry_after()), (Class::Unavailable, "busy", Some(1)));
        // Little work needs no free core; more work does.
        assert!(of_size(PIECE, Duration::ZERO, || Ok(())).await.is_ok());
        assert!(of_size(PIECE + 1, Duration::ZERO, || Ok(())).await.is_err());
        drop(ends);
        for one in busy {
            one.await.unwrap().unwrap();
        }
    }
}
