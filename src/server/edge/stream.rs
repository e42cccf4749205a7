//! The plaintext stream between TLS and hyper. It records progress, and replaces hyper's own
//! error responses, which have no body, by ours.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::frames::HeaderBlocks;

/// How hyper's own error responses begin.
const BARE: [&[u8]; 2] = [b"HTTP/1.1 4", b"HTTP/1.0 4"];
/// hyper's own error responses are shorter than this.
const BARE_LENGTH: usize = 256;

/// Makes the whole response that replaces hyper's response with this status.
pub(in crate::server) type Refusal = Box<dyn Fn(StatusCode) -> Vec<u8> + Send + Sync>;

/// The plaintext stream.
pub(in crate::server) struct EdgeStream<S> {
    stream: S,
    activity: Arc<Activity>,
    protocol: Protocol,
    /// A response that replaces hyper's and is not written yet.
    pending: Vec<u8>,
}

enum Protocol {
    Http1 { refusal: Refusal },
    Http2 { blocks: HeaderBlocks, unfinished: Option<u64> },
}

impl<S> EdgeStream<S> {
    pub(in crate::server) fn http1(stream: S, activity: Arc<Activity>, refusal: Refusal) -> Self {
        Self { stream, activity, protocol: Protocol::Http1 { refusal }, pending: Vec::new() }
    }

    pub(in crate::server) fn http2(stream: S, activity: Arc<Activity>) -> Self {
        activity.header_block_began();
        let protocol = Protocol::Http2 { blocks: HeaderBlocks::new(), unfinished: Some(0) };
        Self { stream, activity, protocol, pending: Vec::new() }
    }

    /// Replaces `bytes` if they are an error response of hyper's own. Bytes of a response of ours
    /// may look like one, but hyper sends none while a response is under way.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let Protocol::Http1 { refusal } = &self.protocol else { return false };
        if self.activity.is_answering() {
            return false;
        }
        let Some(status) = bare_refusal(bytes) else { return false };
        self.pending = refusal(status);
        true
    }

    /// Records progress. Frames that HTTP/2 itself writes, such as PING acknowledgements, are
    /// none.
    fn wrote(&self) {
        if matches!(self.protocol, Protocol::Http1 { .. }) {
            self.activity.wrote();
        }
    }
}

/// The status, if `bytes` are an error response of hyper's own. Ours have a request id.
fn bare_refusal(bytes: &[u8]) -> Option<StatusCode> {
    let has = |line: &[u8]| bytes.windows(line.len()).any(|window| window == line);
    let is_bare = bytes.len() <= BARE_LENGTH
        && BARE.iter().any(|start| bytes.starts_with(start))
        && bytes.ends_with(b"\r\n\r\n")
        && has(b"\r\ncontent-length: 0\r\n")
        && !has(b"\r\nx-request-id: ");
    if is_bare { StatusCode::from_bytes(bytes.get(9..12)?).ok() } else { None }
}

impl<S: AsyncWrite + Unpin> EdgeStream<S> {
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => drop(self.pending.drain(..count)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EdgeStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let this = &mut *self;
        if let Protocol::Http2 { blocks, unfinished } = &mut this.protocol {
            let now = blocks.read(&buf.filled()[before..]);
            if now != std::mem::replace(unfinished, now) {
                match now {
                    Some(_) => this.activity.header_block_began(),
                    None => this.activity.header_block_ended(),
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EdgeStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        if self.replaces(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.wrote();
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && self.replaces(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.wrote();
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::server::edge::activity::Answering;

    #[test]
    fn only_refusals_without_a_body_and_a_request_id_are_hypers_own() {
        let bare =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_refusal(bare.as_bytes()), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        for other in [
            bare.replace("431", "200"),
            bare.replace(": 0", ": 2"),
            bare.replace("connection", "x-request-id: 1\r\nconnection"),
            format!("{bare}x"),
            bare.replace("close", &"x".repeat(BARE_LENGTH)),
            String::new(),
        ] {
            assert_eq!(bare_refusal(other.as_bytes()), None, "{other}");
        }
    }

    #[tokio::test]
    async fn refusals_of_hyper_get_a_body_and_the_bytes_of_an_answer_stay_as_they_are() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (client, mut seen) = duplex(1 << 10);
        let activity = Activity::new();
        let refusal = Box::new(|status: StatusCode| format!("{} with a body", status.as_u16()).into_bytes());
        let mut edge = EdgeStream::http1(client, Arc::clone(&activity), refusal);
        let answering = Answering::new(&activity);
        edge.write_all(bare).await.unwrap();
        drop(answering);
        edge.write_all(bare).await.unwrap();
        edge.flush().await.unwrap();
        drop(edge);
        let mut all = Vec::new();
        seen.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [&bare[..], b"400 with a body"].concat());
    }
}
