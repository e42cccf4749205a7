//! Finds the library and proves that it is one of [`pins`].
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

use super::device::Device;
use super::error::RuntimeError;
use super::pins::{self, Flavor, Release};
use crate::crypto::digest::{Digest, Sha256};

/// Longer than any library in the table.
const MAX_LIBRARY: u64 = 1 << 30;
const NAME: &str = "libonnxruntime.so";
/// The file whose presence means that CUDA may work.
pub(super) const CUDA_PROVIDER: &str = "libonnxruntime_providers_cuda.so";

/// Where to look for the library.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search<'a> {
    /// `--runtime`: the library, or the directory that holds it.
    pub explicit: Option<&'a Path>,
    /// `ORT_DYLIB_PATH`, read by the caller.
    pub from_env: Option<&'a Path>,
    /// The directory of this program.
    pub beside_binary: Option<&'a Path>,
    /// `runtime/` of the home.
    pub home_runtime: Option<&'a Path>,
    /// For this device.
    pub device: Device,
}

/// How the library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Origin {
    Explicit,
    Environment,
    BesideBinary,
    Home,
    System,
}

impl Origin {
    /// In words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Explicit => "--runtime",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::BesideBinary => "beside this program",
            Self::Home => "the home's runtime directory",
            Self::System => "the system",
        }
    }
}

/// A library that was found, and not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it lies.
    pub path: PathBuf,
    /// How it was found.
    pub origin: Origin,
}

/// Finds the library: the first place that has one. A place that was named must
/// have one.
pub fn find(search: &Search<'_>) -> Result<Found, RuntimeError> {
    let named = [(search.explicit, Origin::Explicit), (search.from_env, Origin::Environment)];
    for (path, origin) in named {
        if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
            return locate(path).map(|path| Found { path, origin }).ok_or_else(|| {
                RuntimeError::NoSuchLibrary { path: path.to_owned(), origin: origin.describe() }
            });
        }
    }
    let system = system_directories();
    let beside = search.beside_binary.and_then(newest_in).map(|path| (path, Origin::BesideBinary));
    let (path, origin) = beside
        .or_else(|| Some((installed_in(search.home_runtime?, search.device)?, Origin::Home)))
        .or_else(|| Some((system.iter().find_map(|d| newest_in(d))?, Origin::System)))
        .ok_or_else(|| {
            let places = search.beside_binary.into_iter().chain(search.home_runtime);
            let mut looked: Vec<_> = places.map(|d| format!("'{}'", d.display())).collect();
            looked.push("the system's library directories".into());
            RuntimeError::NotFound { looked }
        })?;
    Ok(Found { path, origin })
}

fn locate(path: &Path) -> Option<PathBuf> {
    if path.is_dir() { newest_in(path) } else { path.is_file().then(|| path.to_owned()) }
}

/// The library of the highest version in `directory`.
fn newest_in(directory: &Path) -> Option<PathBuf> {
    let version = |path: &Path| -> Option<Vec<u32>> {
        let rest = path.file_name()?.to_str()?.strip_prefix(NAME)?;
        let numbers = rest.strip_prefix('.').map_or(Vec::new(), |v| v.split('.').collect());
        (rest.is_empty() || rest.starts_with('.')).then_some(())?;
        numbers.into_iter().map(|n| n.parse().ok()).collect()
    };
    let paths = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    paths.filter(|p| p.is_file()).filter_map(|p| Some((version(&p)?, p))).max().map(|(_, path)| path)
}

/// The library among those that `runtime install` put under `runtime`: one for
/// the flavor that `device` calls for, the default version first.
fn installed_in(runtime: &Path, device: Device) -> Option<PathBuf> {
    let flavors = match device {
        Device::Cpu => [Flavor::Cpu, Flavor::Cuda],
        Device::Auto | Device::Cuda(_) => [Flavor::Cuda, Flavor::Cpu],
    };
    let here = |release: &&Release| release.arch == std::env::consts::ARCH;
    flavors.iter().find_map(|flavor| {
        let mut releases: Vec<_> =
            pins::RELEASES.iter().filter(here).filter(|r| r.flavor == *flavor).collect();
        releases.sort_by_key(|r| r.version != pins::DEFAULT_VERSION);
        releases
            .iter()
            .map(|r| runtime.join(r.directory()).join(r.library().name()))
            .find(|path| path.is_file())
    })
}

fn system_directories() -> Vec<PathBuf> {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["/usr/local/lib", "/usr/lib"]
        .iter()
        .flat_map(|base| [Path::new(base).to_owned(), Path::new(base).join(&multiarch)])
        .chain(["/usr/local/lib64".into(), "/usr/lib64".into()])
        .collect()
}

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
        let mut file = File::open(&path).map_err(RuntimeError::io("read", &path))?;
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
        let mut file = File::open(&path).map_err(RuntimeError::io("read", &path))?;
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

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"not a library").unwrap();
    }

    #[test]
    fn looks_in_the_documented_order() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let library = "libonnxruntime.so.1.29.0";
        for name in ["explicit", "env", "bin", "home/onnxruntime-1.29.0"] {
            touch(&place(name).join(library));
        }
        let (explicit, env, bin, home) = (place("explicit"), place("env"), place("bin"), place("home"));
        let mut search = Search {
            explicit: Some(&explicit),
            from_env: Some(&env),
            beside_binary: Some(&bin),
            home_runtime: Some(&home),
            device: Device::Auto,
        };
        assert_eq!(find(&search).unwrap(), Found { path: explicit.join(library), origin: Origin::Explicit });
        search.explicit = None;
        assert_eq!(find(&search).unwrap().origin, Origin::Environment);
        search.from_env = Some(Path::new(""));
        assert_eq!(find(&search).unwrap().origin, Origin::BesideBinary);
        search.beside_binary = None;
        let found = find(&search).unwrap();
        assert_eq!(found.origin, Origin::Home);
        assert_eq!(found.path, home.join("onnxruntime-1.29.0").join(library));
    }

    #[test]
    fn a_named_place_without_a_library_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search { explicit: Some(dir.path()), ..Search::default() };
        let error = find(&search).unwrap_err();
        assert!(matches!(error, RuntimeError::NoSuchLibrary { .. }), "{error}");
    }

    #[test]
    fn the_highest_version_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".1", ".1.9.0", ".1.30.0", ".1.4.bak", "x"] {
            touch(&dir.path().join(format!("{NAME}{name}")));
        }
        assert_eq!(newest_in(dir.path()).unwrap(), dir.path().join("libonnxruntime.so.1.30.0"));
    }

    #[test]
    fn each_device_gets_its_flavor() {
        let home = tempfile::tempdir().unwrap();
        for directory in ["onnxruntime-1.29.0", "onnxruntime-cuda-1.29.0"] {
            touch(&home.path().join(directory).join("libonnxruntime.so.1.29.0"));
        }
        let directory = |device| {
            let path = installed_in(home.path(), device).unwrap();
            path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(directory(Device::Cpu), "onnxruntime-1.29.0");
        if std::env::consts::ARCH == "x86_64" {
            assert_eq!(directory(Device::Cuda(0)), "onnxruntime-cuda-1.29.0");
        }
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
