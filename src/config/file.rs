//! `sealserve.toml`: its tables and their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::Span;

/// A server's configuration. Relative paths are relative to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `iss` of the tokens that are accepted and minted.
    pub issuer: String,
    /// `aud` of the tokens that are accepted and minted.
    pub audience: String,
    /// Start even where memory can be written to disk.
    #[serde(default)]
    pub allow_swap: bool,
    /// Serve no model that nobody in `trusted_signers` has signed.
    #[serde(default)]
    pub require_signature: bool,
    /// Whose signatures of models count, unless a model has a list of its own: files
    /// with public keys. PEM.
    #[serde(default)]
    pub trusted_signers: Vec<PathBuf>,
    /// Certificate and protocol.
    pub tls: TlsTable,
    /// Bounds on what clients can make the server do.
    #[serde(default)]
    pub limits: LimitsTable,
    /// How the keyring is followed.
    #[serde(default)]
    pub keyring: KeyringTable,
    /// Signed requests.
    #[serde(default)]
    pub signing: SigningTable,
    /// What opens models beside the keyring, and who else is encrypted for.
    #[serde(default)]
    pub keys: KeysTable,
    /// The record of decisions.
    #[serde(default)]
    pub audit: AuditTable,
    /// ONNX Runtime.
    #[serde(default)]
    pub runtime: RuntimeTable,
    /// The models.
    #[serde(rename = "model", default)]
    pub models: Vec<ModelTable>,
}

/// `[tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// Certificate chain, leaf first. PEM.
    pub certificate: PathBuf,
    /// Private key, mode 0600. PEM.
    pub key: PathBuf,
    /// The oldest protocol version that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Open connections.
    pub connections: usize,
    /// Open connections from one address.
    pub connections_per_address: usize,
    /// Requests whose bodies are held in memory, in bytes, all together.
    pub body_memory: usize,
    /// One request's body, in bytes.
    pub body: usize,
    /// One answer, in bytes: its outputs, and each form of them.
    pub answer: usize,
    /// Answers that are held in memory, in bytes, all together.
    pub answer_memory: usize,
    /// One request's headers, in bytes.
    pub headers: usize,
    /// From connect to the end of the TLS handshake.
    pub handshake_timeout: Span,
    /// From the first byte of a request to the end of its headers; also how long
    /// an idle connection is kept.
    pub header_timeout: Span,
    /// Between two pieces of a body.
    pub body_timeout: Span,
    /// A whole body.
    pub body_deadline: Span,
    /// One inference, waiting in the queue included.
    pub inference_timeout: Span,
    /// From SIGTERM until connections are cut.
    pub drain_timeout: Span,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            body_memory: 1 << 30,
            body: 64 << 20,
            answer: 256 << 20,
            answer_memory: 1 << 30,
            headers: 16 << 10,
            handshake_timeout: Span::seconds(10),
            header_timeout: Span::seconds(30),
            body_timeout: Span::seconds(30),
            body_deadline: Span::seconds(300),
            inference_timeout: Span::seconds(60),
            drain_timeout: Span::seconds(30),
        }
    }
}

/// `[keyring]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyringTable {
    /// How long a keyring that cannot be read any more is still obeyed.
    pub max_stale: Span,
}

impl Default for KeyringTable {
    fn default() -> Self {
        Self { max_stale: Span::seconds(300) }
    }
}

/// `[signing]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningTable {
    /// Who must sign.
    pub mode: SigningMode,
    /// The longest time from `created` to `expires`.
    pub window: Span,
    /// Nonces that are remembered for each request key.
    pub nonces: usize,
    /// Hosts that signed requests may be for, where they are not the certificate's.
    pub authorities: Vec<String>,
}

impl Default for SigningTable {
    fn default() -> Self {
        Self {
            mode: SigningMode::default(),
            window: Span::seconds(60),
            nonces: 1_000_000,
            authorities: Vec::new(),
        }
    }
}

/// Who must sign requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningMode {
    /// Signatures are not looked at.
    Off,
    /// A signature that is there must hold.
    #[default]
    Optional,
    /// Every request that needs a credential needs a signature too.
    Required,
}

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysTable {
    /// A file of age identities, mode 0600.
    pub age_identity: Option<PathBuf>,
    /// A program and its arguments, which unwraps data keys.
    pub unwrap_command: Vec<String>,
    /// The name of the key that it uses.
    pub command_key: Option<String>,
    /// How long it may take.
    pub command_timeout: Span,
    /// Serve what it opens unsigned: who can wrap under that key may make models.
    pub command_authenticates: bool,
    /// Public keys of age for which `model encrypt` encrypts, too.
    pub recovery: Vec<String>,
}

impl Default for KeysTable {
    fn default() -> Self {
        Self {
            age_identity: None,
            unwrap_command: Vec::new(),
            command_key: None,
            command_timeout: Span::seconds(30),
            command_authenticates: false,
            recovery: Vec::new(),
        }
    }
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditTable {
    /// Where the record is kept.
    pub path: PathBuf,
    /// What happens when it cannot be kept.
    pub mode: AuditMode,
}

impl Default for AuditTable {
    fn default() -> Self {
        Self { path: "audit/audit.jsonl".into(), mode: AuditMode::default() }
    }
}

/// What a decision waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// Lines are written soon; one that is lost is counted.
    #[default]
    BestEffort,
    /// A line is on disk before its response begins; otherwise the request is refused.
    Required,
}

/// `[runtime]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeTable {
    /// The library, where it is not to be looked for.
    pub library: Option<PathBuf>,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: Option<String>,
    /// Accept a library that is not pinned.
    pub insecure_library: bool,
}

/// `[[model]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTable {
    /// Its name; must be the one in the file's metadata.
    pub name: String,
    /// Its version; must be the one in the file's metadata.
    #[serde(default = "first_version")]
    pub version: String,
    /// The encrypted model.
    pub path: PathBuf,
    /// Its payload, where `path` is a header that stands alone.
    pub payload: Option<PathBuf>,
    /// Serve it only if a trusted signer has signed it.
    #[serde(default)]
    pub require_signature: bool,
    /// Whose signatures of it count: these, and not those of the top level. PEM.
    #[serde(default)]
    pub trusted_signers: Vec<PathBuf>,
    /// Inferences that run at once; one for each core, where none is given and the model is small.
    pub sessions: Option<usize>,
    /// Sessions share repacked weights; only for models whose author is trusted.
    #[serde(default)]
    pub share_weights: bool,
    /// Threads within one inference.
    #[serde(default = "one")]
    pub threads: usize,
    /// Inferences that may wait.
    #[serde(default = "queue")]
    pub queue: usize,
    /// Bytes that ONNX Runtime may take for the runs of one session.
    pub run_memory: Option<usize>,
}

fn first_version() -> String {
    "1".into()
}

fn one() -> usize {
    1
}

fn queue() -> usize {
    256
}

impl Config {
    /// Whether `model` is served only when it is signed.
    pub fn requires_signature(&self, model: &ModelTable) -> bool {
        self.require_signature || model.require_signature
    }

    /// Whose signatures of `model` count.
    pub fn trusted_signers<'a>(&'a self, model: &'a ModelTable) -> &'a [PathBuf] {
        if model.trusted_signers.is_empty() { &self.trusted_signers } else { &model.trusted_signers }
    }
}
