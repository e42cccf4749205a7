//! `sealserve.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Span, check};
use crate::error::Diagnose;
use crate::fs::{self, FsError};

const LIMIT: u64 = 1 << 20;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("'{}' is not text in UTF-8", path.display())]
    Text { path: PathBuf },
    #[error("configuration '{}' is refused", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("configuration '{}' has an unknown key '{key}'", path.display())]
    UnknownKey { path: PathBuf, key: String, nearest: Option<String>, source: Box<toml::de::Error> },
    #[error("configuration '{}': {detail}", path.display())]
    Value { path: PathBuf, detail: String },
}

impl Diagnose for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean '{nearest}'?")),
            _ => Some("docs/configuration.md lists every key".into()),
        }
    }
}

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
            headers: 32 << 10,
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
    /// Inferences that run at once.
    #[serde(default = "one")]
    pub sessions: usize,
    /// Threads within one inference.
    #[serde(default = "one")]
    pub threads: usize,
    /// Inferences that may wait.
    #[serde(default = "queue")]
    pub queue: usize,
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
    /// Reads and checks the configuration at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read(path, LIMIT)?;
        let text =
            std::str::from_utf8(text.expose()).map_err(|_| ConfigError::Text { path: path.to_owned() })?;
        let mut config = Self::parse(text, path)?;
        let base = path.parent().unwrap_or(Path::new("."));
        let resolve = |p: &mut PathBuf| *p = base.join(&*p);
        resolve(&mut config.tls.certificate);
        resolve(&mut config.tls.key);
        resolve(&mut config.audit.path);
        config.runtime.library.as_mut().map(resolve);
        config.trusted_signers.iter_mut().for_each(resolve);
        config.keys.age_identity.as_mut().map(resolve);
        // A name without a slash is looked for on the search path.
        if let Some(program) = config.keys.unwrap_command.first_mut().filter(|name| name.contains('/')) {
            *program = base.join(&*program).to_string_lossy().into_owned();
        }
        for model in &mut config.models {
            resolve(&mut model.path);
            model.payload.as_mut().map(resolve);
            model.trusted_signers.iter_mut().for_each(resolve);
        }
        Ok(config)
    }

    /// Whether `model` is served only when it is signed.
    pub fn requires_signature(&self, model: &ModelTable) -> bool {
        self.require_signature || model.require_signature
    }

    /// Whose signatures of `model` count.
    pub fn trusted_signers<'a>(&'a self, model: &'a ModelTable) -> &'a [PathBuf] {
        if model.trusted_signers.is_empty() { &self.trusted_signers } else { &model.trusted_signers }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| refused(error, path))?;
        check::values(&config).map_err(|detail| ConfigError::Value { path: path.to_owned(), detail })?;
        Ok(config)
    }
}

/// serde tells the valid names inside its message, between backticks:
/// "unknown field `lisen`, expected one of `listen`, `tls`".
fn refused(error: toml::de::Error, path: &Path) -> ConfigError {
    let (path, message) = (path.to_owned(), error.message().to_owned());
    let mut names = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown field"), names.next()) {
        (true, Some(key)) => {
            let near = |name: &&str| strsim::damerau_levenshtein(key, name);
            let nearest = names.min_by_key(near).filter(|name| near(name) <= 1 + key.len() / 3);
            ConfigError::UnknownKey {
                path,
                key: key.to_owned(),
                nearest: nearest.map(ToOwned::to_owned),
                source: Box::new(error),
            }
        }
        _ => ConfigError::Syntax { path, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        listen = "127.0.0.1:8443"
        issuer = "i"
        audience = "a"
        tls = { certificate = "c", key = "k" }
        [[model]]
        name = "digits"
        path = "digits.sealed"
    "#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("sealserve.toml"))
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.limits, LimitsTable::default());
        assert_eq!(config.tls.min_version, TlsVersion::Tls13);
        assert_eq!(config.models[0].version, "1");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        for (from, to, nearest) in [
            ("listen", "lisen", Some("listen")),
            ("path", "pth", Some("path")),
            ("certificate", "certifcate", Some("certificate")),
            ("[[model]]", "[limits]\nbodies = 1\n[[model]]", Some("body")),
            ("[[model]]", "[zebra]\n[[model]]", None),
        ] {
            match parse(&LEAST.replacen(from, to, 1)) {
                Err(ConfigError::UnknownKey { nearest: found, .. }) => assert_eq!(found.as_deref(), nearest),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for (from, to) in [
            ("\"digits\"", "\"../digits\""),
            ("\"digits\"", "\"\""),
            ("[[model]]", "[limits]\nconnections = 0\n[[model]]"),
            ("[[model]]", "[limits]\nbody_timeout = \"-1s\"\n[[model]]"),
            ("path = ", "sessions = 0\npath = "),
            ("path = ", "require_signature = true\npath = "),
            ("listen = ", "require_signature = true\nlisten = "),
            ("[[model]]", "[keys]\ncommand_authenticates = true\n[[model]]"),
            ("[[model]]", "[signing]\nwindow = \"301s\"\n[[model]]"),
            ("[[model]]", "[signing]\nnonces = 0\n[[model]]"),
            ("[[model]]", "[signing]\nmode = \"perhaps\"\n[[model]]"),
        ] {
            assert!(parse(&LEAST.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "(?s).{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_value_is_parsed_without_panic(
            key in "(listen|issuer|allow_swap|tls|limits|keyring|signing|audit|runtime|model)(\\.[a-z_]{1,20})?",
            value in "([0-9eE.+-]{1,30}|\"[^\"\\\\]{0,30}\"|\\[.{0,30}\\]|\\{.{0,30}\\}|true|.{0,20})",
        ) {
            let _ = parse(&format!("{key} = {value}\n{LEAST}"));
        }
    }
}
