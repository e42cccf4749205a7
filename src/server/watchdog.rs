//! Watches the threads that reload files. If one ends, the server stops.

use tokio::sync::mpsc;

use super::ServerError;

/// Threads that must never end. If one does, it has panicked, and its file is no longer
/// reloaded. A server that revocations do not reach must stop.
pub(super) struct Watchdog {
    ends: mpsc::UnboundedReceiver<&'static str>,
    tell: mpsc::UnboundedSender<&'static str>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        let (tell, ends) = mpsc::unbounded_channel();
        Self { ends, tell }
    }

    /// Starts a thread that reloads `file`.
    pub(super) fn start<N>(
        &self,
        file: &'static str,
        follow: impl FnOnce() -> N + Send + 'static,
    ) -> Result<(), ServerError> {
        let told = Told(file, self.tell.clone());
        let follow = move || {
            let _told = told;
            follow();
        };
        let thread = std::thread::Builder::new().name(file.into());
        thread.spawn(follow).map_err(|source| ServerError::Start { source })?;
        Ok(())
    }

    /// Waits until one ends.
    pub(super) async fn ended(&mut self) -> ServerError {
        let file = self.ends.recv().await.unwrap_or_default();
        ServerError::NotFollowed { file }
    }
}

/// Reports the end of a thread when it is dropped.
struct Told(&'static str, mpsc::UnboundedSender<&'static str>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_is_reported() {
        let mut watchdog = Watchdog::new();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        watchdog.start("certificate", move || held.recv()).unwrap();
        let (panic, told) = std::sync::mpsc::channel::<()>();
        watchdog.start("keyring", move || told.recv().unwrap()).unwrap();
        let early = tokio::time::timeout(Duration::from_millis(20), watchdog.ended()).await;
        assert!(early.is_err(), "both go on");
        drop(panic);
        let error = tokio::time::timeout(Duration::from_mins(1), watchdog.ended()).await.unwrap();
        assert_eq!(
            error.to_string(),
            "the keyring is not followed any more: the thread that does has failed"
        );
        drop(hold);
    }
}
