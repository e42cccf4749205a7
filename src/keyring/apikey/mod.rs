//! API keys: long-lived credentials for programs that cannot fetch tokens. The
//! keyring keeps what each may do and the SHA-256 of its text, never the text: it
//! holds 256 random bits, which no slow hash makes harder to guess.

mod network;
mod record;
mod text;

pub use network::Network;
pub(super) use record::Record;
pub(super) use text::generate;
pub use text::{NoApiKey, Presented, is_meant};

use super::key::KeyState;
use crate::clock::UnixSeconds;
use crate::secret::Secret;

/// An API key as the keyring knows it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its name, which is a part of its text.
    pub id: String,
    /// The principal that it names.
    pub subject: String,
    /// What tells it from the subject's other keys.
    pub label: Option<String>,
    /// What it allows, one entry each.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: UnixSeconds,
    /// From when on it is not accepted.
    pub expires: Option<UnixSeconds>,
    /// Where it is accepted from; none: anywhere.
    pub networks: Vec<Network>,
    /// When it was revoked.
    pub revoked: Option<UnixSeconds>,
    /// Whether it is known to have leaked.
    pub compromised: bool,
    /// SHA-256 of its text. Redacted in `Debug`, compared in constant time.
    pub digest: Secret<32>,
}

impl ApiKey {
    /// The state at `now`: active, expired or revoked.
    pub fn state_at(&self, now: UnixSeconds) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if self.expires.is_some_and(|expires| now >= expires) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}
