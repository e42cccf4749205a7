//! What the tests of this module share: the models of `testdata/` and a runtime
//! that is installed once, by the code under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::device::Device;
use super::engine::Runtime;
use super::install::{self, InstallRequest};
use super::library::Library;
use super::pins::Flavor;
use crate::progress::Silent;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The model `testdata/<name>`.
pub(super) fn model(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(ROOT).join("testdata").join(name)).unwrap()
}

/// The default library, installed from PyPI into `target/` if it is not there yet.
pub(super) fn library_path() -> PathBuf {
    let request = InstallRequest {
        directory: &Path::new(ROOT).join("target/tmp/runtime"),
        from: None,
        flavor: Flavor::Cpu,
        python: Path::new("python3"),
    };
    install::install(&request, &Silent).unwrap().path
}

/// The default library, loaded.
pub(super) fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    *RUNTIME.get_or_init(|| {
        #[expect(unsafe_code, reason = "as `main` does; no test of this program changes the environment")]
        unsafe {
            std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
        }
        Runtime::load(Library::check(&library_path(), Device::Cpu, false).unwrap()).unwrap()
    })
}
