//! The accept loop: admission, TLS handshake, hand-over to HTTP, drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::app::App;
use super::connection;
use super::edge::socket::Socket;
use super::http::error::https_required;
use super::http::finish;
use super::router::Service;
use crate::auth::ConnectionInfo;

/// Accepts connections until `shutdown`, then waits until the open ones are closed, at most for
/// the configured time.
pub(super) async fn serve(service: Arc<Service>, listener: TcpListener, mut shutdown: watch::Receiver<bool>) {
    let app = Arc::clone(service.app());
    let drain = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer has gone: neither ends the server.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let info = Arc::new(ConnectionInfo::new(peer));
        // A connection that is not admitted is closed at once: no handshake, no memory.
        let Some(seat) = app.admission.admit(&info).await else { continue };
        let number = seat.number();
        let (service, drain) = (Arc::clone(&service), drain.clone());
        let task = tokio::spawn(async move {
            let app = service.app();
            let acceptor = TlsAcceptor::from(Arc::clone(&app.tls.load().config));
            let handshake = handshake(app, &acceptor, Socket::new(stream, seat), &info);
            match timeout(app.core.limits.handshake_timeout.0, handshake).await {
                Ok(Some(stream)) => connection::serve(&service, stream, info, drain).await,
                Ok(None) => {}
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        });
        app.admission.serves(number, task.abort_handle());
    }
    drop(listener);
    if timeout(app.core.limits.drain_timeout.0, app.admission.empty()).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut");
    }
}

async fn handshake(
    app: &Arc<App>,
    acceptor: &TlsAcceptor,
    mut socket: Socket,
    connection: &Arc<ConnectionInfo>,
) -> Option<TlsStream<Socket>> {
    if socket.stream().is_some_and(|stream| stream.set_nodelay(true).is_err()) {
        return None;
    }
    if speaks_plain_http(socket.stream()?).await {
        let answer = finish::refuse_unread(app, connection, https_required());
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

/// HTTP methods begin with an upper-case letter; TLS records do not (RFC 8446, section 5.1).
async fn speaks_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
}
