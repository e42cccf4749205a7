//! Loads models at the start, and withdraws them when the keyring demands it. Each file is opened
//! with the keyring of that moment, since loading can take minutes.

use std::sync::Arc;

use super::ServerError;
use super::app::App;
use crate::audit::{Event, RequestId, Verdict};
use crate::clock::{Clock, UnixSeconds};
use crate::container::{Identities, Kek, Others, SignaturePolicy, TrustedSigner};
use crate::keyring::{KeyUse, Keyring, Store};
use crate::progress::Progress;
use crate::runtime::Runtime;
use crate::secret::Secret;
use crate::serving::{self, LoadError, Model, ModelSpec, Refusal, Registry};

/// Loads models, each with the newest keyring.
pub(super) struct Loader<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a dyn Clock,
    pub(super) runtime: Runtime,
    pub(super) progress: &'a dyn Progress,
}

impl Loader<'_> {
    /// Loads `models`. A model that a revoked key withdraws is not opened, and the others are
    /// served without it. Any other failure to open a model is an error.
    pub(super) fn load(&self, models: Vec<ModelSpec>, others: Others) -> Result<Registry, ServerError> {
        let registry = Registry::default();
        let mut identities = Identities { keys: Vec::new(), others };
        let mut latest = self.store.read()?;
        for mut spec in models {
            let keyring = self.store.read()?;
            latest.require_not_newer_than(&keyring, self.store.path())?;
            latest = keyring;
            let now = self.clock.unix();
            identities.keys = model_keys(&latest, now);
            let dropped = drop_revoked(&mut spec.signatures, &latest, now);
            let model = match serving::load(self.runtime, &spec, &identities, self.progress) {
                Err(error) => match withdraws(&error, &spec, &dropped, &latest, now) {
                    Some(refusal) => Model::withdrawn(&spec, refusal),
                    None => return Err(error.into()),
                },
                loaded => loaded?,
            };
            registry.insert(model);
        }
        Ok(registry)
    }
}

/// Checks the loaded models against `keyring`, the next one in force, and withdraws those whose
/// key was revoked with `--unload`. Returns the models with a new refusal.
pub(super) fn judge(registry: &Registry, keyring: &Keyring, now: UnixSeconds) -> Vec<(Arc<Model>, Refusal)> {
    let judged = |model: &Arc<Model>| Some((Arc::clone(model), model.obey(keyring, now)?));
    registry.all().into_iter().filter_map(|model| judged(&model)).collect()
}

/// Logs and records what [`judge`] found.
pub(super) fn tell(app: &App, refused: &[(Arc<Model>, Refusal)]) {
    for (model, refusal) in refused {
        if refusal.unload {
            report_withdrawn(app, model, refusal);
        } else {
            let (model, key, state) = (model.id(), &refusal.id, refusal.state);
            tracing::warn!(%model, %key, %state, "the key that this model hangs on is not accepted any more; it stays loaded");
        }
    }
}

/// Logs and records the models that were withdrawn before the start.
pub(super) fn report(app: &App) {
    for (model, refusal) in withdrawn(&app.core.registry) {
        report_withdrawn(app, &model, &refusal);
    }
}

/// The withdrawn models, and why.
pub(super) fn withdrawn(registry: &Registry) -> impl Iterator<Item = (Arc<Model>, Refusal)> {
    let withdrawn = registry.all().into_iter().filter(|model| model.require_served().is_err());
    withdrawn.filter_map(|model| model.refusal().map(|refusal| (model, refusal)))
}

/// Logs that `model` is withdrawn.
pub(super) fn warn_withdrawn(model: &Model, refusal: &Refusal) {
    let (model, key) = (model.id(), &refusal.id);
    tracing::warn!(%model, %key, "the model is withdrawn: the key that it hangs on was revoked with --unload");
}

fn report_withdrawn(app: &App, model: &Model, refusal: &Refusal) {
    let (id, key) = (model.id(), &refusal.id);
    app.core.audit.record(Event {
        request_id: RequestId::next(),
        actor: None,
        key: Some(refusal.id.clone()),
        request_key: None,
        source: None,
        action: "withdraw",
        model: Some(id.as_str().into()),
        verdict: Verdict::Allowed,
        reason: None,
        detail: Some(format!(
            "{} key '{key}' is {}, and what hangs on it is withdrawn",
            refusal.usage, refusal.state
        )),
        status: 0,
        request_bytes: 0,
        response_bytes: 0,
        microseconds: 0,
        count: None,
    });
    warn_withdrawn(model, refusal);
}

/// Fails if a loaded model would not be opened now, or if no model is left.
pub(super) fn require_accepted(registry: &Registry) -> Result<(), ServerError> {
    for model in registry.all() {
        match model.refusal() {
            Some(refusal) if !refusal.unload => {
                return Err(ServerError::Refused { model: model.id().to_string(), refusal });
            }
            _ => {}
        }
    }
    if registry.serves() { Ok(()) } else { Err(ServerError::AllWithdrawn) }
}

/// The key of `keyring` that withdraws the model of `spec`, if that is why loading failed: the
/// file is encrypted for that key, or signed with it, and it was revoked with `--unload`.
fn withdraws(
    error: &LoadError,
    spec: &ModelSpec,
    dropped: &[TrustedSigner],
    keyring: &Keyring,
    now: UnixSeconds,
) -> Option<Refusal> {
    if !error.is_refusal() {
        return None;
    }
    let (keys, signers) = serving::claimed(spec).ok()?;
    let signers = signers.iter().filter(|id| dropped.iter().any(|signer| signer.id() == **id));
    let kids = keys.iter().map(ToString::to_string).chain(signers.map(ToString::to_string));
    let mut refused = kids.filter_map(|kid| keyring.refused(&kid, now)).filter(|key| key.unload);
    refused.next().map(|key| Refusal::new(key, now))
}

/// Removes trusted signers whose keys are revoked, and returns them.
fn drop_revoked(policy: &mut SignaturePolicy, keyring: &Keyring, now: UnixSeconds) -> Vec<TrustedSigner> {
    let refused = |signer: &TrustedSigner| keyring.refuses(&signer.id().to_string(), now);
    let (dropped, trusted) = policy.trusted.iter().partition(|signer| refused(signer).is_some());
    policy.trusted = trusted;
    let dropped: Vec<TrustedSigner> = dropped;
    for signer in &dropped {
        tracing::warn!(signer = %signer.id(), "this trusted signer is not trusted any more: its key is revoked");
    }
    dropped
}

/// The model keys that are accepted now.
fn model_keys(keyring: &Keyring, now: UnixSeconds) -> Vec<Kek> {
    let accepted = keyring.of(KeyUse::Model).filter(|key| key.state_at(now).is_accepted());
    accepted.filter_map(|key| Secret::from_slice(key.secret.expose())).map(Kek::new).collect()
}
