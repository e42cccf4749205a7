//! Signs whatever a test wants with the sandbox's own token key, so that a refusal
//! is for what the token says, and not for its signature.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use sealserve::keyring::{Key, KeyUse, RootKey, Store};
use serde_json::{Value, json};

use super::Sandbox;

/// Whom `sealserve init` makes tokens come from, and whom they are for.
pub const AUTHORITY: &str = "https://localhost";

/// The active token key of a sandbox's keyring.
pub struct Forge {
    key: Key,
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the server under test has the machine's clock")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// `base`, with the members of `changes` laid over it; null removes one.
pub fn overlay(mut base: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("{changes}") };
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name)
        } else {
            members.insert(name, value)
        };
    }
    base
}

impl Forge {
    pub fn new(sandbox: &Sandbox) -> Self {
        let root = RootKey::read(&sandbox.path("config/sealserve/root.key")).unwrap();
        let keyring = Store::new(&sandbox.home(), root).read().unwrap();
        Self { key: keyring.active(KeyUse::Token).unwrap().clone() }
    }

    pub fn kid(&self) -> &str {
        &self.key.kid
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        serde_json::to_value(self.key.public.as_ref().unwrap()).unwrap()
    }

    /// The public key in PEM (RFC 7468, section 13).
    pub fn public_pem(&self) -> String {
        let jwk = self.jwk();
        let coordinate = |name: &str| BASE64URL_NOPAD.decode(jwk[name].as_str().unwrap().as_bytes()).unwrap();
        // SubjectPublicKeyInfo of a P-256 key, up to its uncompressed point.
        let mut der = data_encoding::HEXLOWER
            .decode(b"3059301306072a8648ce3d020106082a8648ce3d03010703420004")
            .unwrap();
        der.extend(coordinate("x"));
        der.extend(coordinate("y"));
        let body = data_encoding::BASE64.encode(&der);
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A good header.
    pub fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": self.kid() })
    }

    /// Good claims, for inference on `digits`.
    #[expect(clippy::unused_self, reason = "reads as what it is: this authority's claims")]
    pub fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": AUTHORITY, "aud": AUTHORITY, "sub": "mallory", "client_id": "forge",
            "iat": now, "exp": now + 600, "jti": "forged-token", "scope": "model:digits:infer",
        })
    }

    /// A token that is good but for `changes` of its header.
    pub fn with_header(&self, changes: Value) -> String {
        self.sign(&overlay(self.header(), changes).to_string(), &self.claims().to_string())
    }

    /// A token that is good but for `changes` of its claims.
    pub fn with_claims(&self, changes: Value) -> String {
        self.sign(&self.header().to_string(), &overlay(self.claims(), changes).to_string())
    }

    /// Signs any two texts.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = EncodingKey::from_ec_der(self.key.secret.expose());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }

    /// A token that says HS256, its MAC made with `secret`.
    pub fn hs256(&self, secret: &[u8]) -> String {
        let header = overlay(self.header(), json!({ "alg": "HS256" }));
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims().to_string()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!("{message}.{}", encode(ring::hmac::sign(&key, message.as_bytes())))
    }
}
