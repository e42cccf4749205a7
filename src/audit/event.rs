//! What one line says.

use std::net::IpAddr;

use serde::Serialize;

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

/// One decision.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Names the request; the response carries it too. The server's own acts have one too.
    pub request_id: String,
    /// Who asked, where that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// How it is proven: `token` or `api-key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<&'static str>,
    /// Which key proved it: the one that signed the token, or the API key, by its id. Of a
    /// model that is withdrawn, the key that it hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The token's own name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The key that signed the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_key: Option<String>,
    /// From where; the server's own acts come from nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// What for: `infer`, `metadata`, …; `withdraw`, where the server obeys its keyring.
    pub action: &'static str,
    /// On which model, where the caller may know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The decision.
    pub verdict: Verdict,
    /// The stable code of the refusal or failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The refusal in words.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}
