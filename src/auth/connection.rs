//! Facts about a connection that do not depend on the protocol.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

/// Facts about a connection. Made once for each; all of its requests share it.
#[derive(Debug, Default)]
pub struct ConnectionInfo {
    peer: Option<SocketAddr>,
    authenticated: AtomicBool,
}

impl ConnectionInfo {
    /// A connection from `peer`.
    pub fn new(peer: SocketAddr) -> Self {
        Self { peer: Some(peer), authenticated: AtomicBool::new(false) }
    }

    /// No connection: a credential is checked offline. Credentials that are restricted to
    /// networks are refused.
    pub fn offline() -> Self {
        Self::default()
    }

    /// The address that requests come from.
    pub fn source(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    /// The address by which anonymous clients are counted: with IPv6, the /64 prefix
    /// (RFC 6177).
    pub fn network(&self) -> IpAddr {
        match self.source().map(|source| source.to_canonical()) {
            Some(IpAddr::V6(v6)) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
            Some(v4) => v4,
            None => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Whether a request on this connection was authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Relaxed)
    }

    /// Records that a request was authenticated.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_a_64_prefix() {
        for (peer, network) in [
            ("192.0.2.7:1", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"),
        ] {
            assert_eq!(ConnectionInfo::new(peer.parse().unwrap()).network().to_string(), network);
        }
        assert_eq!(ConnectionInfo::offline().source(), None);
    }
}
