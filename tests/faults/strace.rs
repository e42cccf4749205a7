//! Faults at system calls, by strace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{text, wait_until};
use crate::{Case, signal, under};

/// The system calls that change a file, its name, its rights or its lock.
const CALLS: &str = "?write,?writev,?pwrite64,?pwritev,?pwritev2,?ftruncate,?fallocate,?copy_file_range,?sendfile,\
    ?fdatasync,?fsync,?sync_file_range,?sync,?syncfs,?link,?linkat,?symlinkat,?rename,?renameat,?renameat2,\
    ?unlink,?unlinkat,?mkdir,?mkdirat,?rmdir,?chown,?fchown,?fchownat,?chmod,?fchmod,?fchmodat,?flock";

const KINDS: [&str; 3] = ["signal=SIGKILL", "error=EIO", "error=ENOSPC"];

/// What one call meets.
pub(super) struct Fault {
    pub(super) call: String,
    kind: &'static str,
    when: usize,
}

impl Fault {
    pub(super) fn kills(&self) -> bool {
        self.kind.starts_with("signal")
    }

    /// Whether it is an error of the `n`th of these calls.
    pub(super) fn fails(&self, call: &str, n: usize) -> bool {
        !self.kills() && self.call == call && self.when == n
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:when={}", self.call, self.kind, self.when)
    }
}

/// Runs `command` once for each of those system calls that it makes and each fault,
/// which that call meets; `prepare` comes before each, and `check` looks at what is left.
/// Of a command with one thread each fault must happen; several threads may share the work
/// in another way than they did when the calls were counted.
pub(super) fn each_fault(
    case: &Case,
    prepare: impl Fn(),
    command: impl Fn() -> Command,
    check: impl Fn(&Fault, &Output),
) {
    prepare();
    let (output, calls) = traced(case, &command(), CALLS);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // strace counts for each thread.
    let mut most = BTreeMap::<String, usize>::new();
    let mut counts = BTreeMap::<(u32, String), usize>::new();
    for Call { pid, name, .. } in calls {
        let count = counts.entry((pid, name.clone())).or_default();
        *count += 1;
        let most = most.entry(name).or_default();
        *most = (*most).max(*count);
    }
    assert!(most.contains_key("write") || most.contains_key("pwrite64"), "{most:?}");
    assert!(most.contains_key("fsync") || most.contains_key("fdatasync"), "{most:?}");
    let mut met = 0;
    for (call, most) in most {
        for kind in KINDS {
            for when in 1..=most {
                let fault = Fault { call: call.clone(), kind, when };
                prepare();
                let log = case.sandbox.path("strace.log");
                let (trace, inject) = (format!("trace={call}"), format!("inject={fault}"));
                let options = ["-f", "-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject];
                let output = under(case, "strace", &options, &command()).output().unwrap();
                let seen = fs::read_to_string(&log).unwrap();
                let happened = seen.contains("(INJECTED)") || seen.contains("killed by SIGKILL");
                assert!(happened || pids(&seen).len() > 1, "{fault} did not happen: {seen}");
                if happened {
                    assert!(!text(&output.stderr).contains("panicked"), "{fault}: {}", text(&output.stderr));
                    met += 1;
                    check(&fault, &output);
                }
            }
        }
    }
    assert!(met >= 9, "only {met} faults");
}

/// Runs `command` with `faults`, each as strace writes it: `openat:error=EROFS:when=7`.
pub(super) fn with_faults(case: &Case, command: &Command, faults: &[&str]) -> Output {
    let log = case.sandbox.path("strace.log");
    let calls: Vec<_> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
    let mut options = vec!["-f".to_owned(), "-o".to_owned(), log.to_str().unwrap().to_owned()];
    options.extend(["-e".to_owned(), format!("trace={}", calls.join(","))]);
    for fault in faults {
        options.extend(["-e".to_owned(), format!("inject={fault}")]);
    }
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let output = under(case, "strace", &options, command).output().unwrap();
    assert!(fs::read_to_string(&log).unwrap().contains("(INJECTED)"), "{faults:?} did not happen");
    output
}

/// A system call that was made.
pub(super) struct Call {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) line: String,
}

/// Runs `command`, and returns which of `calls` it made, in order.
pub(super) fn traced(case: &Case, command: &Command, calls: &str) -> (Output, Vec<Call>) {
    let version = Command::new("strace").arg("--version").output();
    assert!(
        version.is_ok_and(|output| output.status.success()),
        "strace is not installed: this test needs it"
    );
    let log = case.sandbox.path("trace.log");
    let options = ["-f", "-o", log.to_str().unwrap(), "-e", &format!("trace={calls}")];
    let output = under(case, "strace", &options, command).output().unwrap();
    let seen = fs::read_to_string(&log).unwrap();
    let mut calls: Vec<Call> = Vec::new();
    for (pid, rest) in seen.lines().filter_map(|line| line.split_once(' ')) {
        let (pid, rest) = (pid.parse().unwrap(), rest.trim());
        // A call during which another thread made one stands in two lines.
        if let Some((_, result)) = rest.split_once(" resumed>") {
            let begun = calls.iter_mut().rfind(|call| call.pid == pid).expect("a call that resumes began");
            begun.line = begun.line.replace(" <unfinished ...>", result);
        } else if let Some((name, _)) = rest.split_once('(')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            calls.push(Call { pid, name: name.to_owned(), line: rest.to_owned() });
        }
    }
    (output, calls)
}

/// The threads that a log tells of, if only that they ended.
fn pids(log: &str) -> BTreeSet<u32> {
    log.lines().filter_map(|line| line.split_once(' ')?.0.parse().ok()).collect()
}

/// A command that stops after a certain call, until it is told to go on.
pub(super) struct Stopping {
    child: Child,
    log: PathBuf,
}

impl Stopping {
    /// Starts `command`, which stops when a thread of it has made this call for the
    /// `when`th time. How many threads there are, the machine says.
    pub(super) fn start(case: &Case, command: &Command, call: &str, when: usize) -> Self {
        let log = case.sandbox.path("stop.log");
        let _ = fs::remove_file(&log);
        let inject = format!("inject={call}:signal=SIGSTOP:when={when}");
        let options = ["-f", "-o", log.to_str().unwrap(), "-e", &format!("trace={call}"), "-e", &inject];
        let mut traced = under(case, "strace", &options, command);
        let child = traced.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stopping = Self { child, log };
        wait_until("it is stopped", || {
            let ended = stopping.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} {}", stopping.seen());
            stopping.seen().contains("stopped by SIGSTOP")
        });
        stopping
    }

    /// The most bytes that one call of those seen so far has written.
    pub(super) fn most_written(&self) -> usize {
        let written = |line: &str| line.rsplit_once(" = ")?.1.parse().ok();
        self.seen().lines().filter_map(written).max().unwrap_or(0)
    }

    fn seen(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn resume(&self) {
        // One of its threads that is still there stands for all of them.
        pids(&self.seen()).into_iter().for_each(|pid| signal(pid, "CONT"));
    }

    /// Lets it go on to its end.
    pub(super) fn finish(mut self) -> Output {
        wait_until("it ends", || {
            self.resume();
            self.child.try_wait().unwrap().is_some()
        });
        self.child.wait_with_output().unwrap()
    }
}
