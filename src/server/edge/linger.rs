//! What a client still sends after it was refused is read and thrown away, within bounds:
//! many clients read no answer before they have sent all they have.
//!
//! The answer waits until the body has ended, for as long as it keeps coming: [`STEP`] bytes
//! in each [`PATIENCE`], and no longer than [`LONGEST`]. Then it goes out, and for some more
//! seconds the body is read beside it. It does not go out at once, since curl before 8 then cuts
//! its HTTP/2 body short, which is an error of the stream and hides the answer. Who sends
//! `Expect: 100-continue` is answered at once. A connection that is closed on unread bytes
//! would be reset, which can overtake the answer too (RFC 9112, section 9.6): so the socket
//! lingers as well.

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

/// The rest of one body must come at this pace.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: usize = 1 << 20;
/// No answer waits longer for the rest of a body.
const LONGEST: Duration = Duration::from_mins(1);
/// The rest of a connection is read for this long, after its last answer.
const SOCKET: Duration = Duration::from_secs(2);
/// The most that is read of a closed connection.
const SOCKET_BYTES: usize = 1 << 20;
/// The least that is read of a body, whatever the limit for bodies is.
const LEAST: usize = 256 << 20;

/// Takes the rest of bodies of refused requests, of so many at once.
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
    /// For at most so many `requests` at once, whose bodies were to have at most `body` bytes.
    pub(in crate::server) fn new(requests: usize, body: usize) -> Self {
        let places = Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, bytes: body.saturating_mul(4).max(LEAST) }
    }

    /// Takes the rest of `body`; none where too many others linger. It is dropped then:
    /// HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    pub(in crate::server) fn take(&self, body: Incoming) -> Option<Remainder> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Remainder { body, left: self.bytes, _place: place })
    }
}

impl Remainder {
    /// Throws it away. Returns it if it does not end, or comes too slowly.
    pub(in crate::server) async fn discard(mut self) -> Option<Self> {
        match timeout(LONGEST, discard(&mut self.body, &mut self.left)).await {
            Ok(true) => None,
            Ok(false) | Err(_) => Some(self),
        }
    }

    /// Throws it away while its answer goes out.
    pub(in crate::server) fn discard_beside(mut self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(PATIENCE, discard(&mut self.body, &mut self.left)).await;
            });
        }
    }
}

/// Reads `body` to its end, which is `true`, or until nothing is `left` to be read or it
/// comes too slowly.
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

/// Reads as much of `body` as must come at a time. Returns whether it has ended.
async fn step(body: &mut (impl HttpBody<Data = Bytes> + Unpin), left: &mut usize) -> bool {
    let end = left.saturating_sub(STEP);
    while *left > end {
        let Some(Ok(frame)) = body.frame().await else { return true };
        *left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    false
}

/// Says that nothing more will come, and waits until the client has heard it.
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
