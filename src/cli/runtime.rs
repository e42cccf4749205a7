//! `runtime`: install, list, check. Also how other verbs load the library.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::context::Context;
use super::{Outcome, answered, env, written};
use crate::error::Kind;
use crate::output::{Document, Failure, ShownPath, table};
use crate::runtime::install::{self, InstallRequest, Installed};
use crate::runtime::pins::Flavor;
use crate::runtime::search::{Search, find};
use crate::runtime::{Device, Library, Runtime, RuntimeError};

/// Install and check ONNX Runtime
#[derive(Debug, Args)]
pub(super) struct RuntimeCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Install(Install),
    List(List),
    Check(Check),
}

impl RuntimeCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Install(verb) => verb.run(context),
            Verb::List(verb) => verb.run(context),
            Verb::Check(verb) => verb.run(context),
        }
    }
}

/// Which library, on which device; shared by `serve` and `runtime check`.
#[derive(Debug, Clone, Args)]
pub(super) struct Choice {
    /// ONNX Runtime to load [default: ORT_DYLIB_PATH, beside the program, the home, the system]
    #[arg(long = "runtime", value_name = "FILE")]
    library: Option<PathBuf>,
    /// Where models run: auto, cpu or cuda:N
    #[arg(long)]
    device: Option<Device>,
    /// Load a library whose SHA-256 is not known
    #[arg(long)]
    insecure: bool,
    /// What the configuration says; the environment comes before it.
    #[arg(skip)]
    configured: Option<PathBuf>,
}

impl Choice {
    /// Fills in what the options left open.
    pub(super) fn or(
        mut self,
        library: Option<&Path>,
        device: Option<&str>,
        insecure: bool,
    ) -> Outcome<Self> {
        self.configured = library.map(Path::to_owned);
        if let (None, Some(device)) = (self.device, device) {
            self.device = Some(device.parse().map_err(RuntimeError::from)?);
        }
        self.insecure |= insecure;
        Ok(self)
    }

    /// The device that was asked for.
    pub(super) fn device(&self) -> Device {
        self.device.unwrap_or_default()
    }

    /// Finds, checks and loads the library; `homes` are `runtime` directories.
    pub(super) fn load(&self, homes: &[PathBuf]) -> Result<Runtime, RuntimeError> {
        let found = self.find(homes)?;
        Runtime::load(Library::check(&found, self.device(), self.insecure)?)
    }

    fn find(&self, homes: &[PathBuf]) -> Result<PathBuf, RuntimeError> {
        let from_env = env::var("ORT_DYLIB_PATH").filter(|value| !value.is_empty()).map(PathBuf::from);
        let binary = std::env::current_exe().ok();
        let configured = self.configured.as_deref().filter(|_| from_env.is_none());
        let explicit = self.library.as_deref().or(configured);
        let search = |home| Search {
            explicit,
            from_env: from_env.as_deref(),
            beside_binary: binary.as_deref().and_then(Path::parent),
            home_runtime: home,
            device: self.device(),
        };
        let mut outcome = find(&search(homes.first().map(PathBuf::as_path)));
        for home in homes.iter().skip(1) {
            if !matches!(outcome, Err(RuntimeError::NotFound { .. })) {
                break;
            }
            outcome = find(&search(Some(home)));
        }
        Ok(outcome?.path)
    }
}

/// Downloads ONNX Runtime into `directory`, with a progress bar.
pub(super) fn install(
    context: &Context,
    directory: &Path,
    from: Option<&Path>,
    flavor: Flavor,
) -> Outcome<Installed> {
    if let (None, Some(size)) = (from, install::download_size(flavor)) {
        context.output.note(&format!("fetching ONNX Runtime with pip ({} MB)", size.div_ceil(1_000_000)));
    }
    let request = InstallRequest { directory, from, flavor, python: Path::new("python3") };
    let installed = install::install(&request, &context.output.progress("ONNX Runtime"))?;
    Ok(installed)
}

/// Download ONNX Runtime with pip, check its SHA-256 and unpack it into the home
#[derive(Debug, Args)]
struct Install {
    /// Use this wheel or library instead of downloading one
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// With CUDA 13 and cuDNN 9
    #[arg(long)]
    cuda: bool,
}

#[derive(Serialize)]
struct InstallDocument {
    path: ShownPath,
    version: &'static str,
    flavor: String,
    changed: bool,
}

impl Document for InstallDocument {
    const SCHEMA: &'static str = "sealserve.runtime.install/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path.display())
    }
}

impl Install {
    fn run(self, context: &Context) -> Outcome {
        let flavor = if self.cuda { Flavor::Cuda } else { Flavor::Cpu };
        let home = context.home()?;
        let installed = install(context, &home.runtime(), self.from.as_deref(), flavor)?;
        let changed = installed.outcome == install::Outcome::Installed;
        let verb = if changed { "installed" } else { "already there:" };
        context.output.note(&format!("{verb} ONNX Runtime {} ({flavor})", installed.version));
        if self.cuda {
            context.output.note("next: sealserve runtime check --device cuda:0");
        }
        written(context.output.document(&InstallDocument {
            path: installed.path.into(),
            version: installed.version,
            flavor: flavor.to_string(),
            changed,
        }))
    }
}

/// List the versions in the home
#[derive(Debug, Args)]
struct List {}

#[derive(Serialize)]
struct ListDocument {
    libraries: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: ShownPath,
    version: &'static str,
    flavor: String,
    intact: bool,
    sha256: String,
}

impl Document for ListDocument {
    const SCHEMA: &'static str = "sealserve.runtime.list/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.libraries.iter().map(|row| {
            let state = if row.intact { "intact" } else { "DAMAGED" };
            [row.version.to_owned(), row.flavor.clone(), state.to_owned(), row.path.display().to_string()]
        });
        writeln!(out, "{}", table(["VERSION", "FLAVOR", "STATE", "PATH"], rows))
    }
}

impl List {
    #[expect(clippy::unused_self, reason = "the shape of every verb")]
    fn run(self, context: &Context) -> Outcome {
        let libraries = install::list(&context.home()?.runtime())
            .into_iter()
            .map(|entry| Row {
                path: entry.path.into(),
                version: entry.version,
                flavor: entry.flavor.to_string(),
                intact: entry.intact,
                sha256: entry.sha256,
            })
            .collect();
        written(context.output.document(&ListDocument { libraries }))
    }
}

/// Load the library and try the device; exit 3 if it is not usable, and say what is missing
#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    choice: Choice,
}

#[derive(Serialize)]
struct CheckDocument {
    path: ShownPath,
    version: String,
    sha256: String,
    pinned: bool,
    providers: Vec<&'static str>,
    device: String,
    reason: Option<String>,
}

impl Document for CheckDocument {
    const SCHEMA: &'static str = "sealserve.runtime.check/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let known = if self.pinned { "known build" } else { "UNKNOWN build" };
        writeln!(out, "ONNX Runtime {} ({known}) {}", self.version, self.path.display())?;
        writeln!(out, "sha256 {}", self.sha256)?;
        writeln!(out, "built for {}", self.providers.join(", "))?;
        match &self.reason {
            Some(reason) => writeln!(out, "device {} ({reason})", self.device),
            None => writeln!(out, "device {}", self.device),
        }
    }
}

impl Check {
    fn run(self, context: &Context) -> Outcome {
        answered::<CheckDocument>(context.output, self.judge(context))
    }

    fn judge(self, context: &Context) -> Outcome {
        let runtime = self.choice.load(&[context.home()?.runtime()])?;
        let selection = runtime
            .select(self.choice.device())
            .map_err(|error| Failure::from(error).kind(Kind::Negative))?;
        let description = runtime.describe();
        written(context.output.document(&CheckDocument {
            path: description.path.into(),
            version: description.version,
            sha256: HEXLOWER.encode(&description.sha256),
            pinned: description.pinned,
            providers: description.providers,
            device: selection.placement.to_string(),
            reason: selection.reason,
        }))
    }
}

/// Whether ONNX Runtime is simply not there.
pub(super) fn is_missing(error: &RuntimeError) -> bool {
    matches!(error, RuntimeError::NotFound { .. })
}

/// Refuses a file that is not there before anything is made for it.
pub(super) fn require_file(path: &Path) -> Outcome {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Failure::new(Kind::Failed, format!("'{}' is not a file", path.display())).into()),
        Err(error) => Err(crate::fs::FsError::io("read", path)(error).into()),
    }
}
