//! Counts requests, runs and decisions. Every request passes here when it begins, when its
//! model has run, and when it is decided.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::auth::ModelId;
use crate::serving::Model;

/// One decision.
#[derive(Clone, Copy)]
pub struct Decision<'a> {
    /// The action; `None` if there was nothing to decide.
    pub action: Option<&'static str>,
    /// The model, if the caller was permitted to use it.
    pub model: Option<&'a Model>,
    /// The caller, if authenticated.
    pub principal: Option<&'a str>,
    /// The decision.
    pub verdict: Verdict,
    /// How long it took, from the end of the headers to the response.
    pub time: Duration,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Statistics {
    requests: AtomicU64,
    /// Decisions by verdict.
    allowed: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
    /// Only for models that exist, so there are few.
    models: RwLock<HashMap<ModelId, HashMap<String, Counters>>>,
}

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
}

/// The runs of one model since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCounts {
    /// Runs that succeeded.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
}

impl Statistics {
    /// Counts a request that begins.
    pub(super) fn began(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a run of `model` that ended.
    pub(super) fn ran(&self, model: &Model, succeeded: bool) {
        let count = |counters: &Counters| {
            let counter = if succeeded { &counters.done } else { &counters.failed };
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

    /// Counts the decision about a request that ended.
    pub(super) fn decided(&self, decision: Decision<'_>) {
        let Decision { action, model, principal, verdict, time } = decision;
        let model = model.map(|model| model.id().as_str());
        tracing::trace!(action, model, principal, ?verdict, ?time, "decided");
        if action.is_some() {
            self.of_verdict(verdict).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of_verdict(&self, verdict: Verdict) -> &AtomicU64 {
        match verdict {
            Verdict::Allowed => &self.allowed,
            Verdict::Denied => &self.denied,
            Verdict::Failed => &self.failed,
        }
    }

    /// Decisions with this `verdict` since the start.
    pub fn decisions(&self, verdict: Verdict) -> u64 {
        self.of_verdict(verdict).load(Ordering::Relaxed)
    }

    /// Requests since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The runs of `version` of `model`.
    pub fn of(&self, model: &ModelId, version: &str) -> ModelCounts {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        let counters = models.get(model).and_then(|versions| versions.get(version));
        counters.map_or_else(ModelCounts::default, |counters| ModelCounts {
            done: counters.done.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_counted_by_their_verdicts() {
        let statistics = Statistics::default();
        let decide = |action, verdict| {
            statistics.decided(Decision {
                action,
                model: None,
                principal: None,
                verdict,
                time: Duration::ZERO,
            });
        };
        decide(Some("infer"), Verdict::Allowed);
        decide(Some("infer"), Verdict::Allowed);
        decide(Some("authenticate"), Verdict::Denied);
        decide(None, Verdict::Failed);
        let counted = [Verdict::Allowed, Verdict::Denied, Verdict::Failed].map(|v| statistics.decisions(v));
        assert_eq!(counted, [2, 1, 0], "where there is nothing to decide, nothing is counted");
    }
}
