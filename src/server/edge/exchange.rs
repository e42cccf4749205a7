//! The bodies of a request and its response, between hyper and the router. Their progress
//! keeps the connection open. The unread rest of a request's body is read and discarded.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

use super::activity::{Activity, Answering};
use super::linger::Remainder;

/// The largest piece of a response that is handed to hyper at once. Sending it is progress.
const PIECE: usize = 16 << 10;

/// Receives the unread rest of a request's body when that is dropped.
#[derive(Clone, Default)]
pub(in crate::server) struct Leftover(Arc<Mutex<Option<Incoming>>>);

impl Leftover {
    pub(in crate::server) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request's body.
pub(in crate::server) struct Arriving {
    /// `None` once it has ended.
    body: Option<Incoming>,
    leftover: Leftover,
    activity: Arc<Activity>,
}

impl Arriving {
    pub(in crate::server) fn new(body: Incoming, leftover: Leftover, activity: Arc<Activity>) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self { body, leftover, activity }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let ended = body.is_end_stream() || !matches!(frame, Some(Ok(_)));
        if ended {
            self.body = None;
        }
        self.activity.progress();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        *self.leftover.0.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }
}

/// A response's body, in pieces. The response is under way until the last piece is freed:
/// hyper keeps pieces while an HTTP/2 client grants no window, and each keeps the whole body
/// in memory.
pub(in crate::server) struct Leaving {
    body: Body,
    /// Taken from `body` and not handed on yet.
    left: Bytes,
    answering: Arc<Answering>,
    discard: Discard,
}

/// A piece that hyper is sending. Freeing it counts as progress.
struct Piece {
    bytes: Bytes,
    answering: Arc<Answering>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.answering.progress();
    }
}

impl Leaving {
    pub(in crate::server) fn new(body: Body, activity: &Arc<Activity>, rest: Option<Remainder>) -> Self {
        let answering = Arc::new(Answering::new(activity));
        Self { body, left: Bytes::new(), answering, discard: Discard(rest) }
    }
}

/// Discards the rest of a request's body once the head of the response is written. Reading
/// earlier would send `100 Continue` to a client that waits for it.
struct Discard(Option<Remainder>);

impl Discard {
    fn begin(&mut self) {
        if let Some(rest) = self.0.take() {
            rest.discard_beside();
        }
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.begin();
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        this.discard.begin();
        if this.left.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.left = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let bytes = this.left.split_to(this.left.len().min(PIECE));
        let piece = Piece { bytes, answering: Arc::clone(&this.answering) };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, held) = (self.body.size_hint(), self.left.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}
