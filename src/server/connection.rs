//! One connection: HTTP/1.1 or HTTP/2 by ALPN, with an end to idling.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::app::App;
use super::ledger::Peer;
use super::tracked::{LastMove, Tracked};

/// Streams of one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// What is left of a connection after it was told to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves `stream` until it ends, idles too long, or `shutdown` says so.
pub(super) async fn serve(
    app: &Arc<App>,
    stream: TlsStream<Tracked>,
    peer: SocketAddr,
    router: Router,
    shutdown: watch::Receiver<bool>,
) {
    let limits = app.limits;
    let activity = Arc::new(Activity { busy: AtomicUsize::new(0), last: stream.get_ref().0.last_move() });
    let tracked = Arc::clone(&activity);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, busy) = (router.clone(), Busy::new(&tracked));
        async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let response = router.oneshot(request).await;
            drop(busy);
            response
        }
    });
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if h2 {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX));
        drive(http.serve_connection(io, service), limits.header_timeout.0, &activity, shutdown).await;
    } else {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout.0)
            .max_header_size(limits.headers);
        drive(http.serve_connection(io, service), limits.header_timeout.0, &activity, shutdown).await;
    }
}

async fn drive<C: GracefulConnection<Error = hyper::Error>>(
    connection: C,
    idle: Duration,
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
            () = stopped(&mut shutdown) => {
                connection.as_mut().graceful_shutdown();
                // The accept loop bounds this wait.
                let _ = connection.await;
                return;
            }
            () = tokio::time::sleep(idle) => {}
        }
        if activity.idle() >= idle {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(FAREWELL, connection).await;
            return;
        }
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say than "stop".
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// What a connection is doing.
struct Activity {
    busy: AtomicUsize,
    last: Arc<LastMove>,
}

impl Activity {
    /// For how long nothing was asked, and no byte of an answer was taken.
    fn idle(&self) -> Duration {
        if self.busy.load(Ordering::Acquire) > 0 { Duration::ZERO } else { self.last.age() }
    }
}

/// A request in flight.
struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.busy.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
