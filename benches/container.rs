//! `model encrypt` and `model decrypt` of a large file, against other programs
//! that encrypt files, and against the physical limit: ring alone on one core, plus
//! `cat` of the same bytes on the same way. Then the most memory that they hold, by size.
//!
//!     cargo bench --profile dist --bench container                   # all of it
//!     cargo bench --profile dist --bench container -- null memory    # of null, file, pipe, memory
//!
//! benches/README.md says what the programs are told, and what else can be set.

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
use std::io::Write;
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use support::tools::{Direction, PLAIN, Tool, Way, piped, random, shell, stop_agent, tools};
use support::{Cost, Table, binary, cost, median, number, own_cpu, rounds};

const CHUNK: usize = 16 * 1024;
const BATCH: usize = 64 * CHUNK;

/// Encrypts `bytes` with nothing but ring, 16 KiB at a time in memory that stays
/// in the cache, and decrypts them again. Returns the CPU seconds of each.
fn ring_alone(bytes: usize) -> [f64; 2] {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let nonce = |chunk: usize| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&(chunk as u64).to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    };
    let mut buffer = vec![0; BATCH];
    let mut tags = Vec::with_capacity(BATCH / CHUNK);
    let (mut seal, mut open) = (0.0, 0.0);
    for batch in 0..bytes / BATCH {
        let start = own_cpu();
        for (i, chunk) in buffer.chunks_mut(CHUNK).enumerate() {
            let number = batch * (BATCH / CHUNK) + i;
            tags.push(key.seal_in_place_separate_tag(nonce(number), Aad::empty(), chunk).unwrap());
        }
        let middle = own_cpu();
        for (i, (chunk, tag)) in buffer.chunks_mut(CHUNK).zip(tags.drain(..)).enumerate() {
            let number = batch * (BATCH / CHUNK) + i;
            key.open_in_place_separate_tag(nonce(number), Aad::empty(), tag, chunk, 0..).unwrap();
        }
        seal += middle - start;
        open += own_cpu() - middle;
    }
    [seal, open]
}

/// A file that no compressor would shrink.
fn make(path: &Path, bytes: usize) {
    let block = random(BATCH);
    let mut file = File::create(path).unwrap();
    for _ in 0..bytes / BATCH {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
}

/// What one round has cost: ring alone, and each tool.
struct Round {
    ring: f64,
    tools: Vec<Cost>,
}

impl Round {
    fn cpu(&self, tool: usize) -> f64 {
        self.tools[tool].cpu.as_secs_f64()
    }

    /// The limit: the last tool is cat.
    fn floor(&self) -> f64 {
        self.ring + self.cpu(self.tools.len() - 1)
    }
}

/// Every tool in both directions on one way, round after round.
fn compare(directory: &Path, tools: &[Tool], way: Way, bytes: usize) {
    let mut directions = [(Direction::Encrypt, Vec::new()), (Direction::Decrypt, Vec::new())];
    for _ in 0..rounds() {
        let alone = ring_alone(bytes);
        for ((direction, rounds), ring) in directions.iter_mut().zip(alone) {
            let tools = tools.iter().map(|tool| tool.cost(directory, *direction, way)).collect();
            rounds.push(Round { ring, tools });
        }
    }
    for (direction, rounds) in directions {
        report(direction, way, tools, &rounds, bytes);
    }
}

fn report(direction: Direction, way: Way, tools: &[Tool], rounds: &[Round], bytes: usize) {
    let gib = bytes as f64 / f64::from(1 << 30);
    let over = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
    let columns = ["", "CPU s/GiB", "wall s/GiB", "peak MiB", "CPU x (ring + cat)", "CPU x sealserve"];
    let mut table = Table::new(&columns);
    for (i, tool) in tools.iter().enumerate() {
        let cells = [
            over(&|round| round.cpu(i) / gib),
            over(&|round| round.tools[i].wall.as_secs_f64() / gib),
            over(&|round| round.tools[i].peak),
            over(&|round| round.cpu(i) / round.floor()),
            over(&|round| round.cpu(i) / round.cpu(0)),
        ];
        table.row(tool.name, &cells.map(Some));
    }
    let limits: [(_, &dyn Fn(&Round) -> f64); 2] = [("ring", &|r| r.ring), ("ring + cat", &Round::floor)];
    for (name, figure) in limits {
        let cpu = over(&|round| figure(round) / gib);
        let (limit, own) =
            (over(&|round| figure(round) / round.floor()), over(&|round| figure(round) / round.cpu(0)));
        table.row(name, &[Some(cpu), None, None, Some(limit), Some(own)]);
    }
    let way = match way {
        Way::Null => "from the page cache to nowhere",
        Way::File => "from the page cache to a file that is on the disk at the end",
        Way::Pipe => "from a pipe to a pipe",
    };
    table.print(&format!("{direction:?} {gib:.3} GiB {way}, median of {}", rounds.len()));
}

/// The most memory that the first two tools hold, one decrypting what the other
/// encrypts, by the size of what comes.
fn memory(directory: &Path, tools: &[Tool]) {
    let sizes = [64 << 20, 1 << 30, number("SEALSERVE_BENCH_LARGE_BYTES", 4 << 30)];
    let names = sizes.map(|bytes| format!("{} MiB", bytes >> 20));
    let mut table = Table::new(&[&[""], &names.each_ref().map(String::as_str)[..]].concat());
    let base = cost(&mut shell(directory, "exec true")).peak;
    table.row("true", &[Some(base); 3]);
    let sparse = directory.join("sparse");
    for tool in &tools[..2.min(tools.len() - 1)] {
        let peaks = sizes.map(|bytes| {
            File::create(&sparse).unwrap().set_len(bytes as u64).unwrap();
            let input = File::open(&sparse).unwrap();
            let (encrypt, sealed) = piped(tool.command(directory, Direction::Encrypt, "", ""), input);
            let (decrypt, plain) = piped(tool.command(directory, Direction::Decrypt, "", ""), sealed);
            let bytes_out = std::io::copy(&mut { plain }, &mut std::io::sink()).unwrap();
            assert_eq!(bytes_out, bytes as u64);
            (encrypt.finish().peak, decrypt.finish().peak)
        });
        table.row(&format!("{} encrypts", tool.name), &peaks.map(|(encrypt, _)| Some(encrypt)));
        table.row(&format!("{} decrypts", tool.name), &peaks.map(|(_, decrypt)| Some(decrypt)));
    }
    std::fs::remove_file(sparse).unwrap();
    table.print("Most memory held, in MiB, by size");
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let bytes = number("SEALSERVE_BENCH_BYTES", 1 << 30) / BATCH * BATCH;
    support::heading(&binary());
    let directory = support::directory_on_disk();
    let directory = directory.path();
    let tools = tools(directory);
    let ways = [("null", Way::Null), ("file", Way::File), ("pipe", Way::Pipe)];
    if ways.iter().any(|(name, _)| is_wanted(name)) {
        make(&directory.join(PLAIN), bytes);
        for tool in &tools {
            tool.seal(directory);
        }
        for (_, way) in ways.into_iter().filter(|(name, _)| is_wanted(name)) {
            compare(directory, &tools, way, bytes);
        }
    }
    if is_wanted("memory") {
        memory(directory, &tools);
    }
    stop_agent(directory);
}
