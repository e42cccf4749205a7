//! What is known of a connection, whatever protocol is spoken on it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of a connection. Made once for each; all of its requests share it.
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

    /// No connection at all: a credential is checked offline. Credentials that are bound to a
    /// network are refused.
    pub fn offline() -> Self {
        Self::default()
    }

    /// The address that requests come from.
    pub fn source(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    /// What counts as one address when strangers are counted: with IPv6 everyone has a /64
    /// (RFC 6177).
    pub fn network(&self) -> IpAddr {
        match self.source().map(|source| source.to_canonical()) {
            Some(IpAddr::V6(v6)) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
            Some(v4) => v4,
            None => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    /// Whether a request on this connection came with a valid credential.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Relaxed)
    }

    /// A request came with a valid credential.
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
