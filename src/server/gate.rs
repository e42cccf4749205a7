//! Around every route: names the request and the caller, records the decision,
//! sets the headers that every response has.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::HEXLOWER;
use tokio::sync::oneshot;

use super::app::{App, Snapshot};
use super::body;
use super::fault::Fault;
use crate::audit::{Event, Mode, Verdict};
use crate::auth::{Evidence, Principal};
use crate::crypto::random;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The caller, proven, and the snapshot that proved it.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    #[expect(dead_code, reason = "keeps one snapshot in force for the whole request")]
    snapshot: Arc<Snapshot>,
}

/// What a handler tells about its decision, for the audit log; travels as an
/// extension of the response.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) action: &'static str,
    pub(super) model: Option<String>,
    pub(super) request_bytes: u64,
    pub(super) fault: Option<Fault>,
}

/// Demands a credential: inside this layer there is a [`Caller`].
pub(super) async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match identify(&app, request.headers()) {
        Ok(caller) => {
            let principal = caller.principal.clone();
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(principal);
            response
        }
        Err(fault) => {
            body::drain(request.into_body()).await;
            refuse(fault, Account { action: "authenticate", ..Account::default() })
        }
    }
}

fn identify(app: &App, headers: &HeaderMap) -> Result<Caller, Fault> {
    let snapshot = app.trusted_snapshot()?;
    let evidence = Evidence {
        authorization: headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect(),
        api_keys: headers.get_all(API_KEY).iter().count(),
    };
    let principal = snapshot.authenticator.authenticate(&evidence, app.clock.unix())?;
    Ok(Caller { principal, snapshot })
}

/// A refusal that [`record`] will write down and turn into a response.
pub(super) fn refuse(fault: Fault, account: Account) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = fault.status;
    response.extensions_mut().insert(Account { fault: Some(fault), ..account });
    response
}

/// The outermost layer: what comes out of here is recorded and complete.
pub(super) async fn record(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = HEXLOWER.encode(&random::bytes::<16>());
    app.requests.fetch_add(1, Ordering::Relaxed);
    // Every connection carries it; an address that says nothing stands in where a test does not.
    let source = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());

    let mut response = next.run(request).await;

    let account = response.extensions_mut().remove::<Account>();
    let principal = response.extensions_mut().remove::<Principal>();
    if let Some(account) = account {
        let fault = account.fault.clone();
        if let Some(fault) = &fault {
            response = fault.response(&request_id);
        }
        let event = event(&request_id, source, account, principal.as_ref(), &response, started);
        if principal.is_none() && fault.is_some() {
            app.refusals.count(event);
        } else if app.audit.mode() == Mode::BestEffort {
            app.audit.record(event);
        } else if !durably(&app, event).await {
            response = Fault::unrecorded().response(&request_id);
        }
    }
    finish(&mut response, &request_id);
    response
}

async fn durably(app: &App, event: Event) -> bool {
    let (done, written) = oneshot::channel();
    app.audit.record_durably(event, move |ok| {
        let _ = done.send(ok);
    });
    written.await.unwrap_or(false)
}

fn event(
    request_id: &str,
    source: IpAddr,
    account: Account,
    principal: Option<&Principal>,
    response: &Response,
    started: Instant,
) -> Event {
    let (verdict, reason, detail) = match &account.fault {
        None => (Verdict::Allowed, None, None),
        Some(fault) => {
            let failed = fault.status.is_server_error() || fault.status == StatusCode::TOO_MANY_REQUESTS;
            let verdict = if failed { Verdict::Failed } else { Verdict::Denied };
            (verdict, Some(fault.code), Some(fault.detail.clone().unwrap_or_else(|| fault.message.clone())))
        }
    };
    Event {
        request_id: request_id.to_owned(),
        principal: principal.map(|p| p.name().to_owned()),
        proof: principal.map(Principal::proof),
        key: principal.map(|p| p.key().to_owned()),
        token: principal.map(|p| p.token().to_owned()),
        source,
        action: account.action,
        model: account.model,
        verdict,
        reason,
        detail,
        status: response.status().as_u16(),
        request_bytes: account.request_bytes,
        response_bytes: axum::body::HttpBody::size_hint(response.body()).exact().unwrap_or(0),
        microseconds: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        count: None,
    }
}

fn finish(response: &mut Response, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
}
