//! Which models there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Model, ServingError};
use crate::auth::{ModelId, Permit};

/// The models of one server.
#[derive(Default)]
pub struct Registry(BTreeMap<ModelId, Arc<Model>>);

impl Registry {
    /// Adds `model`, replacing one of the same name.
    pub fn insert(&mut self, model: Model) {
        self.0.insert(model.id().clone(), Arc::new(model));
    }

    /// The model that `permit` is for, in `version` where one is asked for.
    pub fn get(&self, permit: &Permit, version: Option<&str>) -> Result<&Arc<Model>, ServingError> {
        let model = self.0.get(permit.model()).ok_or(ServingError::UnknownModel)?;
        match version {
            Some(version) if version != model.version() => Err(ServingError::UnknownVersion),
            _ => Ok(model),
        }
    }

    /// Whether one of them takes requests.
    pub fn serves(&self) -> bool {
        self.iter().any(|model| model.require_ready().is_ok())
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.0.values()
    }
}
