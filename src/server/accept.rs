//! The accept loop: connection caps, TLS handshake, hand-over to HTTP, drain.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::app::App;
use super::connection;
use super::refusals::network;
use super::tracked::Tracked;

/// Accepts connections until `shutdown` says so, then waits for those that are
/// open, at most as long as the configuration allows.
pub(super) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let total = app.limits.connections;
    let places = Arc::new(Semaphore::new(total));
    let addresses = Arc::new(Addresses::default());
    let mut drain = shutdown.clone();
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
        // Over a cap the connection is closed at once: no handshake, no memory.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let Some(share) = addresses.take(network(peer.ip()), app.limits.connections_per_address) else {
            continue;
        };
        let (app, router, drain) = (Arc::clone(&app), router.clone(), drain.clone());
        let acceptor = TlsAcceptor::from(Arc::clone(&app.tls.load().config));
        tokio::spawn(async move {
            let _counted = Counted::new(&app, place, share);
            if let Some(stream) = handshake(&acceptor, stream, app.limits.handshake_timeout.0).await {
                connection::serve(&app, stream, peer, router, drain).await;
            }
        });
    }
    drop(listener);
    let _ = drain.wait_for(|stop| *stop).await;
    let all = u32::try_from(total).unwrap_or(u32::MAX);
    if timeout(app.limits.drain_timeout.0, places.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut");
    }
}

async fn handshake(acceptor: &TlsAcceptor, stream: TcpStream, limit: Duration) -> Option<TlsStream<Tracked>> {
    let _ = stream.set_nodelay(true);
    match timeout(limit, acceptor.accept(Tracked::new(stream))).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("TLS handshake took too long");
            None
        }
    }
}

/// A connection's place in every count; dropped with it.
struct Counted {
    app: Arc<App>,
    _place: OwnedSemaphorePermit,
    _share: Share,
}

impl Counted {
    fn new(app: &Arc<App>, place: OwnedSemaphorePermit, share: Share) -> Self {
        app.connections.fetch_add(1, Ordering::Relaxed);
        Self { app: Arc::clone(app), _place: place, _share: share }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.app.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Open connections by address. As large as there are connections, which are capped.
#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One connection of one address.
struct Share {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn take(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Share> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share { addresses: Arc::clone(self), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
