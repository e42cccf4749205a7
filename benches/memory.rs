//! What a model with external weights costs in memory: served by sealserve from one
//! encrypted file, against ONNX Runtime alone, which opens the plain files by path.
//! `SEALSERVE_BENCH_MIB` sets the size of the weights.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ort::value::Tensor;
use support::harness::{Sandbox, Server, infer, onnxruntime, repository};
use support::{Table, binary, heading, number};

const SIDE: usize = 1024;
const RUNS: usize = 5;
/// Gigabytes, on a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a process holds, in MiB.
struct Memory {
    steady: f64,
    /// The part of it that is pages of files.
    file: f64,
    peak: f64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<f64>().unwrap() / 1024.0
        };
        Self { steady: field("VmRSS"), file: field("RssFile"), peak: field("VmHWM") }
    }

    fn row(&self, table: &mut Table, name: &str, plain: &Self) {
        let ratio = self.steady / plain.steady;
        table.row(name, &[Some(self.steady), Some(self.file), Some(self.peak), Some(ratio)]);
    }
}

/// The peer: opens the model by its path and runs it, then waits to be looked at.
fn plain(library: &str, model: &str) {
    let environment = ort::init_from(library).unwrap().with_telemetry(false).build().unwrap();
    let mut session = ort::session::Session::builder(&environment)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .with_intra_op_spinning(false)
        .unwrap()
        .commit_from_file(model)
        .unwrap();
    for _ in 0..RUNS {
        let x = Tensor::from_array(([1, SIDE], vec![1_f32; SIDE])).unwrap();
        session.run(ort::inputs!["x" => x]).unwrap();
    }
    println!("ready");
    std::thread::sleep(Duration::from_secs(3600));
}

fn measure_plain(model: &Path) -> Memory {
    use std::io::BufRead;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("plain")
        .arg(onnxruntime())
        .arg(model)
        .env("ORT_DISABLE_TELEMETRY", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let memory = Memory::of(child.id());
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
    Memory::of(server.pid())
}

/// The plain files through sealserve, as far as it serves such: `--dev` encrypts them
/// in memory, and goes on from there.
fn measure_dev(sandbox: &Sandbox, model: &Path) -> Memory {
    let mut serve = sandbox.program(binary());
    serve.args(["serve", "--ephemeral", "--runtime"]).arg(onnxruntime()).arg("--dev").arg(model);
    Memory::of(Server::spawn_within(PATIENCE, sandbox, serve).pid())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, library, model] = arguments.as_slice()
        && mode == "plain"
    {
        return plain(library, model);
    }
    let mib = number("SEALSERVE_BENCH_MIB", 1024);
    heading(&binary());
    let sandbox = Sandbox::new();
    let directory = sandbox.path("mlp");
    let made = Command::new("python3")
        .arg(repository().join("testdata/external.py"))
        .arg("mlp")
        .arg(&directory)
        .arg(mib.to_string())
        .status();
    assert!(made.unwrap().success());
    sandbox.init("[[model]]\nname = \"mlp\"\npath = \"models/mlp.sealed\"\nsessions = 1\n");
    sandbox.encrypt(&directory, "mlp");

    let mut table = Table::new(&["", "steady MiB", "of files", "peak MiB", "steady / plain"]);
    let plain = measure_plain(&directory.join("model.onnx"));
    plain.row(&mut table, "ONNX Runtime alone, plain files", &plain);
    for sessions in [1, 3] {
        let name = format!("sealserve, encrypted, sessions = {sessions}");
        measure_served(&sandbox, sessions).row(&mut table, &name, &plain);
    }
    measure_dev(&sandbox, &directory.join("model.onnx")).row(&mut table, "sealserve, serve --dev", &plain);
    table.print(&format!("{mib} MiB of weights in a file of their own"));
}
