//! Who sent a request.

use std::sync::Arc;

use super::scope::Scopes;
use crate::audit::Actor;
use crate::token::Claims;

/// Who sent a request, proven.
#[derive(Debug, Clone)]
pub struct Principal(pub(super) Arc<Identity>);

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) scopes: Scopes,
    /// Of a token. They are authentic; whether they hold now is judged at every request.
    pub(super) claims: Option<Claims>,
    pub(super) actor: Arc<Actor>,
}

impl Principal {
    /// The name: the subject of the token or API key.
    pub fn name(&self) -> &str {
        &self.0.actor.principal
    }

    /// What kind of proof it was.
    pub fn proof(&self) -> &'static str {
        self.0.actor.proof
    }

    /// The key that vouched for it: the one that signed the token, or the API key.
    pub fn key(&self) -> &str {
        &self.0.actor.key
    }

    /// The token's own name, where there is a token.
    pub fn token(&self) -> Option<&str> {
        self.0.actor.token.as_deref()
    }

    /// What the audit log says of it.
    pub fn actor(&self) -> &Arc<Actor> {
        &self.0.actor
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }
}
