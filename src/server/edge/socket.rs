//! The TCP socket of one connection. If it is dropped while the client may still be sending,
//! it lingers, and keeps its place among the connections.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::admission::Seat;
use super::linger;

/// The stream and its place among the connections.
pub(in crate::server) struct Socket {
    /// `None` only in `drop`.
    stream: Option<TcpStream>,
    seat: Option<Seat>,
    /// The client has closed its side, or the connection is broken.
    ended: bool,
}

impl Socket {
    pub(in crate::server) fn new(stream: TcpStream, seat: Seat) -> Self {
        Self { stream: Some(stream), seat: Some(seat), ended: false }
    }

    /// The stream, for socket options.
    pub(in crate::server) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    fn poll<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let result = ready!(poll(Pin::new(stream)));
        self.ended |= result.is_err();
        Poll::Ready(result)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (Some(stream), Some(seat)) = (self.stream.take(), self.seat.take()) else { return };
        if self.ended || !seat.may_linger() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (admission, number) = (seat.admission(), seat.number());
        let task = runtime.spawn(async move {
            let _seat = seat;
            linger::close(stream).await;
        });
        // It can still be evicted.
        admission.lingers(number, task.abort_handle());
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        ready!(self.poll(|stream| stream.poll_read(cx, buf)))?;
        self.ended |= room && buf.filled().len() == before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(cx))
    }
}
