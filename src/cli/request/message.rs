//! The request itself, given as curl is given one.

use std::path::Path;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::cli::Outcome;
use crate::cli::secret::{FORMS, Source, refused};
use crate::client::Target;
use crate::error::Kind;
use crate::fs;
use crate::ops::Outgoing;
use crate::output::Failure;
use crate::secret::SecretBytes;
use crate::token;

/// The longest body.
const BODY_LIMIT: u64 = 1 << 30;
/// The longest file of fields.
const FIELDS_LIMIT: u64 = 256 << 10;
/// Most fields; a header map panics when it is asked to hold many more.
const MOST_FIELDS: usize = 1000;
const API_KEY_LIMIT: u64 = 1024;

pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Fields that hold a secret, which is no argument.
const SECRET: [HeaderName; 4] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, X_API_KEY];

/// Fields that follow from the rest.
const OURS: [&str; 7] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "content-digest",
    "signature",
    "signature-input",
];

#[derive(Debug, Args)]
pub(super) struct Message {
    /// Where it goes, path and query included
    url: String,
    /// Method [default: GET; with --data POST]
    #[arg(long, short = 'X', help_heading = "Request")]
    method: Option<Method>,
    /// 'Name: value', or @FILE with one on each line; may be repeated
    #[arg(long = "header", short = 'H', value_name = "FIELD", help_heading = "Request")]
    headers: Vec<String>,
    /// The body: @FILE, @- for stdin, or the text itself
    #[arg(long, short = 'd', help_heading = "Request", allow_hyphen_values = true)]
    data: Option<String>,
    /// Access token, for the Authorization field
    #[arg(long, value_name = FORMS, help_heading = "Request")]
    token_file: Option<Source>,
    /// API key, for the X-Api-Key field
    #[arg(long, value_name = FORMS, help_heading = "Request")]
    api_key_file: Option<Source>,
}

/// Who reads the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Makes a request: what follows from the rest is not given.
    Make,
    /// Judges one: all is given, and nothing is added.
    Judge,
}

impl Message {
    /// How many of its parts come from standard input.
    pub(super) fn stdin_readers(&self) -> usize {
        let secrets = [&self.token_file, &self.api_key_file].into_iter().flatten();
        let at_dash = self.headers.iter().chain(&self.data).filter(|text| *text == "@-");
        secrets.filter(|source| **source == Source::Stdin).count() + at_dash.count()
    }

    /// The request, without a signature; also whether its Content-Type is our default.
    pub(super) fn read(&self, purpose: Purpose) -> Outcome<(Outgoing, bool)> {
        // Not clap's to parse, which would repeat a password that stands in it.
        let target: Target = self.url.parse()?;
        let mut headers = HeaderMap::new();
        for text in &self.headers {
            match text.strip_prefix('@') {
                None => {
                    let (name, value) = field(text)?;
                    if SECRET.contains(&name) {
                        return Err(secret_argument(&name).into());
                    }
                    add(&mut headers, name, value, purpose)?;
                }
                Some(path) => {
                    for (name, value) in fields(path)? {
                        add(&mut headers, name, value, purpose)?;
                    }
                }
            }
        }
        if let Some(source) = &self.token_file {
            let token = source.read(2 * token::MAX_LENGTH as u64)?;
            once(&mut headers, AUTHORIZATION, source, &[b"Bearer ", token.expose().trim_ascii()])?;
        }
        if let Some(source) = &self.api_key_file {
            let key = source.read(API_KEY_LIMIT)?;
            once(&mut headers, X_API_KEY, source, &[key.expose().trim_ascii()])?;
        }
        let body = match self.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
            None => Bytes::new(),
            Some((_, Some(path))) => std::mem::take(read(path, BODY_LIMIT)?.expose_mut()).into(),
            Some((text, None)) => Bytes::copy_from_slice(text.as_bytes()),
        };
        let json = purpose == Purpose::Make && !body.is_empty() && !headers.contains_key(CONTENT_TYPE);
        if json {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let default = if self.data.is_some() { Method::POST } else { Method::GET };
        let method = self.method.clone().unwrap_or(default);
        Ok((Outgoing { target, method, headers, body }, json))
    }
}

/// What `path` holds; `-` is standard input.
fn read(path: &str, limit: u64) -> Outcome<SecretBytes> {
    match path {
        "-" => Source::Stdin.read(limit),
        path => Ok(fs::read(Path::new(path), limit)?),
    }
}

/// The fields in the file at `path`, which is private if one of them is a secret.
fn fields(path: &str) -> Outcome<Vec<(HeaderName, HeaderValue)>> {
    let (lines, private) = match path {
        "-" => (Source::Stdin.read(FIELDS_LIMIT)?, Ok(())),
        path => fs::read_judged(Path::new(path), FIELDS_LIMIT)?,
    };
    let lines = std::str::from_utf8(lines.expose()).map_err(|_| no_field())?;
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let fields: Vec<_> = lines.map(field).collect::<Outcome<_>>()?;
    if let Some((name, _)) = fields.iter().find(|(name, _)| SECRET.contains(name)) {
        let said = |error| refused(error).context(format!("the field '{name}' holds a secret"));
        private.map_err(said)?;
    }
    Ok(fields)
}

/// A line such as curl takes. Never quoted: it may hold a secret.
fn field(line: &str) -> Outcome<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':').ok_or_else(no_field)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| no_field())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| {
        Failure::new(Kind::Usage, format!("the field '{name}' holds what a field cannot carry"))
    })?;
    Ok((name, value))
}

fn no_field() -> Failure {
    Failure::new(Kind::Usage, "a field is not of the form 'Name: value'")
        .hint("-H takes one field, or @FILE with one on each line")
}

fn too_many() -> Failure {
    Failure::new(Kind::Usage, "there are too many fields")
        .hint(format!("a request has at most {MOST_FIELDS}"))
}

fn secret_argument(name: &HeaderName) -> Failure {
    Failure::new(Kind::Usage, format!("the field '{name}' holds a secret, which must not be an argument"))
        .hint("use --token-file or --api-key-file, or -H @FILE; what stood there may be in your shell's history: rotate it")
}

fn add(headers: &mut HeaderMap, name: HeaderName, mut value: HeaderValue, purpose: Purpose) -> Outcome {
    let ours = match purpose {
        Purpose::Make => OURS.contains(&name.as_str()),
        Purpose::Judge => name == "host",
    };
    if ours {
        let message = format!("the field '{name}' follows from the rest of the request");
        return Err(Failure::new(Kind::Usage, message).hint("leave it out").into());
    }
    value.set_sensitive(SECRET.contains(&name));
    // Far from the map's capacity, so that there is room for those that are added to them.
    let added = headers.len() < MOST_FIELDS && headers.try_append(name, value).is_ok();
    if added { Ok(()) } else { Err(too_many().into()) }
}

/// A field that stands only once.
fn once(headers: &mut HeaderMap, name: HeaderName, source: &Source, parts: &[&[u8]]) -> Outcome {
    if headers.contains_key(&name) {
        return Err(Failure::new(Kind::Usage, format!("the field '{name}' is given twice")).into());
    }
    let text = SecretBytes::from(parts.concat());
    let empty = parts.last().is_some_and(|last| last.is_empty());
    let value = std::str::from_utf8(text.expose()).ok().and_then(|text| HeaderValue::from_str(text).ok());
    let Some(mut value) = value.filter(|_| !empty) else {
        let message = format!("{} holds nothing that fits the field '{name}'", source.name());
        return Err(Failure::new(Kind::Credential, message).into());
    };
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
