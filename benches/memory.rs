//! What a model with external weights costs in memory: served by sealserve from one
//! encrypted file, against ONNX Runtime alone, which opens the plain files by path.
//! `SEALSERVE_BENCH_MIB` sets the size of the weights.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use support::alone::{RUNS, SIDE};
use support::harness::{Sandbox, Server, infer, onnxruntime};
use support::{Memory, Table, alone, binary, heading, memory, number};

/// Gigabytes, on a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(10);

fn row(memory: &Memory, table: &mut Table, name: &str, plain: &Memory) {
    let ratio = memory.steady / plain.steady;
    table.row(name, &[Some(memory.steady), Some(memory.file), Some(memory.peak), Some(ratio)]);
}

fn measure_plain(model: &Path) -> Memory {
    let mut child = alone::command(model).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "warm"), "it ended before");
    let memory = memory(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    memory
}

fn measure_served(sandbox: &Sandbox, sessions: usize) -> Memory {
    let config = sandbox.home().join("sealserve.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let head = text.split("sessions = ").next().unwrap();
    std::fs::write(&config, format!("{head}sessions = {sessions}\n")).unwrap();
    let mut serve = sandbox.program(binary());
    serve.arg("serve");
    let server = Server::spawn_within(PATIENCE, sandbox, serve);
    let token = sandbox.mint("t", "model:*:*");
    let ones = vec!["1"; SIDE].join(",");
    let body =
        format!(r#"{{"inputs":[{{"name":"x","shape":[1,{SIDE}],"datatype":"FP32","data":[{ones}]}}]}}"#);
    for _ in 0..RUNS * sessions {
        assert_eq!(infer(sandbox, &server, "mlp", &token, &body).status, 200);
    }
    memory(server.pid())
}

/// The plain files through sealserve, as far as it serves such: `--dev` encrypts them
/// in memory, and goes on from there.
fn measure_dev(sandbox: &Sandbox, model: &Path) -> Memory {
    let mut serve = sandbox.program(binary());
    serve.args(["serve", "--ephemeral", "--runtime"]).arg(onnxruntime()).arg("--dev").arg(model);
    memory(Server::spawn_within(PATIENCE, sandbox, serve).pid())
}

fn main() {
    alone::run_if_asked();
    let mib = number("SEALSERVE_BENCH_MIB", 1024);
    heading(&binary());
    let sandbox = Sandbox::new();
    let directory = sandbox.path("mlp");
    let files = alone::make(&directory, "mlp", mib);
    sandbox.init("[[model]]\nname = \"mlp\"\npath = \"models/mlp.sealed\"\nsessions = 1\n");
    sandbox.encrypt(&directory, "mlp");

    let mut table = Table::new(&["", "steady MiB", "of files", "peak MiB", "steady / plain"]);
    let plain = measure_plain(&files[0]);
    row(&plain, &mut table, "ONNX Runtime alone, plain files", &plain);
    for sessions in [1, 3] {
        let name = format!("sealserve, encrypted, sessions = {sessions}");
        row(&measure_served(&sandbox, sessions), &mut table, &name, &plain);
    }
    row(&measure_dev(&sandbox, &files[0]), &mut table, "sealserve, serve --dev", &plain);
    table.print(&format!("{mib} MiB of weights in a file of their own"));
}
