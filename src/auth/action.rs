//! What can be done, and to what.

use std::fmt;
use std::sync::Arc;

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
