//! The outermost layer: names each request, writes down what was decided, however
//! the request ends, and completes the response.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::HEXLOWER;
use tokio::sync::oneshot;

use super::signature;
use crate::audit::{Event, Mode, Verdict};
use crate::auth::{Principal, SignedRequest};
use crate::crypto::random;
use crate::server::api_error::ApiError;
use crate::server::app::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// nginx's number for a client that did not wait; it is on no wire.
const CLIENT_GONE: u16 = 499;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Peer(pub(in crate::server) SocketAddr);

/// What is known of a request so far.
#[derive(Default)]
pub(in crate::server) struct AuditContext(Mutex<Entry>);

#[derive(Default)]
struct Entry {
    principal: Option<Principal>,
    signed: Option<Arc<SignedRequest>>,
    /// Empty: there is nothing to decide.
    action: &'static str,
    model: Option<String>,
    request_bytes: u64,
}

impl AuditContext {
    /// The caller is `principal`.
    pub(in crate::server) fn named(&self, principal: &Principal) {
        self.change(|entry| entry.principal = Some(principal.clone()));
    }

    /// The request is signed, and so will the response be.
    pub(in crate::server) fn signed(&self, request: &Arc<SignedRequest>) {
        self.change(|entry| entry.signed = Some(Arc::clone(request)));
    }

    /// The caller wants to do `action`, perhaps on `model`.
    pub(in crate::server) fn decides(&self, action: &'static str, model: Option<&str>) {
        // The path is the caller's text; the log keeps a bounded piece of it.
        let model = model.map(|model| model.chars().take(128).collect());
        self.change(|entry| (entry.action, entry.model) = (action, model));
    }

    /// The body has `bytes`.
    pub(in crate::server) fn received(&self, bytes: usize) {
        self.change(|entry| entry.request_bytes = bytes as u64);
    }

    /// The signature of the request, if it has one that holds.
    fn signature(&self) -> Option<Arc<SignedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).signed.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What must still hold when a response goes out: to write, compress and sign it takes time.
#[derive(Clone)]
pub(in crate::server) struct Condition(Arc<Holds>);

type Holds = dyn Fn(&App) -> Result<(), ApiError> + Send + Sync;

/// Has `response` go out only if this `holds`, besides what had to hold before.
pub(in crate::server) fn demand(
    response: &mut Response,
    holds: impl Fn(&App) -> Result<(), ApiError> + Send + Sync + 'static,
) {
    let condition = match response.extensions_mut().remove::<Condition>() {
        None => Condition(Arc::new(holds)),
        Some(Condition(before)) => Condition(Arc::new(move |app| before(app).and_then(|()| holds(app)))),
    };
    response.extensions_mut().insert(condition);
}

/// The response that says `error`; [`record`] completes it.
pub(in crate::server) fn refuse(error: ApiError) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = error.status;
    response.extensions_mut().insert(error);
    response
}

/// The whole response, as bytes of HTTP/1.1, to a request from `peer` that could not be
/// parsed: hyper has a status for it and no more.
pub(in crate::server) fn refuse_early(app: &Arc<App>, peer: SocketAddr, status: StatusCode) -> Vec<u8> {
    refuse_unheard(app, peer, ApiError::unparsed(status))
}

/// The whole response, as bytes of HTTP/1.1, that says `error`; the connection closes.
pub(in crate::server) fn refuse_unheard(app: &Arc<App>, peer: SocketAddr, error: ApiError) -> Vec<u8> {
    app.requests.fetch_add(1, Ordering::Relaxed);
    let pending = PendingRecord::new(app, peer.ip());
    let mut response = error.document(&pending.request_id);
    finish(&mut response, &pending.request_id, app.hsts);
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    pending.count(error);
    bytes
}

/// The layer.
pub(in crate::server) async fn record(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    app.requests.fetch_add(1, Ordering::Relaxed);
    // Every connection carries its peer.
    let source = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let pending = PendingRecord::new(&app, source);
    request.extensions_mut().insert(Arc::clone(&pending.account));

    let head_only = request.method() == Method::HEAD;

    // What was refused before it came here has nothing to run.
    let mut response = match request.extensions_mut().remove::<ApiError>() {
        Some(error) => refuse(error),
        None => next.run(request).await,
    };
    let app = Arc::clone(&pending.app);
    let last = ResponseFinisher {
        app: &app,
        request_id: pending.request_id.clone(),
        signed: pending.account.signature(),
        head_only,
    };
    let mut error = response.extensions_mut().remove::<ApiError>();
    let condition = response.extensions_mut().remove::<Condition>();
    let mut response = if let Some(error) = &error {
        last.refusal(error).await
    } else {
        let complete = last.complete(response).await;
        let holds = || condition.map_or(Ok(()), |Condition(holds)| holds(&app));
        match complete.and_then(|response| holds().map(|()| response)) {
            Ok(response) => response,
            Err(late) => last.refusal(error.insert(late)).await,
        }
    };
    // What is written down is what goes out.
    let bytes = response.body().size_hint().exact().unwrap_or(0);
    if let Err(unrecorded) = pending.close(error, response.status(), bytes).await {
        response = last.refusal(&unrecorded).await;
    }
    response
}

/// What is done to every response last.
struct ResponseFinisher<'a> {
    app: &'a App,
    request_id: String,
    signed: Option<Arc<SignedRequest>>,
    /// The request is a HEAD, whose response has no body.
    head_only: bool,
}

impl ResponseFinisher<'_> {
    /// Adds the fields that every response has, and the signature that is due.
    async fn complete(&self, mut response: Response) -> Result<Response, ApiError> {
        finish(&mut response, &self.request_id, self.app.hsts);
        match &self.signed {
            Some(request) => {
                let (now, patience) = (self.app.clock.unix(), self.app.limits.inference_timeout.0);
                signature::sign(request, response, self.head_only, now, patience).await
            }
            None => Ok(response),
        }
    }

    /// The response that says `error`; if it cannot be signed it is one all the same.
    async fn refusal(&self, error: &ApiError) -> Response {
        if let Ok(response) = self.complete(error.response(&self.request_id)).await {
            return response;
        }
        let mut response = error.response(&self.request_id);
        finish(&mut response, &self.request_id, self.app.hsts);
        response
    }
}

/// 16 bytes in hex, never the same twice: random for this process, then counted.
pub(in crate::server) fn request_id() -> String {
    static PROCESS: LazyLock<u128> = LazyLock::new(|| u128::from_be_bytes(random::bytes()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = PROCESS.wrapping_add(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)));
    HEXLOWER.encode(&id.to_be_bytes())
}

/// A request that is not written down yet. Dropped before it was closed, its
/// client has gone, and that is written down.
struct PendingRecord {
    app: Arc<App>,
    account: Arc<AuditContext>,
    request_id: String,
    source: IpAddr,
    started: Instant,
    closed: bool,
}

impl PendingRecord {
    fn new(app: &Arc<App>, source: IpAddr) -> Self {
        Self {
            app: Arc::clone(app),
            account: Arc::default(),
            request_id: request_id(),
            source,
            started: Instant::now(),
            closed: false,
        }
    }

    /// Counts the refusal of a stranger whose request was never read.
    fn count(mut self, error: ApiError) {
        self.closed = true;
        if let Some(mut event) = self.event(true) {
            event.status = error.status.as_u16();
            refused(&mut event, error);
            self.app.denials.count(event);
        }
    }

    async fn close(
        mut self,
        error: Option<ApiError>,
        status: StatusCode,
        bytes: u64,
    ) -> Result<(), ApiError> {
        self.closed = true;
        let Some(mut event) = self.event(error.is_some()) else { return Ok(()) };
        event.status = status.as_u16();
        event.response_bytes = bytes;
        let stranger = event.principal.is_none() && error.is_some();
        if let Some(error) = error {
            refused(&mut event, error);
        }
        if stranger {
            self.app.denials.count(event);
        } else if self.app.audit.mode() == Mode::BestEffort {
            self.app.audit.record(event);
        } else {
            let (done, written) = oneshot::channel();
            self.app.audit.record_durably(event, move |ok| {
                let _ = done.send(ok);
            });
            if !written.await.unwrap_or(false) {
                return Err(ApiError::unrecorded());
            }
        }
        Ok(())
    }

    /// What is to be written down, if anything is.
    fn event(&self, refused: bool) -> Option<Event> {
        let entry = std::mem::take(&mut *self.account.0.lock().unwrap_or_else(PoisonError::into_inner));
        let action = match entry.action {
            "" if refused => "route",
            "" => return None,
            action => action,
        };
        Some(Event {
            request_id: self.request_id.clone(),
            principal: entry.principal.as_ref().map(|p| p.name().to_owned()),
            proof: entry.principal.as_ref().map(Principal::proof),
            key: entry.principal.as_ref().map(|p| p.key().to_owned()),
            token: entry.principal.as_ref().and_then(|p| p.token().map(ToOwned::to_owned)),
            request_key: entry.signed.as_ref().map(|request| request.key().to_owned()),
            source: Some(self.source),
            action,
            model: entry.model,
            verdict: Verdict::Allowed,
            reason: None,
            detail: None,
            status: 0,
            request_bytes: entry.request_bytes,
            response_bytes: 0,
            microseconds: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            count: None,
        })
    }
}

/// Writes down that, and why, a request was refused.
fn refused(event: &mut Event, error: ApiError) {
    let failed = error.status.is_server_error() || error.status == StatusCode::TOO_MANY_REQUESTS;
    event.verdict = if failed { Verdict::Failed } else { Verdict::Denied };
    event.reason = Some(error.reason.unwrap_or(error.code));
    event.detail = Some(error.detail.unwrap_or(error.message));
}

impl Drop for PendingRecord {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        if let Some(mut event) = self.event(false) {
            event.verdict = Verdict::Failed;
            event.reason = Some("client_gone");
            event.status = CLIENT_GONE;
            self.app.audit.record(event);
        }
    }
}

/// The headers that every response has.
fn finish<B>(response: &mut Response<B>, request_id: &str, hsts: bool) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
