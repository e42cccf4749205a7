//! A TCP stream that remembers when a byte last moved, so that a client that reads
//! slowly is told from one that is gone.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// When a byte last moved.
pub(super) struct LastMove {
    start: Instant,
    milliseconds: AtomicU64,
}

impl LastMove {
    /// How long ago.
    pub(super) fn age(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.milliseconds.load(Ordering::Relaxed)))
    }

    fn now(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(now, Ordering::Relaxed);
    }
}

/// The stream.
pub(super) struct Tracked {
    stream: TcpStream,
    last: Arc<LastMove>,
}

impl Tracked {
    pub(super) fn new(stream: TcpStream) -> Self {
        let last = LastMove { start: Instant::now(), milliseconds: AtomicU64::new(0) };
        Self { stream, last: Arc::new(last) }
    }

    pub(super) fn last_move(&self) -> Arc<LastMove> {
        Arc::clone(&self.last)
    }

    fn moved<T>(&self, result: T) -> Poll<T> {
        self.last.now();
        Poll::Ready(result)
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.moved(result)
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.moved(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        self.moved(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
