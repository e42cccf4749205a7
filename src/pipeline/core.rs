//! The state that all requests share.

use std::sync::Arc;

use super::{AnonymousDenials, Budget, KeyringState, Statistics};
use crate::audit::Log;
use crate::auth::NonceStore;
use crate::clock::Clock;
use crate::config::{LimitsTable, SigningMode};
use crate::serving::Registry;

/// The state that all requests share, whatever their protocol.
pub struct Core {
    /// The models.
    pub registry: Registry,
    /// The keyring in force.
    pub keyring: KeyringState,
    /// The nonces of signed requests.
    pub nonces: Arc<dyn NonceStore>,
    /// Which requests must be signed.
    pub signing: SigningMode,
    /// Bounds on what clients can make the server do.
    pub limits: LimitsTable,
    /// For request bodies and their tensors.
    pub body_memory: Budget,
    /// For answers.
    pub answer_memory: Budget,
    /// The record of decisions.
    pub audit: Log,
    /// Denials of anonymous callers that are not recorded yet.
    pub denials: AnonymousDenials,
    /// Counters since the start.
    pub statistics: Statistics,
    /// The only source of time.
    pub clock: Arc<dyn Clock>,
}

impl Core {
    /// Whether signatures made now cannot have been accepted before the nonce store started.
    pub fn is_settled(&self) -> bool {
        self.signing == SigningMode::Off
            || self.clock.unix() >= self.nonces.settled()
            || self.keyring.latest().request_keys.is_empty()
    }
}
