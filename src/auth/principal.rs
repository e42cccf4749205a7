//! Authenticated callers.

use std::sync::Arc;

use super::scope::Scopes;
use crate::audit::Actor;
use crate::token::Claims;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Principal(pub(super) Arc<Identity>);

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) scopes: Scopes,
    /// The claims of a token. They are authentic; their times are checked at every request.
    pub(super) claims: Option<Claims>,
    pub(super) actor: Arc<Actor>,
}

impl Principal {
    /// The name: the subject of the token or API key.
    pub fn name(&self) -> &str {
        &self.0.actor.principal
    }

    /// The kind of credential: `token` or `api-key`.
    pub fn proof(&self) -> &'static str {
        self.0.actor.proof
    }

    /// The id of the key that signed the token, or of the API key.
    pub fn key(&self) -> &str {
        &self.0.actor.key
    }

    /// The id of the token (`jti`), if the credential is one.
    pub fn token(&self) -> Option<&str> {
        self.0.actor.token.as_deref()
    }

    /// The caller as the audit log names it.
    pub fn actor(&self) -> &Arc<Actor> {
        &self.0.actor
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }
}
