//! The record of one request: what is known about it so far, and how it ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::caller::Evidence;
use super::{ApiError, Caller, Core, Decision, Presented};
use crate::audit::{Event, Mode, RequestId, Verdict};
use crate::auth::{AuthError, ConnectionInfo, Credential, Principal, SignedRequest};
use crate::crypto::random;
use crate::serving::Model;

/// nginx's status code for a client that went away. It is never sent.
const CLIENT_GONE: u16 = 499;
/// The log keeps this many characters of a model's name, which the caller chooses.
const NAME: usize = 128;

impl RequestId {
    /// A new id: a random start for each process, then a counter.
    pub fn next() -> Self {
        static PROCESS: LazyLock<u128> = LazyLock::new(|| u128::from_be_bytes(random::bytes()));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(PROCESS.wrapping_add(u128::from(COUNT.fetch_add(1, Ordering::Relaxed))))
    }
}

/// The record of one request. If it is dropped before it is [closed](Self::close), it records
/// that the client went away.
pub struct Record {
    core: Arc<Core>,
    connection: Arc<ConnectionInfo>,
    id: RequestId,
    started: Instant,
    entry: Mutex<Entry>,
    closed: AtomicBool,
}

/// What is known about a request so far.
#[derive(Default)]
struct Entry {
    principal: Option<Principal>,
    caller: Option<Caller>,
    /// `None` if there is nothing to decide.
    action: Option<&'static str>,
    /// The model's name as the caller wrote it.
    name: Option<Arc<str>>,
    model: Option<Arc<Model>>,
    request_bytes: u64,
}

impl Core {
    /// Opens the record of a request that came on `connection`.
    pub fn begin(self: &Arc<Self>, connection: &Arc<ConnectionInfo>) -> Record {
        self.statistics.began();
        Record {
            core: Arc::clone(self),
            connection: Arc::clone(connection),
            id: RequestId::next(),
            started: Instant::now(),
            entry: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }
}

impl Record {
    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The state that all requests share.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Authenticates the request by its `credentials`, of which there must be exactly one, and by
    /// its `signature`, if it has one.
    pub async fn authenticate(
        &self,
        credentials: Arc<[Credential]>,
        signature: impl Fn() -> Result<Option<Presented>, AuthError>,
    ) -> Result<Caller, ApiError> {
        let evidence = Evidence { connection: &self.connection, credentials, signature };
        let named = |principal: &Principal| self.entry().principal = Some(principal.clone());
        let caller = Caller::authenticate(&self.core, evidence, named).await;
        match caller {
            Ok(caller) => {
                self.entry().caller = Some(caller.clone());
                Ok(caller)
            }
            Err(error) => {
                self.decides("authenticate", None);
                Err(error)
            }
        }
    }

    /// The request's connection.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Records that the request is for `action`, on `model` if it names one.
    pub fn decides(&self, action: &'static str, model: Option<&str>) {
        let name = model.map(|model| match model.char_indices().nth(NAME) {
            Some((end, _)) => model[..end].into(),
            None => model.into(),
        });
        let mut entry = self.entry();
        (entry.action, entry.name) = (Some(action), name);
    }

    /// Records that the request may use `model`.
    pub(super) fn permitted(&self, model: &Arc<Model>) {
        self.entry().model = Some(Arc::clone(model));
    }

    /// Records the size of the body.
    pub fn received(&self, bytes: usize) {
        self.entry().request_bytes = bytes as u64;
    }

    /// The request's signature, if it was verified. Its response is then signed too.
    pub fn signed(&self) -> Option<Arc<SignedRequest>> {
        self.entry().caller.as_ref().and_then(Caller::signed).map(Arc::clone)
    }

    /// Checks again that the credential is valid and the model is served.
    pub fn still_holds(&self) -> Result<(), ApiError> {
        let (caller, model) = {
            let entry = self.entry();
            (entry.caller.clone(), entry.model.clone())
        };
        caller.map_or(Ok(()), |caller| caller.still_holds(&self.core))?;
        Ok(model.map_or(Ok(()), |model| model.require_served())?)
    }

    /// Records how the request ends: with `error` if it failed, and with a response of `status`
    /// and `bytes`. If this fails, the audit log could not be written, and the response must not
    /// be sent.
    pub async fn close(&self, error: Option<ApiError>, status: u16, bytes: u64) -> Result<(), ApiError> {
        let Some((mut event, stranger)) = self.end(error) else { return Ok(()) };
        (event.status, event.response_bytes) = (status, bytes);
        let audit = &self.core.audit;
        if stranger {
            self.core.denials.count(event, self.connection.network());
        } else if audit.mode() == Mode::BestEffort {
            audit.record(event);
        } else {
            let (done, written) = oneshot::channel();
            audit.record_durably(event, move |ok| {
                let _ = done.send(ok);
            });
            if !written.await.unwrap_or(false) {
                return Err(ApiError::unrecorded());
            }
        }
        Ok(())
    }

    /// Records the denial of a request that was not read, with `status`.
    pub fn close_unread(self, error: ApiError, status: u16) {
        if let Some((mut event, _)) = self.end(Some(error)) {
            event.status = status;
            self.core.denials.count(event, self.connection.network());
        }
    }

    /// Closes the record, with `error` if the request failed. Returns the event, if one is to be
    /// written, and whether the caller is anonymous.
    fn end(&self, error: Option<ApiError>) -> Option<(Event, bool)> {
        let verdict = match &error {
            None => Verdict::Allowed,
            Some(error) if error.class().is_failure() => Verdict::Failed,
            Some(_) => Verdict::Denied,
        };
        let mut event = self.event(verdict, error.is_some())?;
        let stranger = event.actor.is_none() && error.is_some();
        if let Some(error) = error {
            let (reason, detail) = error.into_record();
            (event.reason, event.detail) = (Some(reason), Some(detail));
        }
        Some((event, stranger))
    }

    /// Marks the record as closed and counts the decision. Returns the event, if one is to be
    /// written.
    fn event(&self, verdict: Verdict, refused: bool) -> Option<Event> {
        self.closed.store(true, Ordering::Relaxed);
        let entry = std::mem::take(&mut *self.entry());
        let time = self.started.elapsed();
        let action = entry.action.or(refused.then_some("route"));
        self.core.statistics.decided(Decision {
            action,
            model: entry.model.as_deref(),
            principal: entry.principal.as_ref().map(Principal::name),
            verdict,
            time,
        });
        let signed = entry.caller.as_ref().and_then(Caller::signed);
        Some(Event {
            request_id: self.id,
            actor: entry.principal.as_ref().map(|principal| Arc::clone(principal.actor())),
            key: None,
            request_key: signed.map(|signed| signed.key_id()),
            source: self.connection.source(),
            action: action?,
            model: entry.name,
            verdict,
            reason: None,
            detail: None,
            status: 0,
            request_bytes: entry.request_bytes,
            response_bytes: 0,
            microseconds: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            count: None,
        })
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        if let Some(mut event) = self.event(Verdict::Failed, false) {
            (event.reason, event.status) = (Some("client_gone"), CLIENT_GONE);
            self.core.audit.record(event);
        }
    }
}
