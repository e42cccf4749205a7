//! Reads and discards the rest of a refused request's body, within bounds: many clients do not
//! read a response before they have sent the whole body.
//!
//! The response waits until the body has ended, as long as at least [`STEP`] bytes arrive in
//! each [`PATIENCE`], and at most for [`LONGEST`]. Then it is sent, and the body is read beside
//! it for a few more seconds. It is not sent at once, because curl before 8 then cuts its HTTP/2
//! body short, which is a stream error that hides the response. A client that sends
//! `Expect: 100-continue` is answered at once. Closing a connection with unread bytes resets it,
//! and the reset can overtake the response (RFC 9112, section 9.6), so the socket lingers too.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The rest of a body must arrive at this pace: [`STEP`] bytes in this time.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: usize = 1 << 20;
/// The longest that a response waits for the rest of a body.
const LONGEST: Duration = Duration::from_mins(1);
/// How long a connection lingers after its last response.
const SOCKET: Duration = Duration::from_secs(2);
/// The most bytes that are read while it lingers.
const SOCKET_BYTES: usize = 1 << 20;
/// At least this much of a body is discarded, whatever the limit for bodies is.
const LEAST: usize = 256 << 20;

/// Discards the bodies of refused requests, a limited number at once.
#[derive(Clone)]
pub(in crate::server) struct Lingering {
    places: Arc<Semaphore>,
    bytes: usize,
}

/// The rest of one body.
pub(in crate::server) struct Remainder {
    body: Incoming,
    /// Bytes that may still be read of it.
    left: usize,
    _place: OwnedSemaphorePermit,
}

impl Lingering {
    /// For at most `requests` requests at once; `body` is the limit for one body.
    pub(in crate::server) fn new(requests: usize, body: usize) -> Self {
        let places = Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, bytes: body.saturating_mul(4).max(LEAST) }
    }

    /// Takes the rest of `body`. `None` if too many others linger: the body is dropped, so that
    /// HTTP/1.1 closes the connection and HTTP/2 resets the stream.
    pub(in crate::server) fn take(&self, body: Incoming) -> Option<Remainder> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Remainder { body, left: self.bytes, _place: place })
    }
}

impl Remainder {
    /// Discards it. Returns it if it does not end, or arrives too slowly.
    pub(in crate::server) async fn discard(mut self) -> Option<Self> {
        match timeout(LONGEST, discard(&mut self.body, &mut self.left)).await {
            Ok(true) => None,
            Ok(false) | Err(_) => Some(self),
        }
    }

    /// Discards it while the response is sent.
    pub(in crate::server) fn discard_beside(mut self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(PATIENCE, discard(&mut self.body, &mut self.left)).await;
            });
        }
    }
}

/// Reads `body` until it ends (`true`), or until `left` is used up or it arrives too slowly
/// (`false`).
async fn discard(body: &mut (impl HttpBody<Data = Bytes> + Unpin), left: &mut usize) -> bool {
    while *left > 0 {
        match timeout(PATIENCE, step(body, left)).await {
            Ok(false) => {}
            Ok(true) => return true,
            Err(_) => return false,
        }
    }
    false
}

/// Reads one [`STEP`] of `body`. Returns whether it has ended.
async fn step(body: &mut (impl HttpBody<Data = Bytes> + Unpin), left: &mut usize) -> bool {
    let end = left.saturating_sub(STEP);
    while *left > end {
        let Some(Ok(frame)) = body.frame().await else { return true };
        *left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    false
}

/// Shuts down the sending side, and waits until the client closes the connection.
pub(in crate::server) async fn close(mut stream: TcpStream) {
    let farewell = async {
        let mut buffer = [0; 4096];
        let mut seen = 0;
        stream.shutdown().await?;
        while seen < SOCKET_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => seen += count,
            }
        }
        std::io::Result::Ok(())
    };
    let _ = timeout(SOCKET, farewell).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 4096])))))
        }
    }

    #[tokio::test]
    async fn no_more_of_a_body_is_read_than_the_bound() {
        let mut left = 1 << 20;
        assert_eq!(timeout(Duration::from_mins(1), discard(&mut Endless, &mut left)).await, Ok(false));
        assert_eq!(left, 0);
        assert_eq!(Lingering::new(1, 128 << 20).bytes, 512 << 20);
        assert_eq!(Lingering::new(1, 0).bytes, LEAST);
        assert_eq!(Lingering::new(1, usize::MAX).bytes, usize::MAX);
    }
}
