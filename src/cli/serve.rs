//! `serve`: from a configuration, or from nothing but a model.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::context::{self, Context};
use super::model::read_trusted;
use super::runtime::{self, Choice};
use super::secret;
use super::{Outcome, written};
use crate::command::Program;
use crate::config::{
    AuditTable, Config, Home, KeyringTable, KeysTable, LimitsTable, ModelTable, RuntimeTable, SigningTable,
    TlsTable, TlsVersion,
};
use crate::container::{External, Nobody, Others, Person, SignaturePolicy};
use crate::crypto::random;
use crate::error::Kind;
use crate::fs::{self, Existing, FsError};
use crate::keyring::{KeyringError, RootKey};
use crate::ops::{self, DevHome, DevRequest};
use crate::output::{Document, Failure, ShownPath};
use crate::runtime::pins::Flavor;
use crate::runtime::{Placement, Runtime};
use crate::server;
use crate::serving::{ModelSource, ModelSpec};

/// Serve encrypted models over HTTPS
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["dev", "config"]), after_help = "Examples:
  sealserve serve --dev model.onnx       # one command, on this machine only
  sealserve serve                        # as the home's sealserve.toml says
  sealserve serve --check                # is the configuration sound?")]
pub(super) struct Serve {
    /// Serve this ONNX model for development: loopback only, with keys made on the spot
    #[arg(long, value_name = "MODEL")]
    dev: Option<PathBuf>,
    /// Configuration [default: sealserve.toml in the home]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Write {pid, url} to this file once the server is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Check configuration, keys, models and library; serve nothing
    #[arg(long, conflicts_with = "dev")]
    check: bool,
    /// Delete the development home when the server ends
    #[arg(long, requires = "dev")]
    ephemeral: bool,
    #[command(flatten)]
    choice: Choice,
}

#[derive(Serialize)]
struct Ready<'a> {
    pid: u32,
    url: &'a str,
}

/// What `--check` found in order.
#[derive(Serialize)]
struct CheckDocument {
    config: ShownPath,
    models: Vec<String>,
}

impl Document for CheckDocument {
    const SCHEMA: &'static str = "sealserve.serve.check/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Serve {
    pub(super) fn run(self, context: &Context) -> Outcome {
        context.log();
        match &self.dev {
            Some(model) => self.develop(context, model),
            None => self.serve(context),
        }
    }

    fn serve(&self, context: &Context) -> Outcome {
        let home = context.home()?;
        let store = context.store()?;
        let path = self.config.clone().unwrap_or_else(|| home.config());
        let mut config = Config::read(&path)?;
        config.listen = self.listen.unwrap_or(config.listen);
        let table = &config.runtime;
        let choice = self.choice.clone().or(
            table.library.as_deref(),
            table.device.as_deref(),
            table.insecure_library,
        )?;
        self.ready_file.as_deref().map_or(Ok(()), fs::require_writable)?;
        let runtime = choice.load(&[home.runtime()])?;
        let placement = place(context, runtime, &choice)?;
        let spec = |model: &ModelTable| {
            Ok(ModelSpec {
                name: model.name.clone(),
                version: model.version.clone(),
                source: match model.payload.clone() {
                    None => ModelSource::File(model.path.clone()),
                    Some(payload) => ModelSource::Detached { header: model.path.clone(), payload },
                },
                signatures: signatures(&config, model)?,
                placement,
                sessions: model.sessions,
                share_weights: model.share_weights,
                threads: model.threads,
                queue: model.queue,
                run_memory: model.run_memory,
            })
        };
        let models = config.models.iter().map(spec).collect::<Outcome<_>>()?;
        let options = server::Options {
            home: &home,
            config: &config,
            store,
            others: others(&config.keys)?,
            models,
            runtime,
            progress: &context.output.progress("loading models"),
        };
        if self.check {
            server::check(options)?;
            context.output.note(&format!("{}: configuration OK", path.display()));
            let models = config.models.iter().map(|model| model.name.clone()).collect();
            return written(context.output.document(&CheckDocument { config: path.into(), models }));
        }
        server::run(options, |url, _| {
            context.output.note(&format!("serving on {url}"));
            self.announce(url)
        })?;
        Ok(())
    }

    fn develop(&self, context: &Context, model: &Path) -> Outcome {
        runtime::require_file(model)?;
        let listen = self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8443)));
        // The addresses that the certificate names, and that `localhost` is.
        if listen.ip() != Ipv4Addr::LOCALHOST && listen.ip() != Ipv6Addr::LOCALHOST {
            return Err(Failure::new(
                Kind::Usage,
                format!("--dev listens on loopback only (127.0.0.1 or ::1), not on {}", listen.ip()),
            )
            .hint("`sealserve init` makes a home that other machines may reach")
            .into());
        }
        let name = model_name(model);
        let (home, root, _scratch) = self.dev_home(context)?;
        home.create().map_err(|error| context::elsewhere(error, context::HOME))?;
        let dev = DevHome::open(DevRequest { home: &home, root, now: context.now() })?;
        let runtime = self.dev_runtime(context)?;
        let placement = place(context, runtime, &self.choice)?;
        let sealed = dev.encrypt(model, &name, &context.output.progress("encrypting"))?;
        let (certificate, key) = dev.server_certificate();
        let config = Config {
            listen,
            issuer: DevHome::AUTHORITY.into(),
            audience: DevHome::AUTHORITY.into(),
            // The plaintext model lies on this disk anyway.
            allow_swap: true,
            require_signature: false,
            trusted_signers: Vec::new(),
            tls: TlsTable { certificate, key, min_version: TlsVersion::Tls13 },
            limits: LimitsTable::default(),
            keyring: KeyringTable::default(),
            signing: SigningTable::default(),
            keys: KeysTable::default(),
            audit: AuditTable { path: home.path().join("audit/audit.jsonl"), ..AuditTable::default() },
            runtime: RuntimeTable::default(),
            models: Vec::new(),
        };
        let spec = ModelSpec {
            name: name.clone(),
            version: "1".into(),
            source: ModelSource::Memory(sealed),
            signatures: SignaturePolicy::default(),
            placement,
            sessions: None,
            share_weights: false,
            threads: 1,
            queue: 256,
            run_memory: None,
        };
        if !server::memory_stays_in_memory() {
            context.output.warn("this machine has swap: the model may be written to disk");
        }
        let options = server::Options {
            home: &home,
            config: &config,
            others: Others::default(),
            store: dev.store().clone(),
            models: vec![spec],
            runtime,
            progress: &context.output.progress("loading"),
        };
        server::run(options, |url, models| {
            let inputs = models.all().first().map(|model| model.inputs().to_vec()).unwrap_or_default();
            let line = dev.invite(&name, url, &ops::sample(&inputs)).map_err(|error| match error {
                ops::HomeError::File(error) => error,
                other => FsError::io("write", "curlrc")(std::io::Error::other(other)),
            })?;
            context.output.note(&format!("serving '{name}', encrypted in memory, on {url}"));
            context.output.note("paste this into another shell:\n");
            context.output.line(&line);
            context.output.note(&format!("\nhome: {} (Ctrl-C ends)", home.path().display()));
            self.announce(url)
        })?;
        Ok(())
    }

    /// The development home and its root key. An ephemeral one goes away with the
    /// returned guard.
    fn dev_home(&self, context: &Context) -> Outcome<(Home, RootKey, Option<Scratch>)> {
        if self.ephemeral {
            let name = format!("sealserve-dev-{}", data_encoding::HEXLOWER.encode(&random::bytes::<8>()));
            let scratch = Scratch(std::env::temp_dir().join(name));
            return Ok((Home::new(&scratch.0)?, RootKey::generate(), Some(scratch)));
        }
        let home = context.dev_home()?;
        let file = context::dev_root_key()?;
        let root = match RootKey::read(&file) {
            Err(KeyringError::RootAbsent { .. }) => {
                let refused = |error| context::elsewhere(error, context::DEV_ROOT_KEY);
                fs::parent_directory(&file).map_err(refused)?;
                let root = RootKey::generate();
                root.write(&file).map_err(refused)?;
                root
            }
            Err(KeyringError::File(error)) => {
                return Err(context::elsewhere(error, context::DEV_ROOT_KEY).into());
            }
            other => other?,
        };
        Ok((home, root, None))
    }

    /// The library; installs it where it is missing.
    fn dev_runtime(&self, context: &Context) -> Outcome<Runtime> {
        // Never in an ephemeral home, which would download it anew each time.
        let kept = context.dev_home()?;
        let homes = [kept.runtime(), context.home()?.runtime()];
        match self.choice.load(&homes) {
            Err(error) if runtime::is_missing(&error) => {
                fs::private_directory(kept.path())
                    .map_err(|error| context::elsewhere(error, context::HOME))?;
                runtime::install(context, &homes[0], None, Flavor::Cpu)?;
                Ok(self.choice.load(&homes)?)
            }
            other => Ok(other?),
        }
    }

    fn announce(&self, url: &str) -> Result<(), FsError> {
        let Some(path) = &self.ready_file else { return Ok(()) };
        let ready = Ready { pid: std::process::id(), url };
        let text = serde_json::to_vec(&ready).unwrap_or_default();
        fs::write(path, &text, fs::PUBLIC, Existing::Replace)
    }
}

/// What opens models beside the keyring. Nobody is there to be asked.
fn others(table: &KeysTable) -> Outcome<Others> {
    let mut others = Others::default();
    if let Some(path) = &table.age_identity {
        let contents = fs::read_secret(path, 1 << 20).map_err(secret::refused)?;
        let nobody: Arc<dyn Person> = Arc::new(Nobody);
        others.age.add_file(&format!("'{}'", path.display()), &contents, &nobody)?;
    }
    if let Some(name) = &table.command_key {
        let program = Program::new(&table.unwrap_command)
            .map_err(|error| Failure::new(Kind::Usage, format!("keys.unwrap_command: {error}")))?;
        let hear = |line: &str| tracing::info!(line, "keys.unwrap_command");
        others.commands.push(External::new(program, name, table.command_timeout.0, hear)?);
    }
    Ok(others)
}

/// Who must have signed `model`.
fn signatures(config: &Config, model: &ModelTable) -> Outcome<SignaturePolicy> {
    let mut policy = SignaturePolicy {
        required: config.requires_signature(model),
        command_authenticates: config.keys.command_authenticates,
        trusted: Vec::new(),
    };
    for path in config.trusted_signers(model) {
        policy.trusted.extend(read_trusted(path)?);
    }
    Ok(policy)
}

/// Chooses the device, and says which.
fn place(context: &Context, runtime: Runtime, choice: &Choice) -> Outcome<Placement> {
    let selection = runtime.select(choice.device())?;
    let why = selection.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    context.output.note(&format!("ONNX Runtime {} on {}{why}", runtime.version(), selection.placement));
    Ok(selection.placement)
}

/// The file's stem, as far as it can stand in a URL and in a scope.
fn model_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = stem.chars().map(allowed).take(128).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

/// A directory that goes away.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
