//! What one line says.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was done.
    Allowed,
    /// It was refused.
    Denied,
    /// It was allowed, and then failed.
    Failed,
}

/// Names one request: 16 bytes, written in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub u128);

impl RequestId {
    /// Its 32 hex digits.
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        HEXLOWER.encode_mut(&self.0.to_be_bytes(), &mut digits);
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Hex digits are ASCII.
        serializer.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// An authenticated caller, as lines name it. One for each credential; all its events share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Its name.
    pub principal: String,
    /// How that is proven: `token` or `api-key`.
    pub proof: &'static str,
    /// Which key proved it: the one that signed the token, or the API key, by its id.
    pub key: String,
    /// The token's own name, where there is one.
    pub token: Option<String>,
}

/// One decision.
#[derive(Debug, Clone)]
pub struct Event {
    /// Names the request; the response carries it too. The server's own acts have one too.
    pub request_id: RequestId,
    /// Who asked, where that is proven.
    pub actor: Option<Arc<Actor>>,
    /// Of a model that is withdrawn, the key that opened it or vouched for it.
    pub key: Option<String>,
    /// The key that signed the request.
    pub request_key: Option<Arc<str>>,
    /// From where; the server's own acts come from nowhere.
    pub source: Option<IpAddr>,
    /// What for: `infer`, `metadata`, …; `withdraw`, where the server obeys its keyring.
    pub action: &'static str,
    /// On which model, where the caller may know of it.
    pub model: Option<Arc<str>>,
    /// The decision.
    pub verdict: Verdict,
    /// The stable code of the refusal or failure.
    pub reason: Option<&'static str>,
    /// The refusal in words.
    pub detail: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// From the end of the headers to the response.
    pub microseconds: u64,
    /// How many like it this line stands for.
    pub count: Option<u64>,
}

/// The members of a line, in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    sequence: u64,
    previous: &'a str,
    request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    status: u16,
    request_bytes: u64,
    response_bytes: u64,
    microseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Event {
    /// Its line: written at `time`, the `sequence`th of its chain, after one whose SHA-256 is
    /// `previous`.
    pub(super) fn line<'a>(&'a self, time: &'a str, sequence: u64, previous: &'a str) -> impl Serialize + 'a {
        let actor = self.actor.as_deref();
        Line {
            time,
            sequence,
            previous,
            request_id: self.request_id,
            principal: actor.map(|actor| actor.principal.as_str()),
            proof: actor.map(|actor| actor.proof),
            key: actor.map(|actor| actor.key.as_str()).or(self.key.as_deref()),
            token: actor.and_then(|actor| actor.token.as_deref()),
            request_key: self.request_key.as_deref(),
            source: self.source,
            action: self.action,
            model: self.model.as_deref(),
            verdict: self.verdict,
            reason: self.reason,
            detail: self.detail.as_deref(),
            status: self.status,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            microseconds: self.microseconds,
            count: self.count,
        }
    }
}
