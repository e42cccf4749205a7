//! The models of one server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::{Model, ServingError};
use crate::auth::{ModelId, Permit};

type Models = BTreeMap<ModelId, BTreeMap<Version, Arc<Model>>>;

/// The models of one server, each in one or more versions. Readers never block: a writer
/// replaces the whole map.
#[derive(Default)]
pub struct Registry {
    models: ArcSwap<Models>,
    /// One writer at a time.
    writer: Mutex<()>,
}

/// A version. Versions are ordered from old to new: first names, alphabetically, then numbers,
/// numerically.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    number: Option<u64>,
    text: String,
}

impl Version {
    fn new(text: &str) -> Self {
        Self { number: text.parse().ok(), text: text.to_owned() }
    }
}

impl Registry {
    /// Adds `model`, replacing one of the same name and version.
    pub fn insert(&self, model: Model) {
        let _one = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut models = Models::clone(&self.models.load());
        let versions = models.entry(model.id().clone()).or_default();
        versions.insert(Version::new(model.version()), Arc::new(model));
        self.models.store(Arc::new(models));
    }

    /// The model that `permit` is for, in `version`, or in the newest version if that is
    /// `None`.
    pub fn get(&self, permit: &Permit, version: Option<&str>) -> Result<Arc<Model>, ServingError> {
        let models = self.models.load();
        let versions = models.get(permit.model()).ok_or(ServingError::UnknownModel)?;
        let model = match version {
            None => versions.values().next_back(),
            Some(version) => versions.values().find(|model| model.version() == version),
        };
        model.cloned().ok_or(ServingError::UnknownVersion)
    }

    /// Whether at least one model takes requests.
    pub fn serves(&self) -> bool {
        self.all().iter().any(|model| model.require_ready().is_ok())
    }

    /// All models, by name and version.
    pub fn all(&self) -> Vec<Arc<Model>> {
        self.models.load().values().flat_map(BTreeMap::values).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut versions = ["10", "2", "beta", "9", "alpha"].map(Version::new);
        versions.sort();
        assert_eq!(versions.map(|version| version.text), ["alpha", "beta", "2", "9", "10"]);
    }
}
