//! `model encrypt` and `model decrypt` of a large file in the page cache, to
//! nowhere, against age, and against the physical limit: ring alone on one core,
//! plus `cat` of the same bytes.
//!
//!     cargo bench --bench container                                # 1 GiB, 7 rounds
//!     SEALSERVE_BENCH_BYTES=67108864 cargo bench --bench container
//!     SEALSERVE_BIN=target/dist/sealserve cargo bench --bench container
//!
//! Needs 3 x that much disk and page cache, and `age` (its rows are left out without it).

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use support::{Cost, Table, binary, cost, installed, median, number, own_cpu, rounds};

const CHUNK: usize = 16 * 1024;
const BATCH: usize = 64 * CHUNK;

/// Encrypts `bytes` with nothing but ring, 16 KiB at a time in memory that stays
/// in the cache, and decrypts them again. Returns the CPU seconds of each.
fn ring_alone(bytes: usize) -> (f64, f64) {
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
    (seal, open)
}

/// A file that no compressor would shrink.
fn make(path: &Path, bytes: usize) {
    let mut block = vec![0; BATCH];
    std::io::Read::read_exact(&mut File::open("/dev/urandom").unwrap(), &mut block).unwrap();
    let mut file = File::create(path).unwrap();
    for _ in 0..bytes / BATCH {
        file.write_all(&block).unwrap();
    }
}

/// One row: a command whose output goes nowhere.
struct Row {
    name: &'static str,
    command: Command,
    costs: Vec<Cost>,
}

impl Row {
    fn new(name: &'static str, program: impl AsRef<std::ffi::OsStr>, arguments: &[&Path]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { name, command, costs: Vec::new() }
    }

    /// Runs it once with its output in `path`.
    fn write_to(&mut self, path: &Path) {
        assert!(self.command.stdout(File::create(path).unwrap()).status().unwrap().success());
        self.command.stdout(Stdio::null());
    }

    fn cpu(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.cpu.as_secs_f64()))
    }
}

fn main() {
    let bytes = number("SEALSERVE_BENCH_BYTES", 1 << 30) / BATCH * BATCH;
    let gib = bytes as f64 / f64::from(1 << 30);
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let (plain, sealed, aged) = (at("model"), at("model.sealed"), at("model.age"));
    let (key, identity, recipient) = (at("model.key"), at("identity"), at("recipient"));
    support::heading(&binary());
    make(&plain, bytes);
    make(&key, BATCH);
    File::options().write(true).open(&key).unwrap().set_len(32).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let p = Path::new;
    let ours = [p("--key-file"), &key, p("-o"), p("-")];
    let mut encrypt =
        Row::new("sealserve", binary(), &[&[p("model"), p("encrypt"), &plain], &ours[..]].concat());
    encrypt.write_to(&sealed);
    let decrypt =
        Row::new("sealserve", binary(), &[&[p("model"), p("decrypt"), &sealed], &ours[..]].concat());
    // Which one of the pair is measured: 0 to encrypt, 1 to decrypt.
    let mut pairs = vec![[encrypt, decrypt]];
    if installed("age") && installed("age-keygen") {
        let keygen = |arguments: &[&Path], out: &Path| {
            Row::new("", "age-keygen", arguments).write_to(out);
        };
        keygen(&[], &identity);
        keygen(&[p("-y"), &identity], &recipient);
        let mut encrypt = Row::new("age", "age", &[p("-R"), &recipient, &plain]);
        encrypt.write_to(&aged);
        pairs.push([encrypt, Row::new("age", "age", &[p("-d"), p("-i"), &identity, &aged])]);
    }
    pairs.push([Row::new("cat", "cat", &[&plain]), Row::new("cat", "cat", &[&sealed])]);

    let mut ring = [Vec::new(), Vec::new()];
    for _ in 0..rounds() {
        let (seal, open) = ring_alone(bytes);
        ring[0].push(seal);
        ring[1].push(open);
        for row in pairs.iter_mut().flatten() {
            let spent = cost(&mut row.command);
            row.costs.push(spent);
        }
    }

    for (direction, ring) in ring.into_iter().enumerate() {
        let ring = median(ring);
        let rows: Vec<&Row> = pairs.iter().map(|pair| &pair[direction]).collect();
        let floor = ring + rows.last().unwrap().cpu();
        let mut table =
            Table::new(&["", "CPU s/GiB", "wall s/GiB", "peak MiB", "x (ring + cat)", "x sealserve"]);
        let own = rows[0].cpu();
        for row in &rows {
            let wall = median(row.costs.iter().map(|cost| cost.wall.as_secs_f64()));
            let peak = median(row.costs.iter().map(|cost| cost.peak));
            let cpu = row.cpu();
            let cells = [cpu / gib, wall / gib, peak, cpu / floor, cpu / own];
            table.row(row.name, &cells.map(Some));
        }
        table.row("ring", &[Some(ring / gib), None, None, Some(ring / floor), Some(ring / own)]);
        table.row("ring + cat", &[Some(floor / gib), None, None, Some(1.0), Some(floor / own)]);
        let verb = ["encrypt", "decrypt"][direction];
        table.print(&format!("{verb} {gib:.3} GiB from the page cache to nowhere, median of {}", rounds()));
    }
}
