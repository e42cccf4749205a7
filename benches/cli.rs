//! How long the shell waits for a command that does little, against `true`, and
//! how large the program is.
//!
//!     SEALSERVE_BIN=target/dist/sealserve cargo bench --bench cli
//!
//! The time of a clean build is cargo's to tell: `cargo clean && cargo build --release --timings`.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::process::{Command, Stdio};

use support::harness::Sandbox;
use support::{Table, binary, cost, median, number};

fn main() {
    let rounds = number("SEALSERVE_BENCH_ROUNDS", 101);
    let sandbox = Sandbox::new();
    sandbox.ok(["init"]);
    let own = |arguments: &[&str]| {
        let mut command = sandbox.program(binary());
        command.args(arguments);
        command
    };
    let mut rows: Vec<(&str, Command)> = vec![
        ("true", sandbox.program("true")),
        ("sealserve --version", own(&["--version"])),
        ("sealserve --help", own(&["--help"])),
        ("sealserve key list", own(&["key", "list"])),
        (
            "sealserve token mint",
            own(&["token", "mint", "--subject", "a", "--scope", "model:*:*", "-o", "-"]),
        ),
    ];
    let mut costs = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((_, command), costs) in rows.iter_mut().zip(&mut costs) {
            costs.push(cost(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())));
        }
    }

    support::heading(&binary());
    let mut table = Table::new(&["", "wall ms", "CPU ms", "peak MiB", "ms over true"]);
    let wall = |row: usize| median(costs[row].iter().map(|cost| cost.wall.as_secs_f64() * 1e3));
    for (row, (name, _)) in rows.iter().enumerate() {
        let cpu = median(costs[row].iter().map(|cost| cost.cpu.as_secs_f64() * 1e3));
        let peak = median(costs[row].iter().map(|cost| cost.peak));
        table.row(name, &[wall(row), cpu, peak, wall(row) - wall(0)].map(Some));
    }
    table.print(&format!("start, median of {rounds}"));
    let size = binary().metadata().unwrap().len();
    println!("size: {size} bytes ({:.2} MiB)", size as f64 / f64::from(1 << 20));
}
