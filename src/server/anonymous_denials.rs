//! AnonymousDenials of strangers, counted per address and written together, so that
//! nobody without a credential can fill the audit log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use crate::audit::{Event, Log};

/// Addresses that are told apart between two writes; the rest are counted together.
const ADDRESSES: usize = 1024;
/// What stands for no address in particular.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// AnonymousDenials since the last write.
#[derive(Default)]
pub(super) struct AnonymousDenials(Mutex<HashMap<Kind, Counted>>);

/// Where from, and why.
type Kind = (IpAddr, &'static str);
/// The first of its kind, and how many there were.
type Counted = (Event, u64);

impl AnonymousDenials {
    /// Counts `event`, the refusal of a caller that is not known.
    pub(super) fn count(&self, mut event: Event) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = event.reason.unwrap_or_default();
        let source = network(event.source.unwrap_or(NOWHERE));
        event.source = Some(source);
        let mut key = (source, reason);
        if seen.len() >= ADDRESSES && !seen.contains_key(&key) {
            // One more bucket for each reason, whatever the address.
            event.source = Some(NOWHERE);
            key = (NOWHERE, reason);
        }
        seen.entry(key).or_insert((event, 0)).1 += 1;
    }

    /// Writes one line for each address and reason.
    pub(super) fn flush(&self, log: &Log) {
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (mut event, count) in seen.into_values() {
            event.count = Some(count);
            log.record(event);
        }
    }
}

/// What counts as one address: with IPv6 everyone has a /64 (RFC 6177).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}
