//! A GPU gives the answers that the CPU gives, and where there is none, asking
//! for one is an error that says what is missing.
//!
//! On a GPU machine: `SEALSERVE_GPU_RUNTIME=/path/libonnxruntime.so.1.29.0 cargo
//! test --test gpu -- --ignored`, with the CUDA provider beside the library, and
//! what that needs (CUDA, cuDNN) beside it or on `LD_LIBRARY_PATH`. Where their
//! hashes are not the pinned ones, `SEALSERVE_GPU_INSECURE=1` as well.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and is no part of the program"
)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Sandbox, Server, infer, onnxruntime, testdata, text};

/// Rows and labels that the model was not trained on.
fn held_out() -> (Vec<f64>, Vec<i64>) {
    let csv = std::fs::read_to_string(testdata("digits-heldout.csv")).unwrap();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for row in csv.lines().skip(1) {
        let (row, label) = row.rsplit_once(',').unwrap();
        pixels.extend(row.split(',').map(|pixel| pixel.parse::<f64>().unwrap()));
        labels.push(label.parse().unwrap());
    }
    (pixels, labels)
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    let outputs = answer["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == name).unwrap()["data"].as_array().unwrap()
}

/// Probabilities and labels of `rows`, from a server on `device`.
fn ask(sandbox: &Sandbox, library: &Path, device: &str, pixels: &[f64]) -> (Vec<f64>, Vec<i64>) {
    let mut serve = sandbox.sealserve();
    serve.args(["serve", "--device", device, "--runtime"]).arg(library);
    if std::env::var_os("SEALSERVE_GPU_INSECURE").is_some() {
        serve.arg("--insecure");
    }
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        serve.env("LD_LIBRARY_PATH", path);
    }
    let server = Server::spawn(sandbox, serve);
    let status: Value = serde_json::from_str(&sandbox.ok(["status", "--format", "json"])).unwrap();
    assert_eq!(status["models"][0]["device"], device, "{status}");

    let token = sandbox.mint("t", "model:digits:*");
    let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
    let rows = pixels.len() / 64;
    // All at once, then one by one: a kernel may be chosen by the size of the batch.
    let batches = std::iter::once(pixels).chain(pixels.chunks(64));
    for batch in batches {
        let input =
            json!({"name": "pixels", "shape": [batch.len() / 64, 64], "datatype": "FP32", "data": batch});
        let answer = infer(sandbox, &server, "digits", &token, &json!({"inputs": [input]}).to_string());
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        let answer = answer.json();
        probabilities.extend(output(&answer, "probabilities").iter().map(|p| p.as_f64().unwrap()));
        labels.extend(output(&answer, "label").iter().map(|label| label.as_i64().unwrap()));
    }
    assert_eq!((probabilities.len(), labels.len()), (2 * 10 * rows, 2 * rows));
    assert!(server.stop().success());
    (probabilities, labels)
}

#[test]
#[ignore = "needs a CUDA GPU"]
fn an_encrypted_model_answers_on_a_gpu_as_on_the_cpu() {
    let library = std::env::var_os("SEALSERVE_GPU_RUNTIME").map(PathBuf::from);
    let library = library.expect("SEALSERVE_GPU_RUNTIME names a library of ONNX Runtime with CUDA");
    let library = std::path::absolute(library).unwrap();
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let (pixels, truth) = held_out();

    let (gpu, gpu_labels) = ask(&sandbox, &library, "cuda:0", &pixels);
    let (cpu, cpu_labels) = ask(&sandbox, &library, "cpu", &pixels);

    let apart = gpu.iter().zip(&cpu).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f64::max);
    let right = gpu_labels.iter().zip(&truth).filter(|(found, truth)| found == truth).count();
    println!("{right} of {} labels right, probabilities at most {apart:e} apart", truth.len());
    assert_eq!(gpu_labels, cpu_labels);
    assert!(apart <= 1e-5, "{apart}");
    assert!(right * 100 >= truth.len() * 97);
}

#[test]
fn a_gpu_that_cannot_be_had_is_an_error_that_says_what_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let library = onnxruntime();
    let message = sandbox.fails(1, ["serve", "--device", "cuda:0", "--runtime", library.to_str().unwrap()]);
    assert!(message.contains("cuda:0"), "{message}");
    assert!(message.contains("built without CUDA"), "{message}");
    assert!(message.contains("hint:") && message.contains("runtime install --cuda"), "{message}");
}
