//! One model: loaded, or withdrawn.

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

/// One model: loaded, or withdrawn.
pub struct Model {
    id: ModelId,
    version: String,
    placement: Placement,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    /// `None` if it was withdrawn before it was opened.
    provenance: Option<Provenance>,
    /// Only the thread that reloads the keyring changes it.
    state: ArcSwap<State>,
}

/// The state of a model.
enum State {
    /// Takes requests, unless all of its sessions are stuck.
    Ready {
        scheduler: Arc<Scheduler>,
        /// A key of its provenance that is no longer accepted, but does not withdraw it.
        refusal: Option<Refusal>,
    },
    /// Takes no requests, permanently.
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
    /// A key of its provenance that is no longer accepted.
    pub refused: Option<Refusal>,
    /// How its file was opened.
    pub opened_by: Option<OpenedBy>,
    /// The trusted signers that had signed it, if a signature was required.
    pub vouched_by: Vec<String>,
    /// Where it runs.
    pub device: String,
    /// Inferences that can run at once.
    pub sessions: usize,
    /// Sessions whose run was cancelled but does not end.
    pub stuck: usize,
    /// Inferences that wait.
    pub waiting: usize,
}

/// Whether a model takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// It takes requests.
    Ready,
    /// Every session is in a run that was cancelled but does not end.
    Stuck,
    /// A key of its provenance was revoked with `--unload`.
    Withdrawn,
}

/// How a model's file was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedBy {
    /// The kind of recipient.
    pub kind: String,
    /// The key.
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

    /// A model that `refusal` withdraws before it is opened.
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

    /// Its inputs.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// Its outputs.
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

    /// The key of its provenance that was no longer accepted at the last [check](Self::obey).
    pub fn refusal(&self) -> Option<Refusal> {
        match &**self.state.load() {
            State::Ready { refusal, .. } => refusal.clone(),
            State::Withdrawn { refusal } => Some(refusal.clone()),
        }
    }

    /// Checks the keys of its provenance against `keyring`, and withdraws the model if one was
    /// revoked with `--unload`. After the return no inference begins or succeeds; running ones
    /// are cancelled, and the memory is freed when the last of them ends. Returns a refusal
    /// that is new. Only one thread may call this at a time.
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
        // The model may have been withdrawn during the run.
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
