//! Serves one connection: HTTP/1.1 or HTTP/2 by ALPN. Idle and stalled connections are closed.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, EXPECT, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, Version};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::edge::activity::{Activity, Busy, Patience};
use super::edge::exchange::{Arriving, Leaving, Leftover};
use super::edge::socket::Socket;
use super::edge::stream::EdgeStream;
use super::http::{finish, head};
use super::router::Service;
use crate::auth::ConnectionInfo;

/// The most streams of one HTTP/2 connection. Each can hold a header section in memory.
const MAX_STREAMS: u32 = 32;
/// The most bytes of each HTTP/2 stream that wait in memory to be sent.
const SEND_BUFFER: usize = 64 << 10;
/// How long a connection may go on after a graceful shutdown began.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves `stream` until it ends, is idle or stalled for too long, or `shutdown`.
pub(super) async fn serve(
    service: &Arc<Service>,
    stream: TlsStream<Socket>,
    info: Arc<ConnectionInfo>,
    shutdown: watch::Receiver<bool>,
) {
    let activity = Activity::new();
    let limits = service.app().core.limits;
    let patience = Patience { idle: limits.header_timeout.0, answer: limits.body_timeout.0 };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let requests =
        Requests { service: Arc::clone(service), info: Arc::clone(&info), activity: Arc::clone(&activity) };
    let begin = service_fn(move |request| requests.begin(request));
    if h2 {
        let io = TokioIo::new(EdgeStream::http2(stream, Arc::clone(&activity)));
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_send_buf_size(SEND_BUFFER)
            // Between our own limit and this one, the response can have a body.
            .max_header_list_size(u32::try_from(limits.headers.saturating_mul(2)).unwrap_or(u32::MAX));
        drive(http.serve_connection(io, begin), patience, &activity, shutdown).await;
    } else {
        let app = Arc::clone(service.app());
        let refusal = Box::new(move |status| finish::refuse_unparsed(&app, &info, status));
        let io = TokioIo::new(EdgeStream::http1(stream, Arc::clone(&activity), refusal));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout.0)
            .max_headers(head::MAX_FIELDS)
            .max_header_size(limits.headers);
        drive(http.serve_connection(io, begin), patience, &activity, shutdown).await;
    }
}

/// The state that the requests of one connection share.
struct Requests {
    service: Arc<Service>,
    info: Arc<ConnectionInfo>,
    activity: Arc<Activity>,
}

impl Requests {
    /// Checks the head of `request` now, not when the future is polled: hyper begins all HTTP/2
    /// requests that it has read before it polls the first future, and a refused head must not
    /// stay in memory until then.
    fn begin(
        &self,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Leaving>, Infallible>> + Send + use<> {
        let (mut parts, body) = request.into_parts();
        let http1 = parts.version <= Version::HTTP_11;
        let refused = head::check(&parts, self.service.app().core.limits.headers).err();
        let unclear = refused.is_some();
        let waits_for_answer = parts.headers.contains_key(EXPECT);
        if unclear {
            parts = stub(parts);
        }
        let (service, info, activity) =
            (Arc::clone(&self.service), Arc::clone(&self.info), Arc::clone(&self.activity));
        let busy = Busy::new(&activity);
        async move {
            let leftover = Leftover::default();
            let arriving = Arriving::new(body, leftover.clone(), Arc::clone(&activity));
            let mut response = service.answer(&info, refused, parts, Body::new(arriving)).await;
            let mut close = unclear;
            let mut rest = leftover.take().and_then(|rest| {
                close = true;
                service.app().lingering.take(rest)
            });
            if !waits_for_answer && let Some(unread) = rest.take() {
                rest = unread.discard().await;
                close = unclear || rest.is_some();
            }
            if http1 && close {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let response = response.map(|body| Leaving::new(body, &activity, rest));
            drop(busy);
            Ok(response)
        }
    }
}

/// A head that holds no memory, in place of a refused one.
fn stub(parts: Parts) -> Parts {
    let (mut stub, ()) = hyper::Request::new(()).into_parts();
    stub.method = parts.method;
    stub.version = parts.version;
    stub.uri = Uri::default();
    stub.headers = HeaderMap::new();
    stub
}

async fn drive<C: GracefulConnection<Error = hyper::Error>>(
    connection: C,
    patience: Patience,
    activity: &Activity,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended with an error");
                }
                return;
            }
            () = stopped(&mut shutdown) => break,
            () = tokio::time::sleep(patience.interval()) => {}
        }
        if activity.is_over(patience) {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(FAREWELL, connection).await;
            return;
        }
    }
    connection.as_mut().graceful_shutdown();
    // The accept loop limits this wait.
    let _ = connection.await;
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // A dropped sender means stop, too.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
