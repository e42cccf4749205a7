//! One permitted call of a model.

use std::sync::{Arc, Mutex, PoisonError};

use super::{ApiError, Caller, Record, Statistics, offload};
use crate::auth::{Action, ModelId, Permit};
use crate::runtime::Allowance;
use crate::serving::{Bounds, Model, Tensors};

/// One permitted call of a model. Before each step, the caller's credential is checked again.
pub struct Call<'r> {
    record: &'r Record,
    caller: Caller,
    model: Arc<Model>,
}

impl<'r> Call<'r> {
    /// Authorizes `caller` for the first of `actions` that it may do on `model`, in `version` if
    /// one is given. The audit log names the request `action`.
    pub fn permit(
        record: &'r Record,
        caller: &Caller,
        action: &'static str,
        actions: &[Action],
        (model, version): (&str, Option<&str>),
    ) -> Result<(Permit, Self), ApiError> {
        record.decides(action, Some(model));
        let id = ModelId::new(model);
        let mut outcome = Err(ApiError::no_route());
        for action in actions {
            outcome = caller.principal().authorize(*action, &id).map_err(ApiError::from);
            if outcome.is_ok() {
                break;
            }
        }
        let permit = outcome?;
        let model = record.core().registry.get(&permit, version)?;
        record.permitted(&model);
        model.require_served()?;
        Ok((permit, Self { record, caller: caller.clone(), model }))
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Fails if the caller's credential is no longer valid.
    pub fn still_holds(&self) -> Result<(), ApiError> {
        self.caller.still_holds(self.record.core())
    }

    /// Does `work` on `size` bytes; much work leaves the threads that serve connections.
    pub async fn offload<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.still_holds()?;
        offload::of_size(size, self.record.core().limits.inference_timeout.0, work).await
    }

    /// Runs the model on `inputs`, and returns the named `outputs`, or all if none is named. The
    /// budget for answers covers their memory. Consumes the permit.
    pub async fn run(
        &self,
        permit: Permit,
        inputs: Tensors,
        outputs: Vec<String>,
    ) -> Result<Tensors, ApiError> {
        self.still_holds()?;
        let core = self.record.core();
        let memory = Mutex::new(core.answer_memory.take(0)?);
        let pay = move |bytes| memory.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes).is_ok();
        let answer = Allowance::new(core.limits.answer, pay);
        let bounds = Bounds { time: core.limits.inference_timeout.0, answer };
        let mut run = Run { statistics: &core.statistics, model: &self.model, succeeded: false };
        let outputs = self.model.infer(permit, inputs, outputs, bounds).await?;
        run.succeeded = true;
        drop(run);
        self.still_holds()?;
        Ok(outputs)
    }
}

/// Counts a run when it is dropped: also one whose caller goes away.
struct Run<'a> {
    statistics: &'a Statistics,
    model: &'a Model,
    succeeded: bool,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.statistics.ran(self.model, self.succeeded);
    }
}
