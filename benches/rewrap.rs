//! `model rewrap`, which retires a key: of files from 1 MiB to 100 GiB on a real
//! disk, and of a tree of small ones. Beside it stand the physical limit, two
//! durable writes of a header slot, and what has to be done without a rewrap:
//! decrypting the file and encrypting it again.
//!
//!     cargo bench --profile dist --bench rewrap
//!
//! benches/README.md says what else can be set.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::tools::{secret, shell};
use support::{Cost, Table, binary, cost, installed, median, number, quantile};

/// Bytes before the payload of a file with a short header: preamble and two slots.
const HEAD: u64 = 4096 + 2 * SLOT as u64;
const SLOT: usize = 8192;
/// Bytes of the payload before its first chunk, and of a whole chunk.
const PREFIX: u64 = 56;
const SEALED_CHUNK: u64 = 16 * 1024 + 16;
const TAG: u64 = 16;
const KEYS: [&str; 2] = ["a.key", "b.key"];

/// A command of sealserve that moves something from one key to the other, back and forth.
fn own(directory: &Path, verb: &str, round: usize, what: &str) -> Command {
    let mut command = Command::new(binary());
    let [old, new] = if round.is_multiple_of(2) { KEYS } else { [KEYS[1], KEYS[0]] };
    command.args(["model", verb, "--key-file", old, "--new-key-file", new, what]);
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Seals `bytes` zeros as `name` for the first key.
fn seal(directory: &Path, name: &str, bytes: u64) {
    let script = format!(
        "head -c {bytes} /dev/zero | $sealserve model encrypt --key-file {} --name m -o {name} -",
        KEYS[0]
    );
    cost(&mut shell(directory, &script));
}

/// Makes the sealed file `name` seem one of `bytes`: a rewrap reads the header and
/// where the payload begins, and of the rest the length.
fn extend(directory: &Path, name: &str, bytes: u64) {
    let chunks = bytes / (16 * 1024);
    let file = File::options().write(true).open(directory.join(name)).unwrap();
    file.set_len(HEAD + PREFIX + chunks * SEALED_CHUNK + TAG).unwrap();
    file.sync_all().unwrap();
}

/// What no rewrap can do without: both slots, each durable before the next.
fn write_slots(file: &File, round: usize) {
    let slot = [round as u8; SLOT];
    for offset in [HEAD - SLOT as u64, HEAD - 2 * SLOT as u64] {
        file.write_all_at(&slot, offset).unwrap();
        file.sync_data().unwrap();
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

/// How often the header of the sealed file `name` has been rewritten, by its first slot.
fn generation(directory: &Path, name: &str) -> u64 {
    let mut bytes = [0; 8];
    File::open(directory.join(name)).unwrap().read_exact_at(&mut bytes, 4096 + 4).unwrap();
    u64::from_be_bytes(bytes)
}

/// A file to rewrap.
struct Case {
    title: String,
    name: &'static str,
    costs: Vec<Cost>,
}

/// Rewraps of files of 1 MiB, of `large` bytes, and of 100 GiB that are mostly a hole.
fn one_file(directory: &Path, large: u64) -> f64 {
    let rounds = number("SEALSERVE_BENCH_ROUNDS", 101);
    let case = |title: &str, name, bytes| {
        seal(directory, name, bytes);
        Case { title: format!("rewrap of {title}"), name, costs: Vec::new() }
    };
    let large = case(&format!("{} MiB", large >> 20), "large", large);
    let mut cases = [case("1 MiB", "small", 1 << 20), large, case("100 GiB, sparse", "sparse", 1)];
    extend(directory, "sparse", 100 << 30);
    let slots = directory.join("slots");
    std::fs::write(&slots, vec![0; HEAD as usize]).unwrap();
    let slots = File::options().write(true).open(slots).unwrap();
    slots.sync_all().unwrap();

    let (mut limit, mut starts) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        limit.push(timed(|| write_slots(&slots, round)));
        starts.push(cost(Command::new(binary()).arg("--version").stdout(Stdio::null())));
        for case in &mut cases {
            case.costs.push(cost(&mut own(directory, "rewrap", round, case.name)));
        }
    }

    let mut table = Table::new(&["", "wall ms", "90th percentile", "CPU ms", "peak MiB"]);
    let cells = [Some(median(limit.clone())), Some(quantile(limit, 0.9)), None, None];
    table.row("two durable writes of 8 KiB", &cells);
    let mut row = |name: &str, costs: &[Cost]| {
        let cells =
            [median(wall(costs)), quantile(wall(costs), 0.9), median(cpu(costs)), median(peak(costs))];
        table.row(name, &cells.map(Some));
    };
    row("sealserve --version", &starts);
    for case in &cases {
        // Else nothing was measured.
        assert_eq!(generation(directory, case.name), rounds as u64 + 1, "{}", case.name);
        row(&case.title, &case.costs);
    }
    table.print(&format!("One file, median of {rounds}"));
    median(wall(&cases[1].costs))
}

/// Another key for `bytes` in the page cache, where a rewrap, which takes `rewrap`
/// milliseconds, does not do.
fn otherwise(directory: &Path, bytes: u64, rewrap: f64) {
    const ROUNDS: usize = 3;
    let mut table = Table::new(&["", "wall ms", "CPU ms", "peak MiB", "wall x rewrap"]);
    let mut row = |name: &str, costs: &[Cost]| {
        let wall = median(wall(costs));
        table.row(name, &[wall, median(cpu(costs)), median(peak(costs)), wall / rewrap].map(Some));
    };
    seal(directory, "again", bytes);
    let again = |round| cost(&mut own(directory, "reencrypt", round, "again"));
    row("sealserve model reencrypt", &(0..ROUNDS).map(again).collect::<Vec<_>>());
    if installed("age") && installed("age-keygen") {
        let keys = "for k in 0 1; do age-keygen -o $k && age-keygen -y $k > $k.pub; done";
        cost(&mut shell(directory, keys));
        let seal = format!("head -c {bytes} /dev/zero | age -R 0.pub -o aged && sync aged");
        cost(&mut shell(directory, &seal));
        let script = "age -d -i $in aged | age -R $out.pub -o new && sync new && mv new aged";
        let aged = |round: usize| {
            let [old, new] = if round.is_multiple_of(2) { ["0", "1"] } else { ["1", "0"] };
            cost(shell(directory, script).env("in", old).env("out", new))
        };
        row("age -d | age", &(0..ROUNDS).map(aged).collect::<Vec<_>>());
    }
    table.print(&format!("Another key for {} MiB, durably, median of {ROUNDS}", bytes >> 20));
}

fn wall(costs: &[Cost]) -> impl Iterator<Item = f64> {
    costs.iter().map(|cost| cost.wall.as_secs_f64() * 1e3)
}

fn cpu(costs: &[Cost]) -> impl Iterator<Item = f64> {
    costs.iter().map(|cost| cost.cpu.as_secs_f64() * 1e3)
}

fn peak(costs: &[Cost]) -> impl Iterator<Item = f64> {
    costs.iter().map(|cost| cost.peak)
}

/// A directory of small files, in one command.
fn tree(directory: &Path) {
    const ROUNDS: usize = 5;
    let count = number("SEALSERVE_BENCH_FILES", 1000);
    seal(directory, "seed", 4096);
    let file = |tree: &str, i: usize| directory.join(tree).join(format!("{i}.sealed"));
    for tree in ["tree", "limit"] {
        std::fs::create_dir(directory.join(tree)).unwrap();
        for i in 0..count {
            std::fs::copy(directory.join("seed"), file(tree, i)).unwrap();
        }
    }
    cost(&mut shell(directory, "sync -f seed"));
    let (mut limit, mut rewraps) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        limit.push(timed(|| {
            for i in 0..count {
                write_slots(&File::options().write(true).open(file("limit", i)).unwrap(), round);
            }
        }));
        rewraps.push(cost(&mut own(directory, "rewrap", round, "tree")));
    }
    assert_eq!(generation(directory, &format!("tree/{}.sealed", count - 1)), ROUNDS as u64 + 1);
    let files = count as f64;
    let mut table = Table::new(&["", "files/s", "wall ms/file", "CPU ms/file", "peak MiB"]);
    let limit = median(limit);
    let cells = [Some(files / limit * 1e3), Some(limit / files), None, None];
    table.row("two durable writes of 8 KiB, file by file", &cells);
    let wall = median(wall(&rewraps));
    let cells = [files / wall * 1e3, wall / files, median(cpu(&rewraps)) / files, median(peak(&rewraps))];
    table.row("rewrap", &cells.map(Some));
    table.print(&format!("A directory of {count} small files, median of {ROUNDS}"));
}

fn main() {
    let large = number("SEALSERVE_BENCH_BYTES", 1 << 30) as u64;
    support::heading(&binary());
    let directory = support::directory_on_disk();
    let directory = directory.path();
    for key in KEYS {
        secret(directory, key, 32);
    }
    let rewrap = one_file(directory, large);
    otherwise(directory, large, rewrap);
    tree(directory);
}
