//! Who calls: inside this layer every request has a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::request_audit::{self, AuditContext, Peer};
use super::{body, signature};
use crate::auth::{ApiKeyError, AuthError, Evidence, Principal, SignedRequest};
use crate::clock::UnixSeconds;
use crate::server::api_error::ApiError;
use crate::server::app::{App, Snapshot};
use crate::server::edge::activity::Activity;
use crate::token::TokenError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, proven: by what, and when.
#[derive(Clone)]
pub(in crate::server) struct Caller {
    pub(in crate::server) principal: Principal,
    signed: Option<Arc<SignedRequest>>,
    snapshot: Arc<Snapshot>,
    at: UnixSeconds,
    credentials: Arc<Credentials>,
}

/// What a request says of its caller.
struct Credentials {
    authorization: Vec<HeaderValue>,
    api_keys: Vec<HeaderValue>,
    source: Option<IpAddr>,
}

/// Demands a credential, and a signature where one is needed.
pub(in crate::server) async fn authenticate(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let account = parts.extensions.get::<Arc<AuditContext>>().cloned().unwrap_or_default();
    let caller = match Caller::first_seen(&app, &parts, &account).await {
        Ok(caller) => caller.without_body(&app, &parts, &mut body).await,
        refused => refused,
    };
    match caller {
        Ok(caller) => {
            if let Some(activity) = parts.extensions.get::<Arc<Activity>>() {
                activity.authenticated();
            }
            parts.extensions.insert(caller.clone());
            let mut response = next.run(Request::from_parts(parts, body)).await;
            request_audit::demand(&mut response, move |app| caller.still_holds(app));
            response
        }
        Err(error) => {
            account.decides("authenticate", None);
            request_audit::refuse(error)
        }
    }
}

impl Caller {
    /// Identifies a caller; one whose key is not known has the keyring looked at first.
    async fn first_seen(app: &App, request: &Parts, account: &AuditContext) -> Result<Self, ApiError> {
        let mut judged = Self::judge(app.trusted_snapshot()?, app, request, account);
        if judged.as_ref().is_err_and(is_unknown) {
            app.refresh.fresh().await;
            judged = Self::judge(app.trusted_snapshot()?, app, request, account);
        }
        Ok(judged?)
    }

    /// Reads the body of a method that has no use for one here: a signed request is held to
    /// its digest all the same, and no answer waits for what is left of a body. Other requests
    /// are accepted when their bodies are read.
    async fn without_body(self, app: &App, request: &Parts, body: &mut Body) -> Result<Self, ApiError> {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        if is_read && (self.signed.is_some() || !body.is_end_stream()) {
            body::read(app, self.signed(), std::mem::take(body)).await?;
            self.still_holds(app)?;
        }
        Ok(self)
    }

    fn judge(
        snapshot: Arc<Snapshot>,
        app: &App,
        request: &Parts,
        account: &AuditContext,
    ) -> Result<Self, AuthError> {
        let at = app.clock.unix();
        let source = request.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let credentials = Arc::new(Credentials::of(&request.headers, source));
        let principal = credentials.identify(&snapshot, at)?;
        account.named(&principal);
        let signed = signature::verify(app, &snapshot, &principal, request, at)?.map(Arc::new);
        if let Some(signed) = &signed {
            account.signed(signed);
        }
        Ok(Self { principal, signed, snapshot, at, credentials })
    }

    /// The request's signature, if it has one.
    pub(in crate::server) fn signed(&self) -> Option<&SignedRequest> {
        self.signed.as_deref()
    }

    /// Judges the caller again where time passed or the keyring changed: a request
    /// takes as long as its body and its turn in the queue, and a revocation does
    /// not wait for either.
    pub(in crate::server) fn still_holds(&self, app: &App) -> Result<(), ApiError> {
        let (snapshot, now) = (app.trusted_snapshot()?, app.clock.unix());
        if Arc::ptr_eq(&self.snapshot, &snapshot) && self.at == now {
            return Ok(());
        }
        let principal = self.credentials.identify(&snapshot, now)?;
        let signed = self.signed();
        Ok(signed.map_or(Ok(()), |signed| snapshot.request_keys.still_accept(signed, &principal, now))?)
    }
}

impl Credentials {
    fn of(headers: &HeaderMap, source: Option<IpAddr>) -> Self {
        let all = |name| headers.get_all(name).iter().cloned().collect();
        Self { authorization: all(header::AUTHORIZATION), api_keys: all(API_KEY), source }
    }

    /// Whom they name.
    fn identify(&self, snapshot: &Snapshot, now: UnixSeconds) -> Result<Principal, AuthError> {
        let evidence = Evidence {
            authorization: self.authorization.iter().map(HeaderValue::as_bytes).collect(),
            api_keys: self.api_keys.iter().map(HeaderValue::as_bytes).collect(),
            source: self.source,
        };
        snapshot.authenticator.authenticate(&evidence, now)
    }
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
