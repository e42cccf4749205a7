//! What a signature covers: names of components (RFC 9421, section 2).

use http::HeaderName;
use sfv::{ItemSerializer, KeyRef, StringRef};

use super::SigningError;
use super::fields::{Item, Parameters, Value, shown};

/// One covered component.
#[derive(Debug)]
pub(super) struct Component {
    /// As it stands in the signature base, parameters in their order.
    pub(super) id: String,
    pub(super) source: Source,
    /// Whether it is the request's, in the signature of a response.
    pub(super) of_request: bool,
}

/// Where a component's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Authority,
    Field(HeaderName),
    Method,
    Path,
    Query,
    QueryParam(String),
    RequestTarget,
    Scheme,
    /// The signature of this label, out of the Signature field.
    Signature(String),
    Status,
    TargetUri,
}

impl Source {
    fn derived(name: &str) -> Option<Self> {
        Some(match name {
            "@authority" => Self::Authority,
            "@method" => Self::Method,
            "@path" => Self::Path,
            "@query" => Self::Query,
            "@request-target" => Self::RequestTarget,
            "@scheme" => Self::Scheme,
            "@status" => Self::Status,
            "@target-uri" => Self::TargetUri,
            _ => return None,
        })
    }
}

impl Component {
    /// A component of the message itself, without parameters.
    pub(super) fn new(name: &'static str) -> Self {
        let source = Source::derived(name).unwrap_or_else(|| Source::Field(HeaderName::from_static(name)));
        Self { id: format!("\"{name}\""), source, of_request: false }
    }

    /// A component of the request, in the signature of its response.
    pub(super) fn of_request(name: &'static str) -> Self {
        let Self { id, source, .. } = Self::new(name);
        Self { id: format!("{id};req"), source, of_request: true }
    }

    /// The request's signature `label`, in the signature of its response.
    pub(super) fn request_signature(label: &str) -> Self {
        // A label holds nothing that would have to be escaped.
        let id = format!("\"signature\";req;key=\"{label}\"");
        Self { id, source: Source::Signature(label.to_owned()), of_request: true }
    }

    /// The component that `item` names.
    pub(super) fn read(item: &Item<'_>) -> Result<Self, SigningError> {
        let malformed = |detail: &str| SigningError::FieldMalformed {
            field: "Signature-Input",
            detail: detail.to_owned(),
        };
        let Value::String(name) = &item.value else {
            return Err(malformed("a component's name is not a string"));
        };
        let id = ItemSerializer::new()
            .bare_item(name.as_ref())
            .parameters(item.parameters.iter().map(|(key, value)| (*key, value)))
            .finish();
        let name = name.as_str();
        let unsupported = || SigningError::ComponentUnsupported { component: shown(&id) };
        no_duplicates(&item.parameters)?;
        let of_request = flag(&item.parameters, "req").ok_or_else(unsupported)?;
        let (key, query_name) = (string(&item.parameters, "key"), string(&item.parameters, "name"));
        let known = usize::from(of_request) + usize::from(key.is_some()) + usize::from(query_name.is_some());
        if known != item.parameters.len() {
            return Err(unsupported());
        }
        let source = match (name, key, query_name) {
            ("@query-param", None, Some(query_name)) => Source::QueryParam(query_name.to_owned()),
            ("signature", Some(label), None) if of_request => Source::Signature(label.to_owned()),
            // A signature cannot cover itself.
            ("signature" | "signature-input", ..) => return Err(unsupported()),
            (derived, None, None) if derived.starts_with('@') => {
                Source::derived(derived).ok_or_else(unsupported)?
            }
            (field, None, None) if !field.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                HeaderName::from_bytes(field.as_bytes()).map(Source::Field).map_err(|_| unsupported())?
            }
            _ => return Err(unsupported()),
        };
        Ok(Self { id, source, of_request })
    }

    /// Whether both name the same thing, in whatever order their parameters stand.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source && self.of_request == other.of_request
    }
}

/// Refuses parameters that are given twice.
pub(super) fn no_duplicates(parameters: &Parameters<'_>) -> Result<(), SigningError> {
    const LIMIT: usize = 16;
    if parameters.len() > LIMIT {
        return Err(SigningError::TooMany { what: "parameters", limit: LIMIT });
    }
    for (at, (key, _)) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|(earlier, _)| earlier == key) {
            return Err(SigningError::ParameterDuplicate { parameter: shown(key.as_str()) });
        }
    }
    Ok(())
}

fn find<'x, 'a>(parameters: &'x Parameters<'a>, name: &str) -> Option<&'x Value<'a>> {
    parameters.iter().find(|(key, _): &&(&KeyRef, _)| key.as_str() == name).map(|(_, value)| value)
}

/// Whether the flag `name` is set; `None` when it is something else than a set flag.
fn flag(parameters: &Parameters<'_>, name: &str) -> Option<bool> {
    match find(parameters, name) {
        None => Some(false),
        Some(Value::Boolean(true)) => Some(true),
        Some(_) => None,
    }
}

fn string<'x>(parameters: &'x Parameters<'_>, name: &str) -> Option<&'x str> {
    match find(parameters, name) {
        Some(Value::String(text)) => Some(StringRef::as_str(text)),
        _ => None,
    }
}
