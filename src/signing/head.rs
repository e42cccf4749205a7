//! The values of components: what a message says, in the form that is signed.

use http::{HeaderMap, Method, StatusCode};

use super::SigningError;
use super::component::{Component, Source};
use super::fields::combined;

/// What of a request is signed, but for its body, which Content-Digest stands for.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// `GET`, `POST`, …
    pub method: &'a Method,
    /// `Host` or `:authority`, as received.
    pub authority: &'a str,
    /// The path as it stands on the wire.
    pub path: &'a str,
    /// What follows the question mark, as it stands on the wire.
    pub query: Option<&'a str>,
    /// All fields, with those of the signature.
    pub headers: &'a HeaderMap,
}

/// What of a response is signed, but for its body, which Content-Digest stands for.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// 200, …
    pub status: StatusCode,
    /// All fields, with those of the signature.
    pub headers: &'a HeaderMap,
}

impl RequestHead<'_> {
    /// The value of `component` (RFC 9421, sections 2.1 and 2.2).
    pub(super) fn value(&self, component: &Component) -> Result<String, SigningError> {
        let unsupported = || SigningError::ComponentUnsupported { component: component.id.clone() };
        let unfit = || SigningError::ComponentValue { component: component.id.clone() };
        if component.of_request {
            return Err(unsupported());
        }
        let value = match &component.source {
            Source::Authority => self.authority().ok_or_else(unfit)?,
            Source::Field(name) => return field(self.headers, name, component),
            Source::Method => self.method.as_str().to_owned(),
            Source::Path => self.path().to_owned(),
            Source::Query => format!("?{}", self.query.unwrap_or_default()),
            Source::QueryParam(name) => return self.query_param(name, component),
            Source::RequestTarget => self.target(),
            // Requests are served over TLS, and over nothing else.
            Source::Scheme => "https".to_owned(),
            Source::TargetUri => {
                format!("https://{}{}", self.authority().ok_or_else(unfit)?, self.target())
            }
            Source::Signature(_) | Source::Status => return Err(unsupported()),
        };
        // A line end in here would let one component pass for two.
        if value.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(value) } else { Err(unfit()) }
    }

    /// Lower case, without the port that goes without saying (section 2.2.3).
    fn authority(&self) -> Option<String> {
        let authority = self.authority.to_ascii_lowercase();
        if authority.is_empty() || authority.contains(['@', '/', '?', '#']) {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => return Some(authority),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) || host.is_empty() {
            return None;
        }
        let is_default = port.is_empty() || port.parse() == Ok(443_u16);
        Some(if is_default { host.to_owned() } else { authority })
    }

    pub(super) fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    fn target(&self) -> String {
        match self.query {
            Some(query) => format!("{}?{query}", self.path()),
            None => self.path().to_owned(),
        }
    }

    /// Section 2.2.8: decoded as a form is, then encoded in the one way that it names.
    fn query_param(&self, name: &str, component: &Component) -> Result<String, SigningError> {
        let unfit = || SigningError::ComponentValue { component: component.id.clone() };
        let mut found = None;
        for pair in self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if encode(&decode(key)) != name {
                continue;
            }
            // Which of two would the reader take? The standard forbids to guess.
            if found.replace(decode(value)).is_some() {
                return Err(unfit());
            }
        }
        let value = found.ok_or_else(|| SigningError::ComponentAbsent { component: component.id.clone() })?;
        let text = std::str::from_utf8(&value).map_err(|_| unfit())?;
        Ok(encode(text.as_bytes()))
    }
}

impl ResponseHead<'_> {
    /// The value of `component`, one of the response's own.
    pub(super) fn value(&self, component: &Component) -> Result<String, SigningError> {
        match &component.source {
            Source::Status => Ok(self.status.as_str().to_owned()),
            Source::Field(name) => field(self.headers, name, component),
            _ => Err(SigningError::ComponentUnsupported { component: component.id.clone() }),
        }
    }
}

fn field(
    headers: &HeaderMap,
    name: &http::HeaderName,
    component: &Component,
) -> Result<String, SigningError> {
    combined(headers, name)
        .map_err(|_| SigningError::ComponentValue { component: component.id.clone() })?
        .ok_or_else(|| SigningError::ComponentAbsent { component: component.id.clone() })
}

/// What a form's text stands for.
fn decode(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok());
        match (byte, digits) {
            (b'%', Some(decoded)) => {
                out.extend(decoded);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        rest = after;
    }
    out
}

/// Percent-encodes all but letters, digits and `*-._`.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push_str(&data_encoding::HEXUPPER.encode(&[*byte]));
        }
    }
    out
}
