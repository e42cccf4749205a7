//! One model that is ready to run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ServingError;
use super::pool::Pool;
use crate::auth::{Action, ModelId, Permit};
use crate::runtime::{Placement, Tensor, TensorSpec};

/// One model that is ready to run.
pub struct Model {
    id: ModelId,
    version: String,
    placement: Placement,
    pool: Pool,
}

/// What a model is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it runs.
    pub device: String,
    /// Inferences that can run at once.
    pub sessions: usize,
    /// Inferences that wait.
    pub waiting: usize,
    /// Inferences that succeeded.
    pub done: u64,
    /// Inferences that failed.
    pub failed: u64,
}

impl Model {
    pub(super) fn new(id: ModelId, version: String, placement: Placement, pool: Pool) -> Self {
        Self { id, version, placement, pool }
    }

    /// Its name.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorSpec] {
        self.pool.inputs()
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorSpec] {
        self.pool.outputs()
    }

    /// Runs the model on `inputs` and returns the named `outputs`, or all of them
    /// where none is named. The permit is spent.
    pub async fn infer(
        &self,
        permit: Permit,
        inputs: Vec<Tensor>,
        outputs: Vec<String>,
        limit: Duration,
    ) -> Result<Vec<Tensor>, ServingError> {
        if permit.model() != &self.id || permit.action() != Action::Infer {
            return Err(ServingError::UnknownModel);
        }
        self.pool.run(inputs, outputs, limit).await
    }

    /// What it is doing.
    pub fn status(&self) -> ModelStatus {
        let counters = self.pool.counters();
        ModelStatus {
            name: self.id.to_string(),
            version: self.version.clone(),
            device: self.placement.to_string(),
            sessions: self.pool.sessions(),
            waiting: counters.waiting.load(Ordering::Relaxed),
            done: counters.done.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
        }
    }
}
