//! Who calls: inside this layer every request has a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::app::{App, Snapshot};
use super::body;
use super::fault::Fault;
use super::ledger::{self, Account, Peer};
use crate::auth::{ApiKeyError, AuthError, Evidence, Principal};
use crate::clock::UnixSeconds;
use crate::token::TokenError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, proven: by what, and when.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    snapshot: Arc<Snapshot>,
    at: UnixSeconds,
    source: Option<IpAddr>,
}

/// Demands a credential.
pub(super) async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let source = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    match Caller::first_seen(&app, request.headers(), source).await {
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
    async fn first_seen(app: &App, headers: &HeaderMap, source: Option<IpAddr>) -> Result<Self, Fault> {
        match Self::judged(app.trusted_snapshot()?, app, headers, source) {
            Err(
                AuthError::Token(TokenError::UnknownKey { .. })
                | AuthError::ApiKey(ApiKeyError::Unknown { .. }),
            ) => {
                app.looks.fresh().await;
                Self::identify(app, headers, source)
            }
            other => Ok(other?),
        }
    }

    fn identify(app: &App, headers: &HeaderMap, source: Option<IpAddr>) -> Result<Self, Fault> {
        Ok(Self::judged(app.trusted_snapshot()?, app, headers, source)?)
    }

    fn judged(
        snapshot: Arc<Snapshot>,
        app: &App,
        headers: &HeaderMap,
        source: Option<IpAddr>,
    ) -> Result<Self, AuthError> {
        let at = app.clock.unix();
        let evidence = Evidence {
            authorization: headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect(),
            api_keys: headers.get_all(API_KEY).iter().map(HeaderValue::as_bytes).collect(),
            source,
        };
        let principal = snapshot.authenticator.authenticate(&evidence, at)?;
        Ok(Self { principal, snapshot, at, source })
    }

    /// Judges the caller again where time passed or the keyring changed: a request
    /// takes as long as its body and its turn in the queue, and a revocation does
    /// not wait for either.
    pub(super) fn still_holds(&self, app: &App, headers: &HeaderMap) -> Result<(), Fault> {
        let same = Arc::ptr_eq(&self.snapshot, &app.trusted_snapshot()?);
        if same && self.at == app.clock.unix() {
            Ok(())
        } else {
            Self::identify(app, headers, self.source).map(drop)
        }
    }
}
