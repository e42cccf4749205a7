//! What a signature must cover, what it may say, and what each change does to it.

mod digests;
mod example;
mod mutations;
mod refusals;
mod vectors;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::*;
use crate::secret::Secret;

pub(super) const NOW: u64 = 1_790_000_000;
const BODY: &[u8] = br#"{"inputs":[]}"#;

/// A request that a test can change at will.
#[derive(Clone)]
struct Request {
    method: Method,
    authority: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    /// A request with every field that must be covered, not signed yet.
    fn full() -> Self {
        let mut request = Self {
            method: Method::POST,
            authority: "models.example:8443".into(),
            path: "/v2/models/digits/infer".into(),
            query: Some("trace=1".into()),
            headers: HeaderMap::new(),
        };
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("content-encoding", "gzip"),
            ("inference-header-content-length", "13"),
            ("authorization", "Bearer token"),
            ("x-api-key", "ss_key"),
            ("dpop", "proof"),
            ("accept", "*/*"),
        ] {
            request.set(name, value);
        }
        request.headers.insert("content-digest", content_digest(BODY));
        request
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }

    fn text(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }

    fn signed(mut self) -> (Self, Binding) {
        let validity = Validity { created: NOW, expires: NOW + 60 };
        let signed = sign(&self.head(), &key(), validity, [7; 16]).unwrap();
        self.headers.insert("signature-input", signed.fields.input);
        self.headers.insert("signature", signed.fields.signature);
        (self, signed.binding)
    }

    /// Signs what `components` and `parameters` say, whatever the profile says of it.
    fn signed_as(mut self, components: &str, parameters: &str) -> Self {
        let text = format!("sealserve=({components}){parameters}");
        let base = self.base_of(&text).unwrap_or_default();
        let mac = crate::crypto::mac::tag(key().secret(), &[base.as_bytes()]);
        self.set("signature-input", &text);
        self.set("signature", &format!("sealserve=:{}:", data_encoding::BASE64.encode(&mac)));
        self
    }

    fn base_of(&self, text: &str) -> Result<String, SigningError> {
        let zeros = format!("sealserve=:{}:", data_encoding::BASE64.encode(&[0; 32]));
        let (inputs, macs) =
            (fields::dictionary(text, "Signature-Input")?, fields::dictionary(&zeros, "Signature")?);
        let base = input::Input::read(&inputs[0], &macs)?.base(|c| self.head().value(c))?;
        Ok(String::from_utf8(base.expose().to_vec()).unwrap())
    }

    fn check(&self) -> Result<(), SigningError> {
        let received = read(&self.head())?.ok_or(SigningError::Unsigned)?;
        received.check_window(NOW, Duration::from_mins(1))?;
        received.verify(key().secret())
    }
}

fn key() -> RequestKey {
    RequestKey::new("ci", Secret::from_fn(|out| *out = [0x5a; 32])).unwrap()
}

/// A response with every field that must be covered, not signed yet.
fn response() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-encoding", "gzip"),
        ("inference-header-content-length", "2"),
        ("x-request-id", "1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("content-digest", content_digest(b"{}"));
    headers
}

fn signed_response(binding: &Binding) -> HeaderMap {
    let mut headers = response();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    let fields = sign_response(binding, &head, &key(), NOW).unwrap();
    headers.insert("signature-input", fields.input);
    headers.insert("signature", fields.signature);
    headers
}

fn check_response(
    binding: &Binding,
    status: u16,
    headers: &HeaderMap,
) -> Result<ReceivedResponse, SigningError> {
    let status = StatusCode::from_u16(status).unwrap();
    verify_response(binding, &ResponseHead { status, headers }, key().secret())
}
