//! Who calls: inside this layer every request has a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::activity::Activity;
use super::app::{App, Snapshot};
use super::fault::Fault;
use super::ledger::{self, Account, Peer};
use super::{body, signature};
use crate::auth::{ApiKeyError, AuthError, Evidence, Principal, SignedRequest};
use crate::clock::UnixSeconds;
use crate::token::TokenError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, proven: by what, and when.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    signed: Option<Arc<SignedRequest>>,
    snapshot: Arc<Snapshot>,
    at: UnixSeconds,
    source: Option<IpAddr>,
}

/// Demands a credential, and a signature where one is needed.
pub(super) async fn authenticate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let account = parts.extensions.get::<Arc<Account>>().cloned().unwrap_or_default();
    let caller = match Caller::first_seen(&app, &parts, &account).await {
        Ok(caller) => caller.without_body(&app, &parts, &mut body).await,
        refused => refused,
    };
    match caller {
        Ok(caller) => {
            if let Some(activity) = parts.extensions.get::<Arc<Activity>>() {
                activity.authenticated();
            }
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(fault) => {
            account.decides("authenticate", None);
            ledger::refuse(fault)
        }
    }
}

impl Caller {
    /// Identifies a caller; one whose key is not known has the keyring looked at first.
    async fn first_seen(app: &App, request: &Parts, account: &Account) -> Result<Self, Fault> {
        let mut judged = Self::judge(app.trusted_snapshot()?, app, request, account);
        if judged.as_ref().is_err_and(is_unknown) {
            app.looks.fresh().await;
            judged = Self::judge(app.trusted_snapshot()?, app, request, account);
        }
        Ok(judged?)
    }

    /// Accepts a signed request of a method that has no use for a body here, and holds it to
    /// its digest all the same. Others are accepted when their bodies are read.
    async fn without_body(self, app: &App, request: &Parts, body: &mut Body) -> Result<Self, Fault> {
        if matches!(request.method, Method::GET | Method::HEAD) && self.signed.is_some() {
            body::read(app, self.signed(), std::mem::take(body)).await?;
            self.still_holds(app, &request.headers)?;
        }
        Ok(self)
    }

    fn judge(
        snapshot: Arc<Snapshot>,
        app: &App,
        request: &Parts,
        account: &Account,
    ) -> Result<Self, AuthError> {
        let at = app.clock.unix();
        let source = request.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let principal = identify(&snapshot, &request.headers, source, at)?;
        account.named(&principal);
        let signed = signature::verify(app, &snapshot, &principal, request, at)?.map(Arc::new);
        if let Some(signed) = &signed {
            account.signed(signed);
        }
        Ok(Self { principal, signed, snapshot, at, source })
    }

    /// The request's signature, if it has one.
    pub(super) fn signed(&self) -> Option<&SignedRequest> {
        self.signed.as_deref()
    }

    /// Judges the caller again where time passed or the keyring changed: a request
    /// takes as long as its body and its turn in the queue, and a revocation does
    /// not wait for either.
    pub(super) fn still_holds(&self, app: &App, headers: &HeaderMap) -> Result<(), Fault> {
        let (snapshot, now) = (app.trusted_snapshot()?, app.clock.unix());
        if Arc::ptr_eq(&self.snapshot, &snapshot) && self.at == now {
            return Ok(());
        }
        let principal = identify(&snapshot, headers, self.source, now)?;
        let signed = self.signed();
        Ok(signed.map_or(Ok(()), |signed| snapshot.request_keys.still_accept(signed, &principal, now))?)
    }
}

fn identify(
    snapshot: &Snapshot,
    headers: &HeaderMap,
    source: Option<IpAddr>,
    now: UnixSeconds,
) -> Result<Principal, AuthError> {
    let evidence = Evidence {
        authorization: headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect(),
        api_keys: headers.get_all(API_KEY).iter().map(HeaderValue::as_bytes).collect(),
        source,
    };
    snapshot.authenticator.authenticate(&evidence, now)
}

/// Whether a newer keyring may know the key.
fn is_unknown(error: &AuthError) -> bool {
    matches!(
        error,
        AuthError::Token(TokenError::UnknownKey { .. })
            | AuthError::ApiKey(ApiKeyError::Unknown { .. })
            | AuthError::UnknownRequestKey { .. }
    )
}
