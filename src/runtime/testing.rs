//! What the tests of this module share: the models of `testdata/` and a runtime
//! that is installed once, by the code under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::device::{Device, Placement};
use super::error::{ModelError, RunError};
use super::library::Library;
use super::library::Runtime;
use super::library::install::{self, InstallRequest};
use super::library::pins::Flavor;
use super::model::Model;
use super::session::{Session, SessionOptions};
use super::tensor::{Allowance, Tensor};
use crate::progress::Silent;
use crate::secret::SecretPages;

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

pub(super) const CPU: SessionOptions =
    SessionOptions { placement: Placement::Cpu, intra_threads: 1, run_memory: None };

/// A model of these bytes, and these members behind them, where an archive has them.
pub(super) fn model_of(onnx: &[u8], members: &[(&str, &[u8])]) -> Model {
    let (mut all, mut places) = (onnx.to_vec(), Vec::new());
    for (name, bytes) in members {
        all.resize(all.len().next_multiple_of(512), 0);
        places.push(((*name).to_owned(), all.len()..all.len() + bytes.len()));
        all.extend_from_slice(bytes);
    }
    let mut plaintext = SecretPages::zeroed(all.len()).unwrap();
    plaintext.expose_mut().copy_from_slice(&all);
    Model { plaintext, onnx: 0..onnx.len(), members: places }
}

/// That model, open.
pub(super) fn open_with(onnx: &[u8], members: &[(&str, &[u8])]) -> Result<Session, ModelError> {
    runtime().prepare(model_of(onnx, members), 1)?.open(&CPU)
}

/// Runs it, with nobody to stop it.
pub(super) fn run(
    session: &mut Session,
    inputs: Vec<Tensor>,
    wanted: &[&str],
) -> Result<Vec<Tensor>, RunError> {
    session.run(inputs, wanted, &Allowance::of(usize::MAX), &runtime().interrupt().unwrap())
}

/// A field of a protobuf message that holds bytes.
pub(super) fn framed(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    [out, bytes.to_vec()].concat()
}

/// A node of a graph with two inputs and one output.
pub(super) fn node(op: &str, inputs: [&[u8]; 2], output: &[u8]) -> Vec<u8> {
    [framed(1, inputs[0]), framed(1, inputs[1]), framed(2, output), framed(4, op.as_bytes())].concat()
}
