//! Authenticates requests by their header fields.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;

use super::{body, finish, signature};
use crate::auth::Credential;
use crate::pipeline::{ApiError, Caller, Record};
use crate::server::app::App;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The layer of routes that need a credential. It adds the [`Caller`] to the request.
pub(in crate::server) async fn layer(
    State(app): State<Arc<App>>,
    axum::Extension(record): axum::Extension<Arc<Record>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, mut body) = request.into_parts();
    match authenticate(&app, &record, &parts, &mut body).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => finish::refuse(error),
    }
}

/// Authenticates the caller by its credential, and by its signature if there is one or one is
/// required.
pub(in crate::server) async fn authenticate(
    app: &App,
    record: &Record,
    head: &Parts,
    body: &mut Body,
) -> Result<Caller, ApiError> {
    let signature = || signature::read(app, head);
    let caller = record.authenticate(credentials(&head.headers), signature).await?;
    // Handlers of GET and HEAD read no body, so it is read here: the digest of a signed request
    // is checked, its nonce is stored, and no unread body delays the response. For other methods
    // that happens when the handler reads the body.
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    if is_read && (caller.signed().is_some() || !body.is_end_stream()) {
        let read = body::read(&app.core, caller.signed(), std::mem::take(body)).await;
        read.map(drop).and_then(|()| caller.still_holds(&app.core)).inspect_err(|_| {
            record.decides("authenticate", None);
        })?;
    }
    record.connection().set_authenticated();
    Ok(caller)
}

/// The credentials in `headers`.
fn credentials(headers: &HeaderMap) -> Arc<[Credential]> {
    let all = |name| headers.get_all(name).iter().cloned();
    let authorization = all(header::AUTHORIZATION).map(|value| Credential::Authorization(bytes(value)));
    let api_keys = all(API_KEY).map(|value| Credential::ApiKey(bytes(value)));
    authorization.chain(api_keys).collect()
}

/// The bytes of `value`, without a copy.
fn bytes(value: HeaderValue) -> Bytes {
    Bytes::from_owner(value)
}
