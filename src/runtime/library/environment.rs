//! ONNX Runtime, loaded: once in a process, for good.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;

use super::check::{CUDA_PROVIDER, Library};
use super::error::RuntimeError;
use crate::crypto::digest::Digest;
use crate::runtime::device::{self, Device, Placement};

/// `y = x`, FP32 `[1]`: enough to find out whether a device works.
const PROBE: &[u8] = b"\x08\x08:;\n\x10\n\x01x\x12\x01y\"\x08Identity\x12\x05probe\
    Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01\
    B\x04\n\x00\x10\x11";

/// A directory that cannot exist.
const NOWHERE: &str = "/dev/null/nowhere";

static LOADED: OnceLock<Loaded> = OnceLock::new();
/// The first library, from the moment that it is in the process.
static FIRST: Mutex<Option<(Digest, PathBuf)>> = Mutex::new(None);

/// ONNX Runtime, ready to open models.
#[derive(Debug, Clone, Copy)]
pub struct Runtime(&'static Loaded);

#[derive(Debug)]
struct Loaded {
    environment: Environment,
    library: Library,
    version: String,
    /// The libraries that CUDA needs, loaded once; or why not.
    cuda_libraries: OnceLock<Result<(), String>>,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The library.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Whether it is a known build.
    pub pinned: bool,
    /// The devices that it was built for.
    pub providers: Vec<&'static str>,
    /// What its authors say about the build.
    pub build: &'static str,
}

/// The device that was chosen, and why, where there was a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The device.
    pub placement: Placement,
    /// Why `auto` did not choose a GPU.
    pub reason: Option<String>,
}

impl Runtime {
    /// Loads `library`. A second call gets the same runtime, and an error if it
    /// wants another library.
    pub fn load(library: Library) -> Result<Self, RuntimeError> {
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sha256, path)) = &*first {
            let loaded = LOADED.get().filter(|loaded| {
                sha256 == library.sha256() && (loaded.library.on_disk() || !library.on_disk())
            });
            return loaded.map(Self).ok_or_else(|| RuntimeError::AlreadyLoaded { loaded: path.clone() });
        }
        check_environment()?;
        let load_path = library.load_path();
        let failed = |message: String| RuntimeError::Load {
            path: library.path().to_owned(),
            message: message.replace(&*load_path.to_string_lossy(), &library.path().to_string_lossy()),
        };
        let builder = ort::init_from(&load_path).map_err(|error| match error {
            ort::LoadDynamicError::Dlopen { error, .. } => failed(root_cause(&error)),
            other => failed(other.to_string()),
        })?;
        *first = Some((*library.sha256(), library.path().to_owned()));
        library.recheck()?;
        let environment = builder
            .with_name("sealserve")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let version = library.release().map_or_else(
            || {
                let minor = ort::util::probe(&load_path);
                minor.map_or_else(|| "unknown".to_owned(), |minor| format!("1.{minor}"))
            },
            |release| release.version.to_owned(),
        );
        let loaded = Loaded { environment, library, version, cuda_libraries: OnceLock::new() };
        Ok(Self(LOADED.get_or_init(|| loaded)))
    }

    /// What was loaded.
    pub fn describe(self) -> Description {
        let library = &self.0.library;
        let mut providers = vec!["cpu"];
        if ep::CUDA::is_available().unwrap_or(false) {
            providers.push("cuda");
        }
        Description {
            path: library.path().to_owned(),
            version: self.0.version.clone(),
            sha256: *library.sha256(),
            pinned: library.release().is_some(),
            providers,
            build: ort::info(),
        }
    }

    /// Version of ONNX Runtime.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Chooses the device, having tried it.
    pub fn select(self, device: Device) -> Result<Selection, RuntimeError> {
        let chosen = |placement| Ok(Selection { placement, reason: None });
        match device {
            Device::Cpu => chosen(Placement::Cpu),
            Device::Cuda(index) => match self.try_cuda(index) {
                Ok(()) => chosen(Placement::Cuda(index)),
                Err(missing) => Err(RuntimeError::Device { device, missing }),
            },
            Device::Auto => match self.try_cuda(0) {
                Ok(()) => chosen(Placement::Cuda(0)),
                Err(missing) => Ok(Selection { placement: Placement::Cpu, reason: Some(missing) }),
            },
        }
    }

    /// Whether GPU `index` works; if not, what is missing.
    fn try_cuda(self, index: u32) -> Result<(), String> {
        if !ep::CUDA::is_available().unwrap_or(false) {
            return Err("this ONNX Runtime library was built without CUDA".to_owned());
        }
        let library = &self.0.library;
        if !library.on_disk() {
            return Err("ONNX Runtime was loaded for the CPU only".to_owned());
        }
        if !library.path().with_file_name(CUDA_PROVIDER).is_file() {
            return Err(format!("{CUDA_PROVIDER} is not beside '{}'", library.path().display()));
        }
        self.0.cuda_libraries.get_or_init(|| preload(library)).clone()?;
        let open = || self.builder(Placement::Cuda(index), 1)?.commit_from_memory(PROBE);
        match open() {
            Ok(_) => library.recheck().map_err(|error| error.to_string()),
            Err(error) => Err(device::what_is_missing(index, error.message())),
        }
    }

    /// What all sessions share.
    pub(in crate::runtime) fn environment(self) -> &'static Environment {
        &self.0.environment
    }

    /// The options that every session has: nothing written, nothing spinning, and
    /// only ONNX accepted.
    pub(in crate::runtime) fn builder(
        self,
        placement: Placement,
        threads: usize,
    ) -> ort::Result<SessionBuilder> {
        let builder = ort::session::Session::builder(&self.0.environment)?
            .with_config_entry("session.load_model_format", "ONNX")?
            // What a model from memory names lies, for the library, in the working
            // directory. The walk lets no such name pass; should one, it leads nowhere.
            .with_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)?
            // Weights that were repacked go back to the system, not to an arena that
            // keeps their place for good.
            .with_config_entry("session.use_device_allocator_for_initializers", "1")?
            .with_intra_threads(threads)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?;
        Ok(match placement {
            Placement::Cpu => builder,
            Placement::Cuda(index) => {
                let index = i32::try_from(index).unwrap_or(i32::MAX);
                let cuda = ep::CUDA::default().with_device_id(index).build().error_on_failure();
                builder.with_execution_providers([cuda])?
            }
        })
    }
}

/// Loads what lies beside a CUDA build, so that the loader, which would not look
/// there, finds it in the process. What is absent is left to the system.
fn preload(library: &Library) -> Result<(), String> {
    let wheels = library.release().map_or(&[][..], |release| &release.wheels[1..]);
    for member in wheels.iter().flat_map(|wheel| wheel.members) {
        let path = library.path().with_file_name(member.name());
        if path.exists() {
            ort::util::preload_dylib(&path)
                .map_err(|error| device::what_is_missing(0, &error.to_string()))?;
        }
    }
    Ok(())
}

/// What the dynamic loader said, which lies beneath "dlopen failed".
fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// Refuses an environment in which ONNX Runtime would talk or write. `main` sets
/// it right; this looks at what the library itself is going to read.
#[expect(clippy::disallowed_methods, reason = "it verifies the environment and takes no setting from it")]
fn check_environment() -> Result<(), RuntimeError> {
    if std::env::var_os("ORT_DISABLE_TELEMETRY").is_none_or(|value| value != "1") {
        return Err(RuntimeError::Telemetry);
    }
    if std::env::var_os("ORT_LOAD_CONFIG_FROM_MODEL").is_some_and(|value| value != "0") {
        return Err(RuntimeError::ConfigFromModel);
    }
    Ok(())
}

/// The library calls it, through which no panic can pass: it would end the process.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    let _ = std::panic::catch_unwind(|| tell(level, category, location, message));
}

fn tell(level: LogLevel, category: &str, location: &str, message: &str) {
    const TARGET: &str = "onnxruntime";
    let message = one_line(message);
    match level {
        LogLevel::Fatal | LogLevel::Error => {
            tracing::error!(target: TARGET, category, location, "{message}");
        }
        // Meant so: see `SharedWeights`.
        LogLevel::Warning if message.starts_with(NOT_FROM_OPTIONS) => {}
        LogLevel::Warning => {
            tracing::warn!(target: TARGET, category, location, "{message}");
        }
        LogLevel::Info | LogLevel::Verbose => {}
    }
}

/// What the library says where it reads a weight from the graph, and not from the options.
const NOT_FROM_OPTIONS: &str = "Cannot use user supplied initializer with name";

/// What a message says, on one line: it quotes names of the model, which may hold anything.
fn one_line(message: &str) -> String {
    const LONGEST: usize = 2000;
    let mut line = String::new();
    for c in message.trim_end().chars().take(LONGEST) {
        match c {
            '\'' | '"' => line.push(c),
            _ => line.extend(c.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests plant files of their own")]
mod tests {
    use super::*;
    use crate::runtime::testing;

    #[test]
    fn tells_what_was_loaded() {
        let runtime = testing::runtime();
        let description = runtime.describe();
        assert_eq!(description.version, super::super::pins::DEFAULT_VERSION);
        assert!(description.pinned && description.providers == ["cpu"], "{description:?}");
    }

    #[test]
    fn loads_the_same_library_twice_and_no_other() {
        testing::runtime();
        let library = Library::check(&testing::library_path(), Device::Cpu, false).unwrap();
        assert!(Runtime::load(library).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("libonnxruntime.so");
        std::fs::write(&other, b"other").unwrap();
        let other = Library::check(&other, Device::Cpu, true).unwrap();
        assert!(matches!(Runtime::load(other), Err(RuntimeError::AlreadyLoaded { .. })));
    }

    #[test]
    fn cuda_that_cannot_be_had_is_an_error_and_auto_says_why() {
        let runtime = testing::runtime();
        let error = runtime.select(Device::Cuda(0)).unwrap_err().to_string();
        assert_eq!(error, "cannot use device cuda:0: this ONNX Runtime library was built without CUDA");
        let auto = runtime.select(Device::Auto).unwrap();
        assert_eq!(auto.placement, Placement::Cpu);
        assert!(auto.reason.unwrap().contains("without CUDA"));
    }

    /// Hands the message of each event to its function.
    struct Hears<F>(F);

    impl<F: Fn(String) + Send + Sync + 'static> tracing::Subscriber for Hears<F> {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            struct Message(String);
            impl tracing::field::Visit for Message {
                fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                    if field.name() == "message" {
                        self.0 = format!("{value:?}");
                    }
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            (self.0)(message.0);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn no_name_of_a_model_makes_a_line_of_its_own() {
        let (sender, heard) = std::sync::mpsc::channel();
        let hears = Hears(move |message| drop(sender.send(message)));
        let forged = "node 'a\u{1b}[31m\n2026-01-01T00:00:00Z INFO ready\u{2028}b\\' failed\n";
        tracing::subscriber::with_default(hears, || {
            log(LogLevel::Error, "onnxruntime", "", "here", forged);
            log(LogLevel::Warning, "onnxruntime", "", "here", &"\n".repeat(10_000));
            log(LogLevel::Warning, "onnxruntime", "", "here", &"x".repeat(10_000));
        });
        let line = r"node 'a\u{1b}[31m\n2026-01-01T00:00:00Z INFO ready\u{2028}b\\' failed";
        assert_eq!(heard.recv().unwrap(), line);
        assert_eq!(heard.recv().unwrap(), "");
        assert_eq!(heard.recv().unwrap().len(), 2000);
    }

    #[test]
    fn a_log_that_panics_does_not_panic_through_the_library() {
        let (sender, heard) = std::sync::mpsc::channel();
        let hears = Hears(move |message| {
            let _ = sender.send(message);
            panic!("the log cannot be written");
        });
        tracing::subscriber::with_default(hears, || log(LogLevel::Error, "", "", "", "failed"));
        assert_eq!(heard.recv().unwrap(), "failed");
    }

    #[test]
    fn the_probe_is_a_model() {
        crate::runtime::graph::inspect(PROBE, &|_| None).unwrap();
        testing::runtime().builder(Placement::Cpu, 1).unwrap().commit_from_memory(PROBE).unwrap();
    }
}
