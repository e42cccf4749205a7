//! What a credential allows.

use std::fmt;
use std::str::FromStr;

use super::{Action, ModelId};
use crate::token::TokenError;

/// One entry of a token's `scope` claim, or one scope of an API key: `model:<name>:<action>`, where name and
/// action may be `*` as a whole, or `admin:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// An action on a model; `None` is the wildcard.
    Model {
        /// The model's name.
        name: Option<String>,
        /// The action.
        action: Option<Action>,
    },
    /// Administration of the server.
    Admin,
}

impl FromStr for Scope {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.split(':').collect();
        let action = |text: &str| match text {
            "*" => Some(None),
            "infer" => Some(Some(Action::Infer)),
            "metadata" => Some(Some(Action::Metadata)),
            _ => None,
        };
        let parsed = match parts[..] {
            ["admin", "*"] => Some(Self::Admin),
            ["model", "*", verb] => action(verb).map(|action| Self::Model { name: None, action }),
            // A wildcard must be a whole segment: `res*` is invalid.
            ["model", name, verb] if !name.is_empty() && !name.contains(['*', ' ']) => {
                action(verb).map(|action| Self::Model { name: Some(name.to_owned()), action })
            }
            _ => None,
        };
        parsed.ok_or_else(|| TokenError::Scope { scope: text.to_owned() })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin:*"),
            Self::Model { name, action } => {
                let action = action.map_or("*", Action::name);
                write!(f, "model:{}:{action}", name.as_deref().unwrap_or("*"))
            }
        }
    }
}

/// All scopes of a credential. No scopes, no rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads a `scope` claim (RFC 6749, section 3.3). Unknown entries may be meant for other
    /// services, and allow nothing here.
    pub(super) fn from_claim(claim: &str) -> Self {
        Self::from_entries(claim.split(' '))
    }

    /// The same, from separate entries.
    pub(super) fn from_entries<'a>(entries: impl Iterator<Item = &'a str>) -> Self {
        Self(entries.filter_map(|scope| scope.parse().ok()).collect())
    }

    /// Whether `action` on `model` is allowed.
    pub(super) fn allow(&self, action: Action, model: &ModelId) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Model { name, action: allowed } => {
                name.as_deref().is_none_or(|name| name == model.as_str())
                    && allowed.is_none_or(|allowed| allowed == action)
            }
            Scope::Admin => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_is_named_and_nothing_else() {
        let digits = ModelId::new("digits");
        let allows = |claim: &str, action| Scopes::from_claim(claim).allow(action, &digits);
        assert!(allows("model:digits:infer", Action::Infer));
        assert!(allows("other model:*:infer", Action::Infer));
        assert!(allows("model:digits:*", Action::Metadata));
        for claim in [
            "",
            "admin:*",
            "model:digits:metadata",
            "model:digit*:infer",
            "model:other:infer",
            "*",
            "model:digits:infer:x",
            "MODEL:digits:infer",
        ] {
            assert!(!allows(claim, Action::Infer), "{claim}");
        }
    }

    #[test]
    fn prints_what_it_parses() {
        for text in ["admin:*", "model:*:*", "model:digits:infer", "model:*:metadata"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "model", "model::infer", "model:a:train", "admin:keys", "model:a b:infer"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
