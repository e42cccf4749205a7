//! One model that is ready to run, or was until it was withdrawn.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::pool::{Counters, Pool};
use super::spec::ModelSpec;
use super::{Bounds, Provenance, Refusal, ServingError, Tensors};
use crate::auth::{Action, ModelId, Permit};
use crate::clock::UnixSeconds;
use crate::keyring::Keyring;
use crate::runtime::{Placement, TensorSpec};

/// One model that is ready to run, or was until it was withdrawn.
pub struct Model {
    id: ModelId,
    version: String,
    placement: Placement,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    counters: Arc<Counters>,
    /// Not of one that was withdrawn before it was opened.
    provenance: Option<Provenance>,
    /// What the keyring holds against it.
    refusal: Mutex<Option<Refusal>>,
    /// Its sessions; none once it is withdrawn, and never again.
    pool: RwLock<Option<Arc<Pool>>>,
}

/// What a model is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it takes requests.
    pub state: ModelState,
    /// The key that it hangs on and that is not accepted any more.
    pub refused: Option<Refusal>,
    /// How its file was opened.
    pub opened_by: Option<OpenedBy>,
    /// The trusted signers that had signed it, where a signature was demanded.
    pub vouched_by: Vec<String>,
    /// Where it runs.
    pub device: String,
    /// Inferences that can run at once.
    pub sessions: usize,
    /// Sessions of them whose operation was stopped and goes on all the same.
    pub stuck: usize,
    /// Inferences that wait.
    pub waiting: usize,
    /// Inferences that succeeded.
    pub done: u64,
    /// Inferences that failed.
    pub failed: u64,
}

/// Whether a model takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// It does.
    Ready,
    /// Every session runs an operation that was stopped and goes on all the same.
    Stuck,
    /// Its key was revoked with the demand to withdraw what hangs on it.
    Withdrawn,
}

/// How a model's file was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedBy {
    /// The kind of recipient.
    pub kind: String,
    /// Which key that was.
    pub key: String,
}

impl Model {
    pub(super) fn new(
        id: ModelId,
        version: String,
        placement: Placement,
        pool: Pool,
        provenance: Provenance,
    ) -> Self {
        Self {
            id,
            version,
            placement,
            inputs: pool.inputs().to_vec(),
            outputs: pool.outputs().to_vec(),
            counters: pool.counters(),
            provenance: Some(provenance),
            refusal: Mutex::new(None),
            pool: RwLock::new(Some(Arc::new(pool))),
        }
    }

    /// A model that is not opened, since `refusal` withdraws it.
    pub fn withdrawn(spec: &ModelSpec, refusal: Refusal) -> Self {
        Self {
            id: ModelId::new(&spec.name),
            version: spec.version.clone(),
            placement: spec.placement,
            inputs: Vec::new(),
            outputs: Vec::new(),
            counters: Arc::default(),
            provenance: None,
            refusal: Mutex::new(Some(refusal)),
            pool: RwLock::new(None),
        }
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
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Fails while it takes no requests.
    pub fn require_ready(&self) -> Result<(), ServingError> {
        self.pool()?.require_unstuck()
    }

    /// Fails once it is withdrawn.
    pub fn require_served(&self) -> Result<(), ServingError> {
        self.pool().map(drop)
    }

    fn pool(&self) -> Result<Arc<Pool>, ServingError> {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(ServingError::Withdrawn)
    }

    /// What the keyring held against it when it was last [judged](Self::obey).
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Judges it by `keyring`, and withdraws it where that demands it: from the return on,
    /// no inference of it begins, and none succeeds. Those that run are stopped, and its
    /// memory is freed with the last of them. Returns what was not known before.
    pub fn obey(&self, keyring: &Keyring, now: UnixSeconds) -> Option<Refusal> {
        let refusal = self.provenance.as_ref()?.refused(keyring, now)?;
        let mut known = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(&refusal) {
            return None;
        }
        if refusal.unload {
            let pool = self.pool.write().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(pool) = pool {
                pool.withdraw();
            }
        }
        *known = Some(refusal.clone());
        Some(refusal)
    }

    /// Runs the model on `inputs` and returns the named `outputs`, or all of them
    /// where none is named. The permit is spent.
    pub async fn infer(
        &self,
        permit: Permit,
        inputs: Tensors,
        outputs: Vec<String>,
        bounds: Bounds,
    ) -> Result<Tensors, ServingError> {
        if permit.model() != &self.id || permit.action() != Action::Infer {
            return Err(ServingError::UnknownModel);
        }
        let answer = self.pool()?.run(inputs, outputs, bounds).await?;
        // One that ran when it was withdrawn answers no more than one that waited.
        self.require_served()?;
        Ok(answer)
    }

    /// What it is doing.
    pub fn status(&self) -> ModelStatus {
        let pool = self.pool().ok();
        let opened_by = |provenance: &Provenance| OpenedBy {
            kind: provenance.kind.name().to_owned(),
            key: provenance.key.to_string(),
        };
        let vouched_by =
            |provenance: &Provenance| provenance.signers.iter().map(ToString::to_string).collect();
        ModelStatus {
            name: self.id.to_string(),
            version: self.version.clone(),
            state: match self.require_ready() {
                Ok(()) => ModelState::Ready,
                Err(ServingError::Busy) => ModelState::Stuck,
                Err(_) => ModelState::Withdrawn,
            },
            refused: self.refusal(),
            opened_by: self.provenance.as_ref().map(opened_by),
            vouched_by: self.provenance.as_ref().map(vouched_by).unwrap_or_default(),
            device: self.placement.to_string(),
            sessions: pool.as_ref().map_or(0, |pool| pool.sessions()),
            stuck: pool.as_ref().map_or(0, |pool| pool.stuck()),
            waiting: self.counters.waiting.load(Ordering::Relaxed),
            done: self.counters.done.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }
}
