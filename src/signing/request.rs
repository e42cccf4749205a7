//! Signed requests.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::component::Component;
use super::digest::{CONTENT_DIGEST, read_content_digest};
use super::fields::combined;
use super::input::{self, Input, LABEL, Mac, New};
use super::{
    Binding, CLOCK_SKEW, MAX_WINDOW, REQUEST_TAG, RequestHead, RequestKey, SignatureFields, SigningError,
};
use crate::clock::UnixSeconds;
use crate::crypto::digest::Digest;
use crate::crypto::mac;
use crate::secret::{Secret, SecretBytes};

/// Covered by every signature.
const ALWAYS: [&str; 4] = ["@method", "@authority", "@path", "@query"];

/// Covered whenever the request has them: each changes what the rest means.
const IF_PRESENT: [&str; 7] = [
    "content-type",
    "content-encoding",
    "content-digest",
    "inference-header-content-length",
    "authorization",
    "x-api-key",
    "dpop",
];

/// Covered where the request has it and it is we who sign: whoever asks for a compressed
/// answer so, verifies it before it is decompressed.
const ACCEPT_ENCODING: &str = "accept-encoding";

/// A request's signature, structurally sound. Until [`verify`](Self::verify)
/// nothing of it is proven.
#[derive(Debug, Clone)]
pub struct Received {
    key_id: String,
    created: UnixSeconds,
    expires: UnixSeconds,
    nonce: String,
    base: SecretBytes,
    digest: Option<Digest>,
    covers_accept_encoding: bool,
    binding: Binding,
}

/// What must be covered of the request `head`.
fn required(head: &RequestHead<'_>) -> Vec<Component> {
    let present = IF_PRESENT.into_iter().filter(|name| head.headers.contains_key(*name));
    ALWAYS.into_iter().chain(present).map(Component::new).collect()
}

/// The signature that the request `head` brings: the only one with our tag,
/// covering all that it must, with all its parameters. `None` when the request
/// has no signature whatever.
pub fn read(head: &RequestHead<'_>) -> Result<Option<Received>, SigningError> {
    let Some(input) = input::find(head.headers, REQUEST_TAG)? else { return Ok(None) };
    for component in required(head) {
        input.require(&component)?;
    }
    let covers_accept_encoding = input.require(&Component::new(ACCEPT_ENCODING)).is_ok();
    let digest = read_content_digest(head.headers)?;
    let base = input.base(|component| head.value(component))?;
    let Input { label, parameters, mac, .. } = input;
    let missing = |parameter| SigningError::ParameterMissing { parameter };
    let key_id = parameters.key_id.ok_or(missing("keyid"))?;
    Ok(Some(Received {
        created: parameters.created.ok_or(missing("created"))?,
        expires: parameters.expires.ok_or(missing("expires"))?,
        nonce: parameters.nonce.ok_or(missing("nonce"))?,
        base,
        digest,
        covers_accept_encoding,
        binding: Binding::new(head, label, mac, key_id.clone())?,
        key_id,
    }))
}

impl Received {
    /// The key that the request says signed it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// When it says that it was signed.
    pub fn created(&self) -> UnixSeconds {
        self.created
    }

    /// When the signature ends.
    pub fn expires(&self) -> UnixSeconds {
        self.expires
    }

    /// What no other request of this key may bring while this one is valid.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// SHA-256 of the body that was signed; without it, the signed request has no body.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the signature covers Accept-Encoding, as the request has it.
    pub fn covers_accept_encoding(&self) -> bool {
        self.covers_accept_encoding
    }

    /// Checks that the signature is valid at `now`, and for no longer than `longest`.
    pub fn check_window(&self, now: UnixSeconds, longest: Duration) -> Result<(), SigningError> {
        let Self { created, expires, .. } = *self;
        if created > now.saturating_add(CLOCK_SKEW) {
            return Err(SigningError::CreatedInFuture { at: created });
        }
        if expires <= created {
            return Err(SigningError::NoValidity);
        }
        let (given, limit) = (expires - created, longest.min(MAX_WINDOW).as_secs());
        if given > limit {
            return Err(SigningError::Window { given, limit });
        }
        if now >= expires {
            return Err(SigningError::Expired { at: expires });
        }
        Ok(())
    }

    /// Checks, in constant time, that `key` signed the request.
    pub fn verify(&self, key: &Secret<32>) -> Result<(), SigningError> {
        mac::verify(key, &[self.base.expose()], self.binding.mac()).map_err(|_| SigningError::Mac)
    }

    /// What the response is bound to.
    pub fn into_binding(self) -> Binding {
        self.binding
    }
}

/// When a signature begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub created: UnixSeconds,
    /// Until when, exclusive.
    pub expires: UnixSeconds,
}

/// A signature for a request, and what its response will be bound to.
#[derive(Debug, Clone)]
pub struct Signed {
    /// To be added to the request.
    pub fields: SignatureFields,
    /// To verify the response with.
    pub binding: Binding,
}

/// Signs the request `head`, which has no signature yet and, when it has a body,
/// its Content-Digest. `nonce` must be random.
pub fn sign(
    head: &RequestHead<'_>,
    key: &RequestKey,
    validity: Validity,
    nonce: [u8; 16],
) -> Result<Signed, SigningError> {
    read_content_digest(head.headers)?;
    let wanted = head.headers.contains_key(ACCEPT_ENCODING).then(|| Component::new(ACCEPT_ENCODING));
    let new = New {
        components: required(head).into_iter().chain(wanted).collect(),
        created: validity.created,
        expires: Some(validity.expires),
        nonce: Some(&BASE64URL_NOPAD.encode(&nonce)),
        key_id: key.id(),
        tag: REQUEST_TAG,
    };
    let (fields, mac) = new.sign(key.secret(), |component| head.value(component))?;
    let binding = Binding::new(head, LABEL.to_owned(), mac, key.id().to_owned())?;
    Ok(Signed { fields, binding })
}

impl Binding {
    fn new(head: &RequestHead<'_>, label: String, mac: Mac, key_id: String) -> Result<Self, SigningError> {
        let digest = combined(head.headers, &CONTENT_DIGEST)
            .map_err(|_| SigningError::ComponentValue { component: "\"content-digest\"".into() })?;
        Ok(Self::of(head.method.as_str(), head.path(), digest, label, mac, key_id))
    }
}
