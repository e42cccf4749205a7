//! Everything that `serve --dev` needs, made on the spot: keys, certificates, an
//! encrypted model, a token, and the files that make one curl line work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::issue::{IssueRequest, issue};
use super::{HomeError, ModelFiles, read_certificates};
use crate::clock::{UnixSeconds, rfc3339};
use crate::config::Home;
use crate::container::archive::TAR;
use crate::container::{Input, Kek, Metadata, Named, ONNX, Recipient, SealSpec, seal};
use crate::error::shell_word;
use crate::fs::{self, Existing, FsError};
use crate::keyring::{KeyUse, Keyring, KeyringError, NewKey, RootKey, Store};
use crate::pki::{Authority, AuthorityRequest, Holder, LeafRequest, Limits, Name, Subtree};
use crate::progress::Progress;
use crate::runtime::{DataType, TensorSpec};
use crate::secret::{Secret, SecretBytes};
use crate::token::{Grant, SigningKey};

/// Certificates are made anew when less than a month of their ninety days is left.
const RENEW_AFTER: Duration = Duration::from_hours(60 * 24);
/// How long the token in `curlrc` is valid.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// What to develop with.
pub struct DevRequest<'a> {
    /// Where keys and certificates are kept.
    pub home: &'a Home,
    /// Opens the keyring there.
    pub root: RootKey,
    /// Now.
    pub now: UnixSeconds,
}

/// A home for development.
pub struct DevHome {
    home: Home,
    store: Store,
    now: UnixSeconds,
}

impl DevHome {
    /// `iss` and `aud` of the tokens here.
    pub const AUTHORITY: &'static str = "https://localhost";

    /// Opens the home, or makes it.
    pub fn open(request: DevRequest<'_>) -> Result<Self, HomeError> {
        let DevRequest { home, root, now } = request;
        home.create()?;
        let dev = Self { home: home.clone(), store: Store::new(home.path(), root), now };
        match dev.store.read() {
            Ok(_) => {}
            Err(KeyringError::Absent { .. }) => {
                dev.store.create(|| -> Result<_, KeyringError> {
                    let mut keyring = Keyring::default();
                    for (usage, id) in [(KeyUse::Token, "dev-token"), (KeyUse::Model, "dev-model")] {
                        keyring.create(NewKey { usage, id: Some(id.into()), owner: None }, now)?;
                    }
                    Ok((keyring, ()))
                })?;
            }
            Err(error) => return Err(error.into()),
        }
        dev.certificates()?;
        Ok(dev)
    }

    /// The keyring.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The certificate that clients trust.
    pub fn ca(&self) -> PathBuf {
        self.home.pki().join("ca.pem")
    }

    /// The server's certificate chain and key.
    pub fn server_certificate(&self) -> (PathBuf, PathBuf) {
        (self.home.pki().join("server.pem"), self.home.pki().join("server.key"))
    }

    /// Makes certificates where there are none, or soon will be none. The
    /// authority's keys live for this call only: nobody can sign with them later.
    fn certificates(&self) -> Result<(), HomeError> {
        let (chain, key) = self.server_certificate();
        let fresh = |path: &Path| {
            let made = path.metadata().and_then(|m| m.modified()).ok();
            made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age < RENEW_AFTER)
        };
        // Earlier versions limited addresses, which BoringSSL cannot read.
        let readable = || {
            let authorities = read_certificates(&self.ca());
            authorities.is_ok_and(|found| found.iter().all(|authority| !authority.facts.limits_addresses()))
        };
        if [&chain, &key, &self.ca()].into_iter().all(|path| fresh(path)) && readable() {
            return Ok(());
        }
        let names = ["localhost", "127.0.0.1", "::1"].map(str::parse::<Name>);
        let names: Vec<Name> = names.into_iter().flatten().collect();
        let permitted: Vec<_> = names.iter().map(Subtree::from).collect();
        let authority = Authority::create(
            &AuthorityRequest {
                title: "sealserve development",
                limits: &Limits::new(&permitted, false),
                root_lifetime: None,
                issuing_lifetime: None,
            },
            self.now,
        )?;
        let root = authority.root.certificate().pem();
        fs::write(&self.ca(), root.as_bytes(), fs::PUBLIC, Existing::Replace)?;
        let request = IssueRequest {
            signer: &authority.issuing,
            leaf: LeafRequest {
                holder: Holder::Server(&names),
                lifetime: None,
                usual: None,
                allow_long: false,
            },
            inventory: None,
            certificate: Some(&chain),
            key: Some(&key),
            existing: Existing::Replace,
        };
        issue(&request, self.now).map(drop)
    }

    /// Encrypts the model at `path`, in memory, as `name`.
    pub fn encrypt(&self, path: &Path, name: &str, progress: &dyn Progress) -> Result<Vec<u8>, HomeError> {
        let keyring = self.store.read()?;
        let key = keyring.active(KeyUse::Model)?;
        let kek = Secret::from_slice(key.secret.expose()).map(Kek::new);
        let model_files = ModelFiles::find(path, None)?;
        let (input, size, media_type): (Box<dyn Input>, _, _) = if let Some(model_files) = &model_files {
            let reader = model_files.reader()?;
            let size = reader.length();
            (Box::new(reader), size, TAR)
        } else {
            let file = std::fs::File::open(path).map_err(FsError::io("read", path))?;
            let size = file.metadata().map_err(FsError::io("read", path))?.len();
            (Box::new(file), size, ONNX)
        };
        let metadata = Metadata {
            name: name.to_owned(),
            version: "1".into(),
            media_type: media_type.into(),
            created: rfc3339(self.now),
            size: Some(size),
            sha256: None,
        };
        let recipients: Vec<_> = kek.into_iter().map(Recipient::Key).collect();
        let spec = SealSpec { recipients: &recipients, metadata: &metadata };
        let mut sealed = Vec::new();
        let input = Named::new(path.to_string_lossy(), input);
        seal(input, Named::new("memory", &mut sealed), &spec, progress)?;
        Ok(sealed)
    }

    /// Writes `curlrc` and `sample.json` for the model `name` and returns the
    /// curl line that uses them.
    pub fn invite(&self, name: &str, url: &str, sample: &Value) -> Result<String, HomeError> {
        let grant = Grant {
            issuer: Self::AUTHORITY.into(),
            audience: Self::AUTHORITY.into(),
            subject: "dev".into(),
            client: "dev".into(),
            scopes: vec!["model:*:*".into()],
            lifetime: TOKEN_LIFETIME,
        };
        let keyring = self.store.read()?;
        let (token, _) = SigningKey::new(keyring.active(KeyUse::Token)?).mint(&grant, self.now)?;
        let (curlrc, body) = (self.home.path().join("curlrc"), self.home.path().join("sample.json"));
        fs::write(&curlrc, config(&self.ca(), &token).expose(), fs::SECRET, Existing::Replace)?;
        fs::write(&body, sample.to_string().as_bytes(), fs::PUBLIC, Existing::Replace)?;
        Ok(format!(
            "curl -K {} --data-binary @{} {url}/v2/models/{name}/infer",
            shell_word(&curlrc.display().to_string()),
            shell_word(&body.display().to_string()),
        ))
    }
}

/// A curl configuration file (curl(1), `--config`): quoted values with backslash escapes.
fn config(ca: &Path, token: &SecretBytes) -> SecretBytes {
    let ca = ca.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = SecretBytes::with_capacity(ca.len() + token.len() + 256);
    for part in [
        b"cacert = \"".as_slice(),
        ca.as_bytes(),
        b"\"\nnoproxy = \"localhost\"\nheader = \"Content-Type: application/json\"\nheader = \"Authorization: Bearer ",
        token.expose(),
        b"\"\n",
    ] {
        text.expose_mut().extend_from_slice(part);
    }
    text
}

/// A request that a model with these inputs takes: zeros, one for every free dimension.
pub fn sample(inputs: &[TensorSpec]) -> Value {
    let inputs: Vec<Value> = inputs
        .iter()
        .map(|spec| {
            let shape: Vec<usize> = spec.shape.iter().map(|d| usize::try_from(*d).unwrap_or(1)).collect();
            let zero = match spec.data_type {
                DataType::Bool => json!(false),
                DataType::Bytes => json!(""),
                _ => json!(0),
            };
            let data = vec![zero; shape.iter().product()];
            json!({ "name": spec.name, "shape": shape, "datatype": spec.data_type.name(), "data": data })
        })
        .collect();
    json!({ "inputs": inputs })
}
