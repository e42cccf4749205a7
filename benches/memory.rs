//! What a model with external weights costs in memory: served by sealserve from one
//! encrypted file, against ONNX Runtime alone, which opens the plain files by path.
//! `SEALSERVE_BENCH_MIB` sets the size of the weights.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::alone::{RUNS, SIDE};
use support::harness::{Sandbox, Server, curl, onnxruntime};
use support::{Memory, Table, alone, binary, heading, memory, number};

/// Gigabytes, on a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(10);

fn row(memory: &Memory, table: &mut Table, name: &str, plain: &Memory, one: impl Into<Option<f64>>) {
    let (ratio, to_one) = (memory.steady / plain.steady, one.into().map(|one| memory.steady / one));
    table.row(name, &[Some(memory.steady), Some(memory.file), Some(memory.peak), Some(ratio), to_one]);
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

/// The most that the server holds while as many requests run as there are `sessions`.
fn measure_served(sandbox: &Sandbox, sessions: usize) -> Memory {
    let config = sandbox.home().join("sealserve.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let head = text.split("sessions = ").next().unwrap();
    std::fs::write(&config, format!("{head}sessions = {sessions}\nshare_weights = true\n")).unwrap();
    let mut serve = sandbox.program(binary());
    serve.arg("serve");
    let server = Server::spawn_within(PATIENCE, sandbox, serve);
    let token = sandbox.mint("t", "model:*:*");
    let ones = vec!["1"; SIDE].join(",");
    let body =
        format!(r#"{{"inputs":[{{"name":"x","shape":[1,{SIDE}],"datatype":"FP32","data":[{ones}]}}]}}"#);
    let body = format!("@{}", sandbox.write("request.json", body).display());
    let request = || {
        let [authorization, url] =
            [format!("Authorization: Bearer {token}"), format!("{}/v2/models/mlp/infer", server.url)];
        let arguments = ["-H", &authorization, "--data-binary", &body, &url].map(str::to_owned);
        assert_eq!(curl(sandbox, arguments).status, 200);
    };
    for _ in 0..RUNS * sessions {
        request();
    }
    let running = AtomicUsize::new(sessions);
    let mut most = memory(server.pid());
    std::thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| {
                (0..RUNS).for_each(|_| request());
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            let now = memory(server.pid());
            if now.steady > most.steady {
                most = now;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    Memory { peak: memory(server.pid()).peak, ..most }
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

    let mut table = Table::new(&["", "steady MiB", "of files", "peak MiB", "steady / plain", "/ one"]);
    let plain = measure_plain(&files[0]);
    row(&plain, &mut table, "ONNX Runtime alone, plain files", &plain, None);
    let mut one = None;
    for sessions in [1, 2, 4] {
        let name = format!("sealserve, encrypted, {sessions} running at once");
        let served = measure_served(&sandbox, sessions);
        let one = *one.get_or_insert(served.steady);
        row(&served, &mut table, &name, &plain, one);
    }
    row(&measure_dev(&sandbox, &files[0]), &mut table, "sealserve, serve --dev", &plain, None);
    table.print(&format!("{mib} MiB of weights in a file of their own"));
}
