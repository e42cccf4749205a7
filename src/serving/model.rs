//! One model that is ready to run, or was until it was withdrawn.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::scheduler::Scheduler;
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
    /// Not of one that was withdrawn before it was opened.
    provenance: Option<Provenance>,
    /// Changed by whoever follows the keyring, and by nobody else.
    state: ArcSwap<State>,
}

/// The life of a model.
enum State {
    /// It takes requests, unless all of its sessions are stuck.
    Ready {
        scheduler: Arc<Scheduler>,
        /// What the keyring holds against it, though that does not withdraw it.
        refusal: Option<Refusal>,
    },
    /// It takes no requests, and never again.
    Withdrawn { refusal: Refusal },
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
        scheduler: Scheduler,
        provenance: Provenance,
    ) -> Self {
        Self {
            id,
            version,
            placement,
            inputs: scheduler.inputs().to_vec(),
            outputs: scheduler.outputs().to_vec(),
            provenance: Some(provenance),
            state: ArcSwap::from_pointee(State::Ready { scheduler: Arc::new(scheduler), refusal: None }),
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
            provenance: None,
            state: ArcSwap::from_pointee(State::Withdrawn { refusal }),
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
        self.scheduler()?.require_unstuck()
    }

    /// Fails once it is withdrawn.
    pub fn require_served(&self) -> Result<(), ServingError> {
        self.scheduler().map(drop)
    }

    fn scheduler(&self) -> Result<Arc<Scheduler>, ServingError> {
        match &**self.state.load() {
            State::Ready { scheduler, .. } => Ok(Arc::clone(scheduler)),
            State::Withdrawn { .. } => Err(ServingError::Withdrawn),
        }
    }

    /// What the keyring held against it when it was last [judged](Self::obey).
    pub fn refusal(&self) -> Option<Refusal> {
        match &**self.state.load() {
            State::Ready { refusal, .. } => refusal.clone(),
            State::Withdrawn { refusal } => Some(refusal.clone()),
        }
    }

    /// Judges it by `keyring`, and withdraws it where that demands it: from the return on,
    /// no inference of it begins, and none succeeds. Those that run are cancelled, and its
    /// memory is freed with the last of them. Returns what was not known before. One thread
    /// calls this at a time.
    pub fn obey(&self, keyring: &Keyring, now: UnixSeconds) -> Option<Refusal> {
        let new = self.provenance.as_ref()?.refused(keyring, now)?;
        let State::Ready { scheduler, refusal } = &*self.state.load_full() else { return None };
        if refusal.as_ref() == Some(&new) {
            return None;
        }
        let refusal = new.clone();
        if new.unload {
            self.state.store(Arc::new(State::Withdrawn { refusal }));
            scheduler.withdraw();
        } else {
            let scheduler = Arc::clone(scheduler);
            self.state.store(Arc::new(State::Ready { scheduler, refusal: Some(refusal) }));
        }
        Some(new)
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
        let answer = self.scheduler()?.run(inputs, outputs, bounds).await?;
        // One that ran when it was withdrawn answers no more than one that waited.
        self.require_served()?;
        Ok(answer)
    }

    /// What it is doing.
    pub fn status(&self) -> ModelStatus {
        let scheduler = self.scheduler().ok();
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
            sessions: scheduler.as_ref().map_or(0, |scheduler| scheduler.sessions()),
            stuck: scheduler.as_ref().map_or(0, |scheduler| scheduler.stuck()),
            waiting: scheduler.as_ref().map_or(0, |scheduler| scheduler.waiting()),
        }
    }
}
