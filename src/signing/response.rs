//! Signed responses. A response is bound to its request: it covers the request's
//! signature, which covers all the rest of it.

use data_encoding::BASE64;

use super::component::{Component, Source};
use super::digest::read_content_digest;
use super::input::{self, Mac, New};
use super::{RESPONSE_TAG, RequestKey, ResponseHead, SignatureFields, SigningError};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::crypto::mac;
use crate::secret::Secret;

/// Covered whenever the response has them: each changes what its body means.
const IF_PRESENT: [&str; 4] =
    ["content-digest", "content-type", "content-encoding", "inference-header-content-length"];

/// What of a request its response is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    method: String,
    path: String,
    digest: Option<String>,
    label: String,
    mac: Mac,
    key_id: String,
}

impl Binding {
    pub(super) fn of(
        method: &str,
        path: &str,
        digest: Option<String>,
        label: String,
        mac: Mac,
        key_id: String,
    ) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), digest, label, mac, key_id }
    }

    pub(super) fn mac(&self) -> &Mac {
        &self.mac
    }

    /// The value of `component`, one of the request's.
    fn value(&self, component: &Component) -> Result<String, SigningError> {
        let absent = || SigningError::ComponentAbsent { component: component.id.clone() };
        match &component.source {
            Source::Method => Ok(self.method.clone()),
            Source::Path => Ok(self.path.clone()),
            Source::Field(name) if name == "content-digest" => self.digest.clone().ok_or_else(absent),
            Source::Signature(label) if *label == self.label => Ok(format!(":{}:", BASE64.encode(&self.mac))),
            Source::Signature(_) => Err(absent()),
            _ => Err(SigningError::ComponentUnsupported { component: component.id.clone() }),
        }
    }

    fn resolve(&self, component: &Component, response: &ResponseHead<'_>) -> Result<String, SigningError> {
        if component.of_request { self.value(component) } else { response.value(component) }
    }

    /// What must be covered of `response`.
    fn required(&self, response: &ResponseHead<'_>) -> Vec<Component> {
        let present = IF_PRESENT.into_iter().filter(|name| response.headers.contains_key(*name));
        let mut components = vec![Component::new("@status")];
        components.extend(present.map(Component::new));
        components.push(Component::request_signature(&self.label));
        components.push(Component::of_request("@method"));
        components.push(Component::of_request("@path"));
        components.extend(self.digest.as_ref().map(|_| Component::of_request("content-digest")));
        components
    }
}

/// Signs `response`, the answer to the request of `binding`. It comes last: what
/// it covers must not change afterwards, and a body needs its Content-Digest.
pub fn sign_response(
    binding: &Binding,
    response: &ResponseHead<'_>,
    key: &RequestKey,
    created: UnixSeconds,
) -> Result<SignatureFields, SigningError> {
    read_content_digest(response.headers)?;
    let new = New {
        components: binding.required(response),
        created,
        expires: None,
        nonce: None,
        key_id: key.id(),
        tag: RESPONSE_TAG,
    };
    let (fields, _) = new.sign(key.secret(), |component| binding.resolve(component, response))?;
    Ok(fields)
}

/// A response that is proven to answer the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedResponse {
    /// When it was signed, by the server's clock.
    pub created: UnixSeconds,
    /// SHA-256 of the body that was signed; without it, the response has no body.
    pub digest: Option<Digest>,
}

/// Checks that `response` answers the request of `binding` and is signed with
/// `key`, the request's. Its body is still to be compared with the digest.
pub fn verify_response(
    binding: &Binding,
    response: &ResponseHead<'_>,
    key: &Secret<32>,
) -> Result<ReceivedResponse, SigningError> {
    let input = input::find(response.headers, RESPONSE_TAG)?.ok_or(SigningError::Unsigned)?;
    for component in binding.required(response) {
        input.require(&component)?;
    }
    let digest = read_content_digest(response.headers)?;
    let missing = |parameter| SigningError::ParameterMissing { parameter };
    let created = input.parameters.created.ok_or(missing("created"))?;
    let found = input.parameters.key_id.as_deref().ok_or(missing("keyid"))?;
    if found != binding.key_id {
        let (found, wanted) = (found.to_owned(), binding.key_id.clone());
        return Err(SigningError::OtherKey { found, wanted });
    }
    let base = input.base(|component| binding.resolve(component, response))?;
    mac::verify(key, &[base.expose()], &input.mac).map_err(|_| SigningError::Mac)?;
    Ok(ReceivedResponse { created, digest })
}
