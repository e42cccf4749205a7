//! Who calls: inside this layer every request has a [`Caller`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::app::{App, Snapshot};
use super::body;
use super::fault::Fault;
use super::ledger::{self, Account};
use crate::auth::{AuthError, Evidence, Principal};
use crate::clock::UnixSeconds;
use crate::token::TokenError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, proven: by what, and when.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    snapshot: Arc<Snapshot>,
    at: UnixSeconds,
}

/// Demands a credential.
pub(super) async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match Caller::first_seen(&app, request.headers()).await {
        Ok(caller) => {
            if let Some(account) = request.extensions().get::<Arc<Account>>() {
                account.named(&caller.principal);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(fault) => {
            if let Some(account) = request.extensions().get::<Arc<Account>>() {
                account.decides("authenticate", None);
            }
            body::drain(request.into_body()).await;
            ledger::refuse(fault)
        }
    }
}

impl Caller {
    /// Identifies a caller; one whose key is not known has the keyring looked at first.
    async fn first_seen(app: &App, headers: &HeaderMap) -> Result<Self, Fault> {
        match Self::judged(app.trusted_snapshot()?, app, headers) {
            Err(AuthError::Token(TokenError::UnknownKey { .. })) => {
                app.looks.fresh().await;
                Self::identify(app, headers)
            }
            other => Ok(other?),
        }
    }

    fn identify(app: &App, headers: &HeaderMap) -> Result<Self, Fault> {
        Ok(Self::judged(app.trusted_snapshot()?, app, headers)?)
    }

    fn judged(snapshot: Arc<Snapshot>, app: &App, headers: &HeaderMap) -> Result<Self, AuthError> {
        let at = app.clock.unix();
        let evidence = Evidence {
            authorization: headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect(),
            api_keys: headers.get_all(API_KEY).iter().count(),
        };
        let principal = snapshot.authenticator.authenticate(&evidence, at)?;
        Ok(Self { principal, snapshot, at })
    }

    /// Judges the caller again where time passed or the keyring changed: a request
    /// takes as long as its body and its turn in the queue, and a revocation does
    /// not wait for either.
    pub(super) fn still_holds(&self, app: &App, headers: &HeaderMap) -> Result<(), Fault> {
        let same = Arc::ptr_eq(&self.snapshot, &app.trusted_snapshot()?);
        if same && self.at == app.clock.unix() { Ok(()) } else { Self::identify(app, headers).map(drop) }
    }
}
