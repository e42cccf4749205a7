//! Signed requests and responses (RFC 9421), between HTTP and `auth`.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::error::unsigned_response;
use crate::auth::{AuthError, SignedRequest};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Sha256;
use crate::pipeline::{ApiError, Presented, of_size};
use crate::server::app::App;
use crate::signing::{self, RequestHead, ResponseHead};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// The signature in `head`, if there is one. It is not verified yet.
pub(in crate::server) fn read(app: &App, head: &Parts) -> Result<Option<Presented>, AuthError> {
    let head = request_head(head);
    let Some(received) = signing::read(&head)? else { return Ok(None) };
    Ok(Some(Presented { received, is_for_us: is_ours(app, head.authority) }))
}

/// Whether `authority` names this server, by the configuration, or else by the certificate. The
/// port does not matter.
fn is_ours(app: &App, authority: &str) -> bool {
    authority.parse::<Authority>().is_ok_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        match &app.authorities[..] {
            [] => app.tls.load().answers_to(host),
            configured => configured.iter().any(|name| name.eq_ignore_ascii_case(host)),
        }
    })
}

/// The head as it was signed. Without exactly one authority, that is empty, and no signature
/// can cover it.
fn request_head(request: &Parts) -> RequestHead<'_> {
    let Parts { method, uri, headers, .. } = request;
    // In HTTP/2 and in the absolute form the authority is in the URI, which takes precedence over
    // Host (RFC 9112, section 3.2.2).
    let authority = uri.authority().map_or_else(|| host(headers), Authority::as_str);
    RequestHead { method, authority, path: uri.path(), query: uri.query(), headers }
}

/// The only Host field.
fn host(headers: &HeaderMap) -> &str {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => host,
        _ => "",
    }
}

/// Compares a body with the signed digest while it arrives.
pub(in crate::server) struct Check<'s> {
    signed: Option<&'s SignedRequest>,
    hash: Sha256,
}

impl<'s> Check<'s> {
    pub(in crate::server) fn new(signed: Option<&'s SignedRequest>) -> Self {
        Self { signed, hash: Sha256::new() }
    }

    pub(in crate::server) fn update(&mut self, data: &[u8]) -> Result<(), ApiError> {
        match self.signed.map(SignedRequest::digest) {
            None => {}
            Some(Some(_)) => self.hash.update(data),
            // It was signed without a body.
            Some(None) if data.is_empty() => {}
            Some(None) => return Err(AuthError::Digest.into()),
        }
        Ok(())
    }

    /// Fails unless the body is the signed one.
    pub(in crate::server) fn finish(self) -> Result<(), ApiError> {
        match self.signed.and_then(SignedRequest::digest) {
            Some(digest) if *digest != self.hash.finish() => Err(AuthError::Digest.into()),
            _ => Ok(()),
        }
    }
}

/// Signs `response`, which must be complete, as the response to `request`. The response to HEAD
/// has no body, so its signature covers none.
pub(in crate::server) async fn sign(
    request: &SignedRequest,
    response: Response,
    head_only: bool,
    now: UnixSeconds,
    patience: Duration,
) -> Result<Response, ApiError> {
    let (mut parts, body) = response.into_parts();
    let body = whole(body).await?;
    if !body.is_empty() && !head_only {
        let bytes = body.clone();
        let digest = move || Ok(signing::content_digest(&bytes));
        parts.headers.insert(CONTENT_DIGEST, of_size(body.len(), patience, digest).await?);
    }
    let head = ResponseHead { status: parts.status, headers: &parts.headers };
    let fields = request.sign_response(&head, now).map_err(|error| {
        tracing::error!(%error, "a response could not be signed");
        unsigned_response()
    })?;
    parts.headers.append(SIGNATURE_INPUT, fields.input);
    parts.headers.append(SIGNATURE, fields.signature);
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The bytes of `body`, which must be in memory already. The digest of a stream is not known when
/// the head is sent, so a response with a streamed body cannot be signed.
async fn whole(body: Body) -> Result<Bytes, ApiError> {
    if body.size_hint().exact().is_none() {
        return Err(unsigned_response());
    }
    Ok(body.collect().await.map_err(|_| unsigned_response())?.to_bytes())
}
