//! Finds the library.

use std::path::{Path, PathBuf};

use super::error::RuntimeError;
use super::pins::{self, Flavor, Release};
use crate::runtime::device::Device;

const NAME: &str = "libonnxruntime.so";

/// Where to look for the library.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search<'a> {
    /// `--runtime`, or else `runtime.library`: the library, or the directory that holds it.
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
            Self::Explicit => "--runtime or runtime.library",
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
}
