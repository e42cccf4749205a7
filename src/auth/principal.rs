//! Who sent a request.

use std::sync::Arc;

use super::Scopes;
use crate::token::Claims;

/// Who sent a request, proven.
#[derive(Debug, Clone)]
pub struct Principal(pub(super) Arc<Identity>);

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) scopes: Scopes,
    /// The key that vouches for it.
    pub(super) key: String,
    pub(super) proof: Proof,
}

#[derive(Debug)]
pub(super) enum Proof {
    Token(Claims),
    ApiKey { subject: String },
}

impl Principal {
    /// The name: the subject of the token or API key.
    pub fn name(&self) -> &str {
        match &self.0.proof {
            Proof::Token(claims) => &claims.sub,
            Proof::ApiKey { subject } => subject,
        }
    }

    /// What kind of proof it was.
    pub fn proof(&self) -> &'static str {
        match self.0.proof {
            Proof::Token(_) => "token",
            Proof::ApiKey { .. } => "api-key",
        }
    }

    /// The key that vouched for it: the one that signed the token, or the API key.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The token's own name, where there is a token.
    pub fn token(&self) -> Option<&str> {
        match &self.0.proof {
            Proof::Token(claims) => Some(&claims.jti),
            Proof::ApiKey { .. } => None,
        }
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }
}
