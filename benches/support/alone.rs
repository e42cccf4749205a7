//! ONNX Runtime alone, which opens a plain model by its path: the peer of what loads
//! models. It runs in a process of its own, which is the benchmark once more.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ort::value::Tensor;

use super::harness::{onnxruntime, repository};

/// The model's only input, `x`, is a row of so many numbers.
pub const SIDE: usize = 1024;
/// How often the model is run before it says that it is warm.
pub const RUNS: usize = 5;

const MODE: &str = "onnxruntime-alone";

/// What opens `model`, says on its standard output that it is ready and how many seconds
/// that took, runs it, says that it is warm, and waits to be killed.
pub fn command(model: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(MODE).arg(onnxruntime()).arg(model).env("ORT_DISABLE_TELEMETRY", "1");
    command
}

/// Does so where this process was started for it. The first line of `main`.
pub fn run_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, library, model] = arguments.as_slice() else { return };
    if mode != MODE {
        return;
    }
    let environment = ort::init_from(library).unwrap().with_telemetry(false).build().unwrap();
    let start = Instant::now();
    let mut session = ort::session::Session::builder(&environment)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .with_intra_op_spinning(false)
        .unwrap()
        .commit_from_file(model)
        .unwrap();
    println!("loaded seconds={} ready", start.elapsed().as_secs_f64());
    for _ in 0..RUNS {
        let x = Tensor::from_array(([1, SIDE], vec![1_f32; SIDE])).unwrap();
        session.run(ort::inputs!["x" => x]).unwrap();
    }
    println!("warm");
    std::thread::sleep(Duration::from_secs(3600));
}

/// Makes the model of `testdata/external.py` in `directory`, with so many MiB of weights:
/// in a file of their own (`how` is `mlp`) or not (`inline`). Returns its files, the ONNX
/// file first.
pub fn make(directory: &Path, how: &str, mib: usize) -> Vec<PathBuf> {
    let mut python = Command::new("python3");
    python.arg(repository().join("testdata/external.py")).arg(how).arg(directory).arg(mib.to_string());
    assert!(python.status().unwrap().success());
    let files = ["model.onnx", "model.onnx.data"].map(|name| directory.join(name));
    files.into_iter().filter(|file| file.exists()).collect()
}
