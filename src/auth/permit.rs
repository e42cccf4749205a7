//! Proof that one caller may do one thing to one model.

use std::fmt;
use std::sync::Arc;

use super::{AuthError, Principal};

/// The name of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// The model that is called `name`, whether it exists or not.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can be done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Run it.
    Infer,
    /// Learn its inputs, outputs and whether it is ready.
    Metadata,
}

impl Action {
    /// The name in scopes and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Metadata => "metadata",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Proof that a caller may do one thing to one model. Only
/// [`Principal::authorize`] makes one; it cannot be copied or stored away.
///
/// ```compile_fail
/// let model = sealserve::auth::ModelId::new("digits");
/// let permit = sealserve::auth::Permit { action: sealserve::auth::Action::Infer, model };
/// ```
#[derive(Debug)]
pub struct Permit {
    action: Action,
    model: ModelId,
}

impl Permit {
    /// What is allowed.
    pub fn action(&self) -> Action {
        self.action
    }

    /// On which model.
    pub fn model(&self) -> &ModelId {
        &self.model
    }
}

impl Principal {
    /// A permit for `action` on `model`, if this caller may. The answer does not
    /// tell whether the model exists.
    pub fn authorize(&self, action: Action, model: &ModelId) -> Result<Permit, AuthError> {
        if self.scopes().allow(action, model) {
            Ok(Permit { action, model: model.clone() })
        } else {
            Err(AuthError::Forbidden { action })
        }
    }
}
