//! Proves that the library is one of [`pins`].
//!
//! Between hashing a file and loading it, someone may replace it; and the loader
//! may take libraries that lie beside it (its run path is `$ORIGIN`). So a CPU
//! build is copied, while it is hashed, into a sealed file in memory, and loaded
//! from there: what was hashed is what is loaded, and it has no neighbours. A
//! CUDA build must be loaded from its directory, because it looks for its
//! providers there; then every library in that directory is hashed, none may be
//! unknown, and afterwards none may have changed.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags};

use super::error::RuntimeError;
use super::pins::{self, Flavor, Release};
use crate::crypto::digest::{Digest, Sha256};
use crate::fs::open_regular;
use crate::runtime::device::Device;

/// Longer than any library in the table.
const MAX_LIBRARY: u64 = 1 << 30;
/// The file whose presence means that CUDA may work.
pub(super) const CUDA_PROVIDER: &str = "libonnxruntime_providers_cuda.so";

/// A library that was checked and may be loaded.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    sha256: Digest,
    release: Option<&'static Release>,
    image: Image,
}

#[derive(Debug)]
enum Image {
    /// A sealed copy in memory.
    Sealed(File),
    /// The files themselves, as they were when they were hashed.
    OnDisk(Vec<Witness>),
}

impl Library {
    /// Checks the library at `path` for use with `device`. An unknown one passes
    /// only when `insecure`.
    pub fn check(path: &Path, device: Device, insecure: bool) -> Result<Self, RuntimeError> {
        let path = std::path::absolute(path).map_err(RuntimeError::io("read", path))?;
        let mut file = open_regular(&path)?;
        let witness = Witness::of(&path, &file)?;
        let (sha256, sealed) = seal(&mut file).map_err(RuntimeError::io("read", &path))?;
        let release = pins::identify(&sha256);
        let image = match release {
            None if !insecure => return Err(RuntimeError::Unpinned { path, sha256: pins::hex(&sha256) }),
            None => Image::OnDisk(vec![witness]),
            Some(release) if release.flavor == Flavor::Cpu || device == Device::Cpu => Image::Sealed(sealed),
            Some(release) => Image::OnDisk(neighbours(&path, release, insecure)?),
        };
        Ok(Self { path, sha256, release, image })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The known build that it is, unless it passed by `--insecure`.
    pub fn release(&self) -> Option<&'static Release> {
        self.release
    }

    /// The path to load it by, valid as long as `self`.
    pub(super) fn load_path(&self) -> PathBuf {
        match &self.image {
            Image::Sealed(file) => format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
            Image::OnDisk(_) => self.path.clone(),
        }
    }

    /// Whether it is loaded from its directory, not from a copy in memory.
    pub(super) fn on_disk(&self) -> bool {
        matches!(self.image, Image::OnDisk(_))
    }

    /// Fails if a file that was hashed has changed since.
    pub(super) fn recheck(&self) -> Result<(), RuntimeError> {
        match &self.image {
            Image::Sealed(_) => Ok(()),
            Image::OnDisk(files) => files.iter().try_for_each(Witness::recheck),
        }
    }
}

/// Checks every library in the directory of a CUDA build.
fn neighbours(path: &Path, release: &Release, insecure: bool) -> Result<Vec<Witness>, RuntimeError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let read = RuntimeError::io("read directory", directory);
    let entries =
        std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(read)?;
    let mut witnesses = Vec::new();
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory && !name.contains(".so") {
            continue;
        }
        // The loader also looks into directories beside it (`glibc-hwcaps/`).
        if is_directory && !insecure {
            return Err(RuntimeError::Foreign { path });
        }
        let mut file = open_regular(&path)?;
        let witness = Witness::of(&path, &file)?;
        match release.members().find(|member| member.name() == name) {
            _ if insecure => {}
            None => return Err(RuntimeError::Foreign { path }),
            Some(member) => {
                let found = hash(&mut file).map_err(RuntimeError::io("read", &path))?;
                if found != member.sha256 {
                    return Err(RuntimeError::Unpinned { path, sha256: pins::hex(&found) });
                }
            }
        }
        witnesses.push(witness);
    }
    Ok(witnesses)
}

/// The state of a file that any change to it changes: the change time cannot be
/// set back.
#[derive(Debug, PartialEq, Eq)]
struct Witness {
    path: PathBuf,
    state: [i128; 5],
}

impl Witness {
    fn of(path: &Path, file: &File) -> Result<Self, RuntimeError> {
        let metadata = file.metadata().map_err(RuntimeError::io("read", path))?;
        Ok(Self { path: path.to_owned(), state: Self::state(&metadata) })
    }

    fn recheck(&self) -> Result<(), RuntimeError> {
        let now = self.path.metadata().map_err(RuntimeError::io("read", &self.path))?;
        if Self::state(&now) == self.state {
            Ok(())
        } else {
            Err(RuntimeError::Changed { path: self.path.clone() })
        }
    }

    fn state(m: &Metadata) -> [i128; 5] {
        [m.dev().into(), m.ino().into(), m.size().into(), m.ctime().into(), m.ctime_nsec().into()]
    }
}

/// Copies `file` into a file in memory that can never change again.
fn seal(file: &mut File) -> io::Result<(Digest, File)> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut sealed = File::from(rustix::fs::memfd_create("onnxruntime", flags)?);
    let digest = copy(file, &mut sealed)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&sealed, seals)?;
    Ok((digest, sealed))
}

/// SHA-256 of `file`.
pub(super) fn hash(file: &mut File) -> io::Result<Digest> {
    copy(file, &mut io::sink())
}

/// Copies `from` to `to`, and returns the SHA-256 of what was copied.
pub(super) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<Digest> {
    let mut from = from.take(MAX_LIBRARY + 1);
    let mut buffer = vec![0; 1 << 17];
    let mut digest = Sha256::new();
    let mut length = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(digest.finish()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length += n as u64;
        if length > MAX_LIBRARY {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any known library"));
        }
        digest.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests plant files of their own")]
mod tests {
    use super::*;

    const NAME: &str = "libonnxruntime.so";

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"not a library").unwrap();
    }

    #[test]
    fn an_unknown_library_needs_insecure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        touch(&path);
        let error = Library::check(&path, Device::Cpu, false).unwrap_err().to_string();
        assert!(error.contains(NAME) && error.contains("SHA-256 "), "{error}");
        assert!(Library::check(&path, Device::Cpu, true).unwrap().release().is_none());
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("libother.so");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let release = pins::RELEASES.iter().find(|release| release.flavor != Flavor::Cpu).unwrap();
        let not_regular = |error: &RuntimeError| error.to_string().contains("libother.so");
        for insecure in [false, true] {
            let beside = neighbours(&dir.path().join(NAME), release, insecure).unwrap_err();
            assert!(not_regular(&beside), "{beside}");
            let itself = Library::check(&pipe, Device::Cpu, insecure).unwrap_err();
            assert!(not_regular(&itself), "{itself}");
        }
    }

    #[test]
    fn a_file_that_changes_after_it_was_hashed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        touch(&path);
        let library = Library::check(&path, Device::Cpu, true).unwrap();
        library.recheck().unwrap();
        std::fs::remove_file(&path).unwrap();
        touch(&path);
        assert!(matches!(library.recheck(), Err(RuntimeError::Changed { .. })));
    }

    #[test]
    fn the_copy_in_memory_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        touch(&path);
        let (digest, mut sealed) = seal(&mut File::open(&path).unwrap()).unwrap();
        assert_eq!(digest, crate::crypto::digest::sha256(&[b"not a library"]));
        assert!(sealed.write_all(b"x").is_err());
    }
}
