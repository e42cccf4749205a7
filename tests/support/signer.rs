//! Signs requests (RFC 9421) as a client in another language would: written from the
//! specification, with nothing of the program but its documented choices.

use std::fmt::Write;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ring::{digest, hmac};

use super::Sandbox;
use super::forge::now;

/// One who signs.
#[derive(Clone)]
pub struct Signer {
    pub id: String,
    secret: Vec<u8>,
}

/// A request that can still be changed after it was signed.
#[derive(Clone)]
pub struct Signed {
    pub method: String,
    pub authority: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub created: u64,
    pub expires: u64,
    pub nonce: String,
    pub tag: String,
    /// Fields that are covered where the request has them.
    pub fields: Vec<String>,
}

pub const COVERED: [&str; 6] = [
    "content-type",
    "content-encoding",
    "inference-header-content-length",
    "authorization",
    "x-api-key",
    "content-digest",
];

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest::digest(&digest::SHA256, bytes).as_ref()))
}

impl Signer {
    /// The owner of the sandbox's request key `id`.
    pub fn new(sandbox: &Sandbox, id: &str) -> Self {
        let hex = sandbox.ok(["key", "export", id, "-o", "-"]);
        Self { id: id.to_owned(), secret: HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).unwrap() }
    }

    pub fn mac(&self, base: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        BASE64.encode(hmac::sign(&key, base.as_bytes()).as_ref())
    }
}

impl Signed {
    /// A request that is not signed yet.
    pub fn new(method: &str, target: &str, token: &str, body: &[u8]) -> Self {
        let now = now();
        let mut nonce = [0; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce).unwrap();
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
        if !body.is_empty() {
            headers.push(("content-type".into(), "application/json".into()));
            headers.push(("content-digest".into(), sha256(body)));
        }
        Self {
            method: method.into(),
            authority: "localhost".into(),
            target: target.into(),
            headers,
            body: body.to_vec(),
            created: now,
            expires: now + 60,
            nonce: BASE64.encode(&nonce),
            tag: "sealserve".into(),
            fields: COVERED.map(ToOwned::to_owned).to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Sets a header, or takes it away.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(n, _)| n != name);
        if let Some(value) = value {
            self.headers.push((name.into(), value.into()));
        }
    }

    /// Adds `Signature-Input` and `Signature`.
    pub fn sign(mut self, signer: &Signer) -> Self {
        let (path, query) = self.target.split_once('?').map_or((&*self.target, ""), |(p, q)| (p, q));
        let mut components = vec![
            ("@method".to_owned(), self.method.clone()),
            ("@authority".to_owned(), self.authority.clone()),
            ("@path".to_owned(), path.to_owned()),
            ("@query".to_owned(), format!("?{query}")),
        ];
        for name in &self.fields {
            components.extend(self.header(name).map(|value| (name.clone(), value.to_owned())));
        }
        let names: Vec<_> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let parameters = format!(
            "({});created={};expires={};nonce=\"{}\";keyid=\"{}\";tag=\"{}\"",
            names.join(" "),
            self.created,
            self.expires,
            self.nonce,
            signer.id,
            self.tag,
        );
        let mut base = String::new();
        for (name, value) in &components {
            writeln!(base, "\"{name}\": {value}").unwrap();
        }
        write!(base, "\"@signature-params\": {parameters}").unwrap();
        self.headers.push(("signature-input".into(), format!("sig={parameters}")));
        self.headers.push(("signature".into(), format!("sig=:{}:", signer.mac(&base))));
        self
    }

    /// As HTTP/1.1 has it on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.authority);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !self.body.is_empty() {
            write!(head, "content-length: {}\r\n", self.body.len()).unwrap();
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// Holds what `answer` says of itself to its signature, made with the key of
/// `signer` over the answer to `request`.
#[track_caller]
pub fn check_response(signer: &Signer, request: &Signed, answer: &super::Answer) {
    let input = answer.header("signature-input").expect("a signed response");
    let (label, parameters) = input.split_once('=').unwrap();
    let (list, rest) = parameters.strip_prefix('(').unwrap().split_once(')').unwrap();
    assert!(rest.contains(r#"tag="sealserve-response""#), "{rest}");
    assert!(rest.contains(&format!(r#"keyid="{}""#, signer.id)), "{rest}");
    let path = request.target.split('?').next().unwrap();
    let mut base = String::new();
    let mut covered = Vec::new();
    for item in list.split(' ') {
        let of_request = item.contains(";req");
        let name = item.trim_start_matches('"').split('"').next().unwrap();
        let value = match (name, of_request) {
            ("@status", false) => answer.status.to_string(),
            ("@method", true) => request.method.clone(),
            ("@path", true) => path.to_owned(),
            ("signature", true) => {
                assert!(item.ends_with(r#";key="sig""#), "{item}");
                request.header("signature").unwrap().strip_prefix("sig=").unwrap().to_owned()
            }
            (name, true) => request.header(name).unwrap().to_owned(),
            (name, false) => answer.header(name).unwrap().to_owned(),
        };
        writeln!(base, "{item}: {value}").unwrap();
        covered.push((name.to_owned(), of_request));
    }
    write!(base, "\"@signature-params\": {parameters}").unwrap();
    let expected = format!("{label}=:{}:", signer.mac(&base));
    assert_eq!(answer.header("signature"), Some(&*expected), "{base}");

    let mut needed = vec![("@status", false), ("signature", true), ("@method", true), ("@path", true)];
    if !request.body.is_empty() {
        needed.push(("content-digest", true));
    }
    if !answer.body.is_empty() {
        needed.extend([("content-digest", false), ("content-type", false)]);
        assert_eq!(answer.header("content-digest"), Some(&*sha256(&answer.body)));
    }
    for (name, of_request) in needed {
        assert!(covered.contains(&(name.to_owned(), of_request)), "{name} is not covered: {input}");
    }
}
