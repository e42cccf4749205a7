//! Fetches a wheel with pip and takes libraries out of it.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::check;
use super::error::InstallError;
use super::pins::{self, Member, Wheel};
use crate::fs::{self, AtomicFile, Existing};
use crate::progress::Progress;

/// How often the growth of a download is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How much of pip's complaint is kept.
const MAX_STDERR: usize = 16 * 1024;
const SHOWN_LINES: usize = 8;

/// Downloads `wheel` into `scratch`, which belongs to this call alone. The tags
/// are fixed, so every machine of one architecture gets one file.
pub(super) fn download(
    wheel: &'static Wheel,
    arch: &str,
    python: &Path,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, InstallError> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--python-version", "3.12"])
        .args(["--implementation", "cp", "--abi", "cp312", "--abi", "none"]);
    // pip does not know that a newer manylinux may run what an older one may.
    for manylinux in ["2_28", "2_27", "2_17", "2014", "2_12"] {
        let joint = if manylinux.contains('_') { "_" } else { "" };
        pip.args(["--platform", &format!("manylinux{joint}{manylinux}_{arch}")]);
    }
    pip.arg("--dest").arg(scratch).arg(format!("{}=={}", wheel.project, wheel.version));
    // pip downloads into a temporary directory first: here its growth can be seen, and it is cleaned up.
    // `-m` looks for modules in the working directory first, where a stranger's pip.py may lie.
    pip.current_dir(scratch);
    pip.env("TMPDIR", scratch).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

    let no_python = |source| InstallError::NoPython { python: python.to_owned(), source };
    let mut child = Running(pip.spawn().map_err(no_python)?);
    let stderr = child.0.stderr.take();
    let complaint = std::thread::spawn(move || stderr.map(complaint).unwrap_or_default());
    let mut done = 0;
    let status = loop {
        if let Some(status) = child.0.try_wait().map_err(no_python)? {
            break status;
        }
        std::thread::sleep(POLL);
        let now = largest_file(scratch).min(wheel.size);
        progress.advance(now.saturating_sub(done));
        done = done.max(now);
    };
    if !status.success() {
        let stderr = complaint.join().unwrap_or_default();
        if stderr.contains("No module named pip") {
            return Err(InstallError::NoPip { python: python.to_owned() });
        }
        return Err(InstallError::Pip { file: wheel.file, status: status.to_string(), stderr });
    }
    progress.advance(wheel.size - done);
    Ok(scratch.join(wheel.file))
}

/// A child that does not outlive its parent's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The last lines of what pip had to say. All of it is read, so that pip never
/// blocks, and only its end is kept.
fn complaint(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..n]);
        kept.drain(..kept.len().saturating_sub(MAX_STDERR));
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// Length of the largest file under `directory`, which pip is still filling.
fn largest_file(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let length = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => largest_file(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(length).max().unwrap_or(0)
}

/// Opens the wheel at `path`, and fails unless it is the pinned one.
pub(super) fn open(wheel: &Wheel, path: &Path) -> Result<File, InstallError> {
    let mut file = File::open(path).map_err(InstallError::io("read", path))?;
    let found = check::hash(&mut file).map_err(InstallError::io("read", path))?;
    if found != wheel.sha256 {
        return Err(wrong(path, &wheel.sha256, &found));
    }
    file.rewind().map_err(InstallError::io("read", path))?;
    Ok(file)
}

/// Takes what is needed out of a wheel that was checked.
pub(super) fn unpack(wheel: &Wheel, file: File, path: &Path, into: &Path) -> Result<(), InstallError> {
    let failed = |member: &Member, error: zip::result::ZipError| InstallError::Unpack {
        path: path.to_owned(),
        member: member.path,
        source: error.into(),
    };
    let first = &wheel.members[0];
    let mut archive = zip::ZipArchive::new(file).map_err(|error| failed(first, error))?;
    for member in wheel.members {
        let mut entry = archive.by_name(member.path).map_err(|error| failed(member, error))?;
        place(member, &mut entry, path, into)?;
    }
    Ok(())
}

/// Writes `source` to its place, if it is the pinned file.
pub(super) fn place(
    member: &'static Member,
    source: &mut impl Read,
    from: &Path,
    into: &Path,
) -> Result<(), InstallError> {
    let path = into.join(member.name());
    let mut file = AtomicFile::create(&path, fs::PUBLIC, Existing::Replace)?;
    // One byte more than it should be long is enough to be wrong.
    let found = check::copy(&mut source.take(member.size + 1), &mut file)
        .map_err(|source| InstallError::Unpack { path: from.to_owned(), member: member.path, source })?;
    if found != member.sha256 {
        return Err(wrong(from, &member.sha256, &found));
    }
    Ok(file.commit()?)
}

fn wrong(path: &Path, expected: &[u8; 32], found: &[u8; 32]) -> InstallError {
    InstallError::WrongDigest {
        path: path.to_owned(),
        expected: pins::hex(expected),
        found: pins::hex(found),
    }
}
