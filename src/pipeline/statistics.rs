//! The one place that every decision passes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::auth::{Action, ModelId};
use crate::serving::Model;

/// One decision, when all is known of it.
#[derive(Clone, Copy)]
pub struct Decision<'a> {
    /// What for; `None` where there was nothing to decide.
    pub action: Option<&'static str>,
    /// On which model, where the caller was permitted to use it.
    pub model: Option<&'a Model>,
    /// Who asked, where that is proven.
    pub principal: Option<&'a str>,
    /// What was decided.
    pub verdict: Verdict,
    /// How long it took, from the end of the headers to the response.
    pub time: Duration,
}

/// What was decided since the start.
#[derive(Debug, Default)]
pub struct Statistics {
    requests: AtomicU64,
    /// Only of models that exist, so there are few.
    models: RwLock<HashMap<ModelId, HashMap<String, Counters>>>,
}

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
}

/// What came of the inferences of one model since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCounts {
    /// Inferences that were answered.
    pub done: u64,
    /// Inferences that were permitted and not answered.
    pub failed: u64,
}

impl Statistics {
    /// Counts `decision`.
    pub(super) fn count(&self, decision: Decision<'_>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let Decision { action, model, principal, verdict, time } = decision;
        let name = model.map(|model| model.id().as_str());
        tracing::trace!(action, model = name, principal, ?verdict, ?time, "decided");
        if let Some(model) = model.filter(|_| action == Some(Action::Infer.name())) {
            self.count_inference(model, verdict);
        }
    }

    fn count_inference(&self, model: &Model, verdict: Verdict) {
        let count = |counters: &Counters| {
            let counter = if verdict == Verdict::Allowed { &counters.done } else { &counters.failed };
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let known = self.models.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(model.id()).and_then(|versions| versions.get(model.version())) {
            return count(counters);
        }
        drop(known);
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        count(models.entry(model.id().clone()).or_default().entry(model.version().to_owned()).or_default());
    }

    /// Requests since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What came of the inferences of `version` of `model`.
    pub fn of(&self, model: &ModelId, version: &str) -> ModelCounts {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        let counters = models.get(model).and_then(|versions| versions.get(version));
        counters.map_or_else(ModelCounts::default, |counters| ModelCounts {
            done: counters.done.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
        })
    }
}
