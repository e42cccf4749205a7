//! The accept loop: places for connections, TLS handshake, hand-over to HTTP, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::connection;
use super::socket::Socket;
use crate::server::anonymous_denials::network;
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::http::request_audit;

/// Accepts connections until `shutdown` says so, then waits for those that are
/// open, at most as long as the configuration allows.
pub(in crate::server) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let drain = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer is gone already: neither ends the server.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let activity = Activity::new();
        // Without a place the connection is closed at once: no handshake, no memory.
        let Some(seat) = app.admission.admit(network(peer.ip()), &activity).await else { continue };
        let number = seat.number();
        let (app, router, drain) = (Arc::clone(&app), router.clone(), drain.clone());
        let admission = Arc::clone(&app.admission);
        let task = tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::clone(&app.tls.load().config));
            let handshake = handshake(&app, &acceptor, Socket::new(stream, seat), peer);
            match timeout(app.limits.handshake_timeout.0, handshake).await {
                Ok(Some(stream)) => connection::serve(&app, stream, peer, activity, router, drain).await,
                Ok(None) => {}
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
        admission.serves(number, task.abort_handle());
    }
    drop(listener);
    if timeout(app.limits.drain_timeout.0, app.admission.empty()).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut");
    }
}

async fn handshake(
    app: &Arc<App>,
    acceptor: &TlsAcceptor,
    mut socket: Socket,
    peer: SocketAddr,
) -> Option<TlsStream<Socket>> {
    if socket.stream().is_some_and(|stream| stream.set_nodelay(true).is_err()) {
        return None;
    }
    if speaks_plain_http(socket.stream()?).await {
        let answer = request_audit::refuse_unheard(app, peer, ApiError::https_required());
        let _ = socket.write_all(&answer).await;
        return None;
    }
    match acceptor.accept(socket).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

/// A method is upper case, and no TLS record begins with a letter (RFC 8446, section 5.1).
async fn speaks_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
}
