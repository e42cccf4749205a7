//! How long a model takes until it can be asked: sealserve from its start to "ready"
//! with the encrypted file, against ONNX Runtime alone, which opens the plain one.
//! Once with the files in the page cache, once without; once with the weights in a
//! file of their own, once within the ONNX file. `SEALSERVE_BENCH_MIB` sets their size.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and ends by a panic"
)]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use support::harness::{Sandbox, onnxruntime, repository};
use support::{
    Table, alone, binary, cost, evict, heading, median, memory, number, process_cpu, resident, rounds,
};

/// What it took until a process said that it was ready.
#[derive(Debug, Clone, Copy)]
struct Start {
    wall: f64,
    cpu: f64,
    /// The part that it says loading took.
    load: Option<f64>,
    peak: Option<f64>,
}

/// Runs `child` until a line of `lines` says "ready".
fn until_ready(start: Instant, mut child: Child, lines: impl Read) -> Start {
    let mut load = None;
    for line in BufReader::new(lines).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if let Some(seconds) = words.clone().find_map(|word| word.strip_prefix("seconds=")) {
            load = Some(seconds.parse().unwrap());
        }
        if words.any(|word| word == "ready") {
            let wall = start.elapsed().as_secs_f64();
            let found =
                Start { wall, cpu: process_cpu(child.id()), load, peak: Some(memory(child.id()).peak) };
            child.kill().unwrap();
            child.wait().unwrap();
            return found;
        }
    }
    panic!("it ended before it was ready: {}", child.wait().unwrap());
}

fn start_plain(model: &Path) -> Start {
    let mut command = alone::command(model);
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = child.stdout.take().unwrap();
    until_ready(start, child, lines)
}

/// Starts `serve` with a configuration that names the model `name` alone.
fn start_served(sandbox: &Sandbox, name: &str) -> Start {
    let mut command = sandbox.program(binary());
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(sandbox.path(&format!("home/{name}.toml")));
    command.env("ORT_DYLIB_PATH", onnxruntime()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let lines = child.stderr.take().unwrap();
    until_ready(start, child, lines)
}

fn run(command: &mut Command) -> Start {
    let cost = cost(command.stdout(Stdio::null()).stderr(Stdio::null()));
    Start { wall: cost.wall.as_secs_f64(), cpu: cost.cpu.as_secs_f64(), load: None, peak: None }
}

/// One model: the plain files, the first of them what ONNX Runtime opens, and the
/// name of the encrypted one.
struct Form {
    title: &'static str,
    plain: Vec<PathBuf>,
    name: &'static str,
}

/// A model made by `testdata/external.py`, encrypted, with a configuration of its own.
fn form(sandbox: &Sandbox, title: &'static str, name: &'static str, how: &str, mib: usize) -> Form {
    let directory = sandbox.path(name);
    let plain = alone::make(&directory, how, mib);
    sandbox.encrypt(if plain.len() == 1 { &plain[0] } else { &directory }, name);
    let config = std::fs::read_to_string(sandbox.home().join("sealserve.toml")).unwrap();
    let model = sandbox.home().join(format!("models/{name}.sealed"));
    let model = format!("\n[[model]]\nname = \"{name}\"\npath = \"{}\"\nsessions = 1\n", model.display());
    sandbox.write(&format!("home/{name}.toml"), config + &model);
    for path in plain.iter().chain([&sealed(sandbox, name)]) {
        File::open(path).unwrap().sync_all().unwrap();
    }
    Form { title, plain, name }
}

fn sealed(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.home().join(format!("models/{name}.sealed"))
}

fn measure(sandbox: &Sandbox, form: &Form, cold: bool) {
    let sealed = sealed(sandbox, form.name);
    // In the page cache as a whole, or not at all.
    let prepare = |paths: &[PathBuf]| {
        for path in paths {
            if cold {
                evict(path);
                let left = resident(path);
                assert!(left < 0.01, "{left} of '{}' stays in the page cache", path.display());
            } else {
                assert!(cost(Command::new("cat").arg(path).stdout(Stdio::null())).peak > 0.0);
            }
        }
    };
    let decrypt = || {
        let mut command = sandbox.program(binary());
        command.args(["model", "decrypt", "-o", "-"]).arg(&sealed);
        run(&mut command)
    };
    let both = [sealed.clone()];
    type Row<'a> = (&'a str, &'a [PathBuf], Box<dyn Fn() -> Start + 'a>);
    let rows: [Row<'_>; 5] = [
        ("ONNX Runtime alone, plain", &form.plain, Box::new(|| start_plain(&form.plain[0]))),
        ("sealserve, encrypted", &both, Box::new(|| start_served(sandbox, form.name))),
        ("sealserve, a model of nothing", &[], Box::new(|| start_served(sandbox, "digits"))),
        ("cat of the plain files", &form.plain, Box::new(|| run(Command::new("cat").args(&form.plain)))),
        ("model decrypt to nowhere", &both, Box::new(decrypt)),
    ];
    let mut found = vec![Vec::new(); rows.len()];
    for _ in 0..rounds() {
        for ((_, files, row), found) in rows.iter().zip(&mut found) {
            prepare(files);
            found.push(row());
        }
    }
    let middle = |row: &[Start], of: fn(&Start) -> Option<f64>| {
        let values: Vec<f64> = row.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(values))
    };
    // What the machine does beside, it does to both rows of a round.
    let ratio = |row: &[Start], of: fn(&Start) -> Option<f64>| {
        let pairs = row.iter().zip(&found[0]);
        let ratios: Vec<f64> = pairs.filter_map(|(row, plain)| Some(of(row)? / of(plain)?)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    };
    let mut table =
        Table::new(&["", "wall s", "/ plain", "CPU s", "/ plain", "loading s", "/ plain", "peak MiB"]);
    for ((name, ..), row) in rows.iter().zip(&found) {
        let (wall, cpu): (fn(&Start) -> _, fn(&Start) -> _) = (|s| Some(s.wall), |s| Some(s.cpu));
        let load: fn(&Start) -> _ = |s| s.load;
        table.row(
            name,
            &[
                middle(row, wall),
                ratio(row, wall),
                middle(row, cpu),
                ratio(row, cpu),
                middle(row, load),
                ratio(row, load),
                middle(row, |s| s.peak),
            ],
        );
    }
    let cache = if cold { "not in the page cache" } else { "in the page cache" };
    table.print(&format!("{}, {cache}", form.title));
}

fn main() {
    alone::run_if_asked();
    let mib = number("SEALSERVE_BENCH_MIB", 512);
    heading(&binary());
    println!("{mib} MiB of weights; {} rounds; times from the start of the process\n", rounds());
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.encrypt(&repository().join("testdata/digits.onnx"), "digits");
    let config = std::fs::read_to_string(sandbox.home().join("sealserve.toml")).unwrap();
    let model =
        format!("\n[[model]]\nname = \"digits\"\npath = \"{}\"\n", sealed(&sandbox, "digits").display());
    sandbox.write("home/digits.toml", config + &model);
    for (title, name, how) in [
        ("Weights in a file of their own", "outside", "mlp"),
        ("Weights in the ONNX file", "inside", "inline"),
    ] {
        let form = form(&sandbox, title, name, how, mib);
        for cold in [false, true] {
            measure(&sandbox, &form, cold);
        }
    }
}
