//! Proof that one caller may do one thing to one model.

use super::action::{Action, ModelId};
use super::error::AuthError;
use super::principal::Principal;

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
    /// The action that is allowed.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The model on which it is allowed.
    pub fn model(&self) -> &ModelId {
        &self.model
    }
}

impl Principal {
    /// A permit for `action` on `model`, if this caller is allowed to do it. The answer does not
    /// reveal whether the model exists.
    pub fn authorize(&self, action: Action, model: &ModelId) -> Result<Permit, AuthError> {
        if self.scopes().allow(action, model) {
            Ok(Permit { action, model: model.clone() })
        } else {
            Err(AuthError::Forbidden { action })
        }
    }
}
