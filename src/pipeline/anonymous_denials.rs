//! AnonymousDenials of strangers, counted per address and written together, so that
//! nobody without a credential can fill the audit log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use crate::audit::{Event, Log};

/// Kinds of denials that are counted apart between two writes; the rest are counted together.
const ADDRESSES: usize = 1024;
/// Stands for any address.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// AnonymousDenials since the last write.
#[derive(Default)]
pub struct AnonymousDenials(Mutex<HashMap<Kind, Counted>>);

/// The address, and the reason.
type Kind = (IpAddr, &'static str);
/// The first event of its kind, and their number.
type Counted = (Event, u64);

impl AnonymousDenials {
    /// Counts `event`, the denial of a caller who is not authenticated, from `network`.
    pub fn count(&self, mut event: Event, network: IpAddr) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = event.reason.unwrap_or_default();
        event.source = Some(network);
        let mut key = (network, reason);
        if seen.len() >= ADDRESSES && !seen.contains_key(&key) {
            // One more count for each reason, for all other addresses.
            event.source = Some(NOWHERE);
            key = (NOWHERE, reason);
        }
        seen.entry(key).or_insert((event, 0)).1 += 1;
    }

    /// Writes one line for each address and reason.
    pub fn flush(&self, log: &Log) {
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (mut event, count) in seen.into_values() {
            event.count = Some(count);
            log.record(event);
        }
    }
}
