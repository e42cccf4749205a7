//! What the benchmarks share: costs of child processes, medians, one table.
//!
//! A figure alone says little on a machine that others use too. So each
//! benchmark runs its rows in turn, round after round, takes the medians, counts
//! CPU time before wall time, and prints ratios to a peer or to a physical limit
//! that was measured in the same rounds.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]

pub mod alone;
pub mod client;
#[path = "../../tests/support/mod.rs"]
pub mod harness;
pub mod tools;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program to measure: `SEALSERVE_BIN`, or the one that cargo built.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("SEALSERVE_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_sealserve").into());
    std::path::absolute(path).unwrap()
}

/// A number from the environment.
pub fn number(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => default,
    }
}

/// How often each row is measured.
pub fn rounds() -> usize {
    number("SEALSERVE_BENCH_ROUNDS", 7)
}

/// What a process has cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time of all its threads.
    pub cpu: Duration,
    pub wall: Duration,
    /// The most memory that it held, in MiB.
    pub peak: f64,
}

/// Runs `command`, which must succeed.
pub fn cost(command: &mut Command) -> Cost {
    Running::start(command).finish()
}

/// A process whose cost is being measured, with the children that it waits for.
pub struct Running {
    pid: u32,
    start: Instant,
    what: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let (start, what) = (Instant::now(), format!("{command:?}"));
        let pid = command.spawn().unwrap_or_else(|e| panic!("{what}: {e}")).id();
        Self { pid, start, what }
    }

    /// Waits for its end; it must succeed.
    pub fn finish(self) -> Cost {
        let (status, usage) = wait4(self.pid);
        let wall = self.start.elapsed();
        assert_eq!(status, 0, "{}", self.what);
        let peak = usage.ru_maxrss as f64 / 1024.0;
        Cost { cpu: cpu(&usage), wall, peak }
    }
}

#[expect(unsafe_code, reason = "only wait4(2) tells what one child has cost")]
fn wait4(pid: u32) -> (i32, libc::rusage) {
    let (mut status, pid) = (0, i32::try_from(pid).unwrap());
    // SAFETY: all zeros is a valid rusage; both pointers live through the call.
    let (waited, usage) = unsafe {
        let mut usage = std::mem::zeroed();
        (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
    };
    assert_eq!(waited, pid);
    (status, usage)
}

/// CPU seconds of this process so far.
#[expect(unsafe_code, reason = "std does not tell CPU time")]
pub fn own_cpu() -> f64 {
    // SAFETY: all zeros is a valid rusage; the pointer lives through the call.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
        usage
    };
    cpu(&usage).as_secs_f64()
}

fn cpu(usage: &libc::rusage) -> Duration {
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// CPU seconds of process `pid` so far, of threads that have ended too.
#[expect(unsafe_code, reason = "only the clock of the process counts threads that have ended")]
pub fn process_cpu(pid: u32) -> f64 {
    let (mut clock, pid) = (0, i32::try_from(pid).unwrap());
    // SAFETY: all zeros is a valid timespec; both pointers live through the calls.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_getcpuclockid(pid, &raw mut clock), 0);
        assert_eq!(libc::clock_gettime(clock, &raw mut time), 0);
        time
    };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What a process holds, in MiB.
pub struct Memory {
    pub steady: f64,
    /// The part of it that is pages of files.
    pub file: f64,
    /// The most that it has held so far.
    pub peak: f64,
}

/// What process `pid` holds.
pub fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<f64>().unwrap() / 1024.0
    };
    Memory { steady: field("VmRSS"), file: field("RssFile"), peak: field("VmHWM") }
}

/// Drops what the page cache holds of the file at `path`.
pub fn evict(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    // What is dirty would stay.
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// The part of the file at `path` that is in the page cache, 0 to 1.
#[expect(unsafe_code, reason = "only mincore(2) tells")]
pub fn resident(path: &Path) -> f64 {
    use std::os::fd::AsRawFd;
    const PAGE: usize = 4096;
    let file = std::fs::File::open(path).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let mut pages = vec![0_u8; length.div_ceil(PAGE)];
    // SAFETY: the mapping is never read, and `pages` has a byte for each of its pages.
    unsafe {
        let at =
            libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(at, libc::MAP_FAILED);
        assert_eq!(libc::mincore(at, length, pages.as_mut_ptr()), 0);
        libc::munmap(at, length);
    }
    pages.iter().filter(|page| **page & 1 == 1).count() as f64 / pages.len() as f64
}

/// The middle one of `values`.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The one of `values` that such a part of the others does not exceed.
pub fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// Whether `program` is there; if not, says that its row is left out.
pub fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("{program} is not installed: its rows are left out\n");
    }
    found
}

/// What is measured against, on a port of its own; dropped, it is killed.
pub struct Peer {
    child: Child,
    pub port: u16,
}

impl Peer {
    /// Starts what `command` makes of a free port, and waits until it serves.
    pub fn start(name: &str, command: impl FnOnce(u16) -> Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut peer = Self { child: command(port).spawn().unwrap(), port };
        harness::wait_until(&format!("{name} serves"), || {
            assert!(peer.child.try_wait().unwrap().is_none(), "{name} has ended");
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        peer
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Columns of figures, a name before each row.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row; `None` leaves a cell empty.
    pub fn row(&mut self, name: &str, cells: &[Option<f64>]) {
        let figure = |cell: &Option<f64>| match *cell {
            None => String::new(),
            Some(n) if n >= 1000.0 => format!("{n:.0}"),
            Some(n) if n >= 10.0 => format!("{n:.1}"),
            Some(n) => format!("{n:.3}"),
        };
        self.rows.push(std::iter::once(name.to_owned()).chain(cells.iter().map(figure)).collect());
    }

    pub fn print(&self, title: &str) {
        println!("{title}\n");
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        for row in &self.rows {
            let cells = row[1..].iter().enumerate().map(|(i, cell)| format!("  {cell:>0$}", width(i + 1)));
            println!("{:<2$}{}", row[0], cells.collect::<String>(), width(0));
        }
        println!();
    }
}

/// What was measured, on what.
pub fn heading(binary: &Path) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("{} on {cores} x {}\n", binary.display(), model.trim_matches([':', ' ', '\t']));
}

/// A directory for what is to be on a real disk: below `SEALSERVE_BENCH_DIR`, or
/// below cargo's own. Says which disk that is.
pub fn directory_on_disk() -> TempDir {
    let below = std::env::var_os("SEALSERVE_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    std::fs::create_dir_all(&below).unwrap();
    let directory = TempDir::new_in(below).unwrap();
    let (device, kind) = disk_of(directory.path());
    let memory = ["tmpfs", "ramfs"].contains(&kind.as_str());
    println!("files on {device}, {kind}{}\n", if memory { ": memory, no disk" } else { "" });
    directory
}

/// Device and kind of the file system that `path` is on.
fn disk_of(path: &Path) -> (String, String) {
    let path = path.canonicalize().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').map(str::to_owned);
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    // Of two mounts at one place, the later one is what is seen.
    let nearest = fields.filter(|(_, at, _)| path.starts_with(at)).max_by_key(|(_, at, _)| at.len());
    nearest.map(|(device, _, kind)| (device, kind)).unwrap()
}
