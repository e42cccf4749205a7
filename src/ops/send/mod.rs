//! One request to a server, with all its proofs: client certificate, token, API
//! key, signature; and the check that the answer is the answer to it. Each attempt is
//! signed anew and has a connection of its own.

mod error;

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, Method, StatusCode};

pub use error::SendError;

use crate::client::{self, Connector, Identity, Target, Trust};
use crate::clock::Clock;
use crate::crypto::{digest, random};
use crate::signing::{
    Binding, RequestHead, RequestKey, ResponseHead, SigningError, Validity, content_digest, sign,
    verify_response,
};

/// The longest time between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// A request as it will be sent, but for its signature.
#[derive(Clone)]
pub struct Outgoing {
    /// Where to.
    pub target: Target,
    /// `GET`, `POST`, …
    pub method: Method,
    /// All fields but those that this module adds: Host, and those of the signature.
    pub headers: HeaderMap,
    /// The body; empty when there is none.
    pub body: Bytes,
}

/// A request with its signature.
pub struct SignedOutgoing {
    /// All fields, those of the signature among them.
    pub headers: HeaderMap,
    /// What the response is bound to.
    pub binding: Binding,
    /// When the signature begins and ends.
    pub validity: Validity,
    /// The nonce.
    pub nonce: [u8; 16],
}

impl Outgoing {
    /// What is signed of it when it has `headers`.
    pub fn head<'a>(&'a self, headers: &'a HeaderMap) -> RequestHead<'a> {
        RequestHead {
            method: &self.method,
            authority: self.target.authority(),
            path: self.target.path(),
            query: self.target.query(),
            headers,
        }
    }

    /// Signs it with `key`, under a new nonce, from `clock`'s now on.
    pub fn sign(
        &self,
        key: &RequestKey,
        window: Duration,
        clock: &dyn Clock,
    ) -> Result<SignedOutgoing, SigningError> {
        let mut headers = self.headers.clone();
        if !self.body.is_empty() {
            headers.insert(CONTENT_DIGEST, content_digest(&self.body));
        }
        let created = clock.unix();
        let validity = Validity { created, expires: created.saturating_add(window.as_secs()) };
        let nonce = random::bytes();
        let signed = sign(&self.head(&headers), key, validity, nonce)?;
        headers.insert(SIGNATURE_INPUT, signed.fields.input);
        headers.insert(SIGNATURE, signed.fields.signature);
        Ok(SignedOutgoing { headers, binding: signed.binding, validity, nonce })
    }
}

/// How a request is signed.
pub struct Signer {
    /// With what.
    pub key: RequestKey,
    /// For how long.
    pub window: Duration,
    /// Whether a response that is not signed is taken all the same.
    pub allow_unsigned_response: bool,
}

/// What shall be sent, and how.
pub struct SendRequest<'a> {
    /// The request.
    pub outgoing: Outgoing,
    /// Signs each attempt anew.
    pub signer: Option<Signer>,
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// The client's own certificate.
    pub identity: Option<Identity>,
    /// Whether `http` is allowed, to a loopback address.
    pub insecure: bool,
    /// For one attempt, from the connection to the end of the answer.
    pub timeout: Duration,
    /// How often it is tried again where that is safe.
    pub retries: u32,
    /// The longest body of an answer that is taken in.
    pub response_limit: usize,
    /// Now.
    pub clock: &'a dyn Clock,
}

/// What is known of where an answer comes from, beyond TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// It is signed with the request's key and bound to the request.
    Verified,
    /// It is not signed, and that was allowed.
    Unsigned,
    /// The request was not signed.
    NotAsked,
}

/// A good answer: its status is 2xx.
pub struct SendReport {
    /// 200, …
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Where it comes from.
    pub proof: Proof,
    /// How many attempts it took.
    pub attempts: u32,
}

/// Sends a request and returns the answer, if it is a good one.
pub fn send(request: &SendRequest<'_>) -> Result<SendReport, SendError> {
    let (target, identity) = (&request.outgoing.target, request.identity.as_ref());
    let connector = Connector::new(target, &request.trust, identity, request.insecure)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SendError::Start { source })?;
    let answer = runtime.block_on(async {
        let mut attempts = 1;
        loop {
            let error = match attempt(request, &connector).await {
                Ok(answer) => return Ok(SendReport { attempts, ..answer }),
                Err(error) => error,
            };
            match error.wait(attempts) {
                Some(wait) if attempts <= request.retries && wait <= LONGEST_WAIT => {
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error),
            }
            attempts += 1;
        }
    });
    // A name that is still being looked up must not hold the program.
    runtime.shutdown_background();
    answer
}

/// Connects, signs, sends, and judges what comes back.
async fn attempt(request: &SendRequest<'_>, connector: &Connector) -> Result<SendReport, SendError> {
    let outgoing = &request.outgoing;
    let connection = connector.connect(&outgoing.target, request.timeout).await?;
    // Signed when the connection stands, so that its validity begins with the request.
    let signed = match &request.signer {
        Some(signer) => Some(outgoing.sign(&signer.key, signer.window, request.clock)?),
        None => None,
    };
    let headers = signed.as_ref().map_or(&outgoing.headers, |signed| &signed.headers);
    let message = client::message(&outgoing.target, &outgoing.method, headers, outgoing.body.clone())?;
    let (head, body) = client::exchange(connection, message, request.response_limit).await?;

    let proof = match (&request.signer, &signed) {
        (Some(by), Some(signed)) => prove(by, &signed.binding, &head, &body),
        _ => Ok(Proof::NotAsked),
    };
    if !head.status.is_success() {
        let proven = match proof {
            Ok(proof) => proof != Proof::Unsigned,
            // Who was refused before the signature was looked at gets no signed answer.
            Err(SendError::Response { source: SigningError::Unsigned }) => false,
            Err(source) => {
                return Err(SendError::Forged { status: head.status, source: Box::new(source) });
            }
        };
        return Err(SendError::refused(head.status, retry_after(&head.headers), &body, proven));
    }
    Ok(SendReport { status: head.status, headers: head.headers, body, proof: proof?, attempts: 1 })
}

/// Checks that an answer is the server's to this very request, body and all.
fn prove(
    signer: &Signer,
    binding: &Binding,
    head: &http::response::Parts,
    body: &Bytes,
) -> Result<Proof, SendError> {
    let response = ResponseHead { status: head.status, headers: &head.headers };
    let received = match verify_response(binding, &response, signer.key.secret()) {
        Err(SigningError::Unsigned) if signer.allow_unsigned_response => return Ok(Proof::Unsigned),
        received => received.map_err(|source| SendError::Response { source })?,
    };
    let holds = match received.digest {
        Some(claimed) => digest::sha256(&[body]) == claimed,
        None => body.is_empty(),
    };
    if holds { Ok(Proof::Verified) } else { Err(SendError::ResponseBody) }
}

/// How long the server asks to wait. Dates are left to those who have calendars.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
