//! What all requests share.

use std::sync::Arc;

use super::{AnonymousDenials, Budget, KeyringState, Statistics};
use crate::audit::Log;
use crate::auth::NonceStore;
use crate::clock::Clock;
use crate::config::{LimitsTable, SigningMode};
use crate::serving::Registry;

/// What all requests share, whatever protocol brings them.
pub struct Core {
    /// The models.
    pub registry: Registry,
    /// The keyring in force.
    pub keyring: KeyringState,
    /// Which signed requests were accepted already.
    pub nonces: Arc<dyn NonceStore>,
    /// Who must sign.
    pub signing: SigningMode,
    /// Bounds on what clients can make the server do.
    pub limits: LimitsTable,
    /// For request bodies and their tensors.
    pub body_memory: Budget,
    /// For answers.
    pub answer_memory: Budget,
    /// The record of decisions.
    pub audit: Log,
    /// Refusals of strangers that are not written down yet.
    pub denials: AnonymousDenials,
    /// What was decided since the start.
    pub statistics: Statistics,
    /// The only source of time.
    pub clock: Arc<dyn Clock>,
}

impl Core {
    /// Whether a signature made now can be told from one that was accepted before the store
    /// of nonces began to remember.
    pub fn is_settled(&self) -> bool {
        self.signing == SigningMode::Off
            || self.clock.unix() >= self.nonces.settled()
            || self.keyring.latest().request_keys.is_empty()
    }
}
