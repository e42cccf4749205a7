//! Installs ONNX Runtime under the home, from PyPI or from a file, and lists
//! what is installed. The only place that ever downloads anything.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use super::check;
use super::error::InstallError;
use super::pins::{self, Flavor, Release};
use super::wheel;
use crate::crypto::random;
use crate::fs;
use crate::progress::Progress;

/// What to install, and where.
#[derive(Debug, Clone, Copy)]
pub struct InstallRequest<'a> {
    /// `runtime/` of the home.
    pub directory: &'a Path,
    /// Take it from here instead of PyPI: a wheel, a library, or a directory of wheels.
    pub from: Option<&'a Path>,
    /// Which build.
    pub flavor: Flavor,
    /// The Python whose pip downloads.
    pub python: &'a Path,
}

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The library.
    pub path: PathBuf,
    /// Its version.
    pub version: &'static str,
    /// Its flavor.
    pub flavor: Flavor,
    /// Whether anything had to be done.
    pub outcome: Outcome,
}

/// Whether anything had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there, and intact.
    AlreadyThere,
    /// It was not there, or not intact.
    Installed,
}

/// How many bytes [`install`] downloads for this flavor on this machine.
pub fn download_size(flavor: Flavor) -> Option<u64> {
    pins::preferred(flavor, std::env::consts::ARCH).map(Release::download_size)
}

/// Installs ONNX Runtime. Nothing is unpacked before its SHA-256 was compared,
/// and nothing gets its name before its own was.
pub fn install(request: &InstallRequest<'_>, progress: &dyn Progress) -> Result<Installed, InstallError> {
    let arch = std::env::consts::ARCH;
    fs::private_directory(request.directory)?;
    let _alone = Lock::take(request.directory)?;
    let given = request.from.filter(|from| !from.is_dir()).map(Given::open).transpose()?;
    let release = match &given {
        Some(given) => given.release,
        None => pins::preferred(request.flavor, arch)
            .ok_or_else(|| InstallError::NoRelease { flavor: request.flavor, arch: arch.to_owned() })?,
    };
    let directory = request.directory.join(release.directory());
    let installed = |outcome| Installed {
        path: directory.join(release.library().name()),
        version: release.version,
        flavor: release.flavor,
        outcome,
    };
    if is_intact(release, &directory) {
        return Ok(installed(Outcome::AlreadyThere));
    }
    fs::private_directory(&directory)?;
    let filled = match (given, request.from) {
        (Some(given), _) => given.place(&directory),
        (None, Some(wheels)) => unpack_all(release, wheels, &directory),
        (None, None) => download_all(release, request, &directory, progress),
    };
    filled.inspect_err(|_| {
        // Succeeds only when nothing is in it.
        let _ = std::fs::remove_dir(&directory);
    })?;
    Ok(installed(Outcome::Installed))
}

/// Takes the wheels of `release` from the directory `wheels`.
fn unpack_all(release: &Release, wheels: &Path, into: &Path) -> Result<(), InstallError> {
    release.wheels.iter().try_for_each(|wheel| {
        let path = wheels.join(wheel.file);
        wheel::unpack(wheel, wheel::open(wheel, &path)?, &path, into)
    })
}

/// Takes the wheels of `release` from PyPI.
fn download_all(
    release: &'static Release,
    request: &InstallRequest<'_>,
    into: &Path,
    progress: &dyn Progress,
) -> Result<(), InstallError> {
    progress.total(release.download_size());
    release.wheels.iter().try_for_each(|wheel| {
        let scratch = Scratch::create(request.directory)?;
        let path = wheel::download(wheel, release.arch, request.python, &scratch.0, progress)?;
        wheel::unpack(wheel, wheel::open(wheel, &path)?, &path, into)
    })
}

fn is_intact(release: &Release, directory: &Path) -> bool {
    release.members().all(|member| {
        let file = File::open(directory.join(member.name()));
        file.and_then(|mut file| check::hash(&mut file)).is_ok_and(|found| found == member.sha256)
    })
}

/// A file that someone brought along, recognised by its SHA-256.
struct Given<'a> {
    path: &'a Path,
    file: File,
    release: &'static Release,
    is_wheel: bool,
}

impl<'a> Given<'a> {
    fn open(path: &'a Path) -> Result<Self, InstallError> {
        let mut file = File::open(path).map_err(InstallError::io("read", path))?;
        let sha256 = check::hash(&mut file).map_err(InstallError::io("read", path))?;
        file.rewind().map_err(InstallError::io("read", path))?;
        // Of the CUDA build one file is not enough.
        let single = || pins::RELEASES.iter().filter(|release| release.flavor == Flavor::Cpu);
        let by_wheel = single().find(|release| release.wheels[0].sha256 == sha256);
        let by_library = single().find(|release| release.library().sha256 == sha256);
        let release = by_wheel
            .or(by_library)
            .filter(|release| release.arch == std::env::consts::ARCH)
            .ok_or_else(|| InstallError::UnknownFile { path: path.to_owned(), sha256: pins::hex(&sha256) })?;
        Ok(Self { path, file, release, is_wheel: by_wheel.is_some() })
    }

    fn place(mut self, directory: &Path) -> Result<(), InstallError> {
        if self.is_wheel {
            wheel::unpack(&self.release.wheels[0], self.file, self.path, directory)
        } else {
            wheel::place(self.release.library(), &mut self.file, self.path, directory)
        }
    }
}

/// One installation at a time; the kernel releases it, whatever happens.
struct Lock(#[expect(dead_code, reason = "held open, never read")] File);

impl Lock {
    fn take(directory: &Path) -> Result<Self, InstallError> {
        let path = directory.join(".lock");
        let locked = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let file = locked().map_err(InstallError::io("lock", &path))?;
        Scratch::sweep(directory);
        Ok(Self(file))
    }
}

/// A directory for one download.
struct Scratch(PathBuf);

impl Scratch {
    const PREFIX: &'static str = ".download-";

    fn create(directory: &Path) -> Result<Self, InstallError> {
        let path = directory.join(format!("{}{:016x}", Self::PREFIX, u64::from_ne_bytes(random::bytes())));
        fs::private_directory(&path)?;
        // pip is told this path, and does not run here.
        let path = std::path::absolute(&path).map_err(InstallError::io("create directory", &path))?;
        Ok(Self(path))
    }

    /// Removes what killed installations left behind.
    fn sweep(directory: &Path) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(Self::PREFIX) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A library that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The library.
    pub path: PathBuf,
    /// The version that its place promises.
    pub version: &'static str,
    /// The flavor that its place promises.
    pub flavor: Flavor,
    /// SHA-256 of the library that is expected there.
    pub sha256: String,
    /// Whether every file of it is what it should be.
    pub intact: bool,
}

/// What is installed under `directory`.
pub fn list(directory: &Path) -> Vec<Entry> {
    let here = pins::RELEASES.iter().filter(|release| release.arch == std::env::consts::ARCH);
    here.filter_map(|release| {
        let directory = directory.join(release.directory());
        let path = directory.join(release.library().name());
        path.exists().then(|| Entry {
            path,
            version: release.version,
            flavor: release.flavor,
            sha256: pins::hex(&release.library().sha256),
            intact: is_intact(release, &directory),
        })
    })
    .collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests plant files of their own")]
mod tests {
    use super::*;
    use crate::error::Diagnose;
    use crate::progress::Silent;
    use crate::runtime::testing;

    fn request<'a>(directory: &'a Path, from: Option<&'a Path>) -> InstallRequest<'a> {
        InstallRequest { directory, from, flavor: Flavor::Cpu, python: Path::new("python3") }
    }

    fn leftovers(directory: &Path) -> Vec<String> {
        let names = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name());
        names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n != ".lock").collect()
    }

    #[test]
    fn installs_from_the_library_once_and_repairs_it() {
        let library = testing::library_path();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("runtime");
        let request = request(&home, Some(&library));
        let first = install(&request, &Silent).unwrap();
        assert_eq!((first.version, first.outcome), (pins::DEFAULT_VERSION, Outcome::Installed));
        assert_eq!(install(&request, &Silent).unwrap().outcome, Outcome::AlreadyThere);
        assert!(list(&home)[0].intact);

        std::fs::write(&first.path, b"damaged").unwrap();
        assert!(!list(&home)[0].intact);
        assert_eq!(install(&request, &Silent).unwrap().outcome, Outcome::Installed);
        assert_eq!(std::fs::read(&first.path).unwrap(), std::fs::read(&library).unwrap());
        assert_eq!(leftovers(&home), ["onnxruntime-1.29.0"]);
    }

    #[test]
    fn an_unknown_file_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (home, file) = (dir.path().join("runtime"), dir.path().join("onnxruntime.whl"));
        std::fs::write(&file, b"PK\x03\x04").unwrap();
        let error = install(&request(&home, Some(&file)), &Silent).unwrap_err();
        assert!(matches!(error, InstallError::UnknownFile { .. }), "{error}");
        assert!(error.to_string().contains("onnxruntime.whl") && error.hint().is_some());
        assert!(leftovers(&home).is_empty());
    }

    #[test]
    fn a_damaged_wheel_is_refused_before_it_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (home, wheels) = (dir.path().join("runtime"), dir.path().join("wheels"));
        std::fs::create_dir(&wheels).unwrap();
        let release = pins::preferred(Flavor::Cpu, std::env::consts::ARCH).unwrap();
        std::fs::write(wheels.join(release.wheels[0].file), b"not this").unwrap();
        let error = install(&request(&home, Some(&wheels)), &Silent).unwrap_err();
        assert!(matches!(error, InstallError::WrongDigest { .. }), "{error}");
        assert!(list(&home).is_empty());
    }

    #[test]
    fn a_missing_python_and_a_failing_pip_are_told_apart() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("runtime");
        let script = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
            path
        };
        let failure = |python: &Path| {
            let request = InstallRequest { python, ..request(&home, None) };
            install(&request, &Silent).unwrap_err()
        };
        let absent = failure(Path::new("/nonexistent/python3"));
        assert!(matches!(absent, InstallError::NoPython { .. }), "{absent}");
        let no_pip = failure(&script("no-pip", "echo 'No module named pip' >&2; exit 1"));
        assert!(matches!(no_pip, InstallError::NoPip { .. }), "{no_pip}");
        let offline = failure(&script("offline", "yes warning | head -c 100000 >&2; echo gone >&2; exit 2"));
        assert!(matches!(&offline, InstallError::Pip { stderr, .. } if stderr.len() < 1000), "{offline}");
        // It says that all went well, and brings another file.
        let liar = failure(&script(
            "liar",
            "while [ $# -gt 1 ]; do [ $1 = --dest ] && dir=$2; shift; done; v=${1##*==}; \
             echo evil > $dir/onnxruntime-$v-cp312-cp312-manylinux_2_28_$(uname -m).whl",
        ));
        assert!(matches!(liar, InstallError::WrongDigest { .. }), "{liar}");
        assert!(leftovers(&home).is_empty());
    }
}
