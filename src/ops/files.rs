//! Which sealed files are meant: those that are named, and those below the
//! directories that are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::container::{ContainerError, KeyId, Sealed};
use crate::fs::FsError;

/// How the name of a sealed file ends.
const EXTENSION: &str = "sealed";

/// What was found under a name.
#[derive(Debug)]
pub enum Found {
    /// A file to work on.
    File(PathBuf),
    /// A symbolic link below a directory: it may lead to anywhere, so it is left alone.
    Link(PathBuf),
    /// What could not be looked at.
    Failed(PathBuf, FsError),
}

impl Found {
    /// The file that was named itself. A link stays, and what it leads to is meant.
    pub fn named(path: &Path) -> Self {
        if !path.is_symlink() {
            return Self::File(path.to_owned());
        }
        match path.canonicalize() {
            Ok(real) => Self::File(real),
            Err(error) => Self::Failed(path.to_owned(), FsError::io("resolve", path)(error)),
        }
    }
}

/// Finds the files: each of `paths` itself, or where it is a directory, every
/// `*.sealed` below it, in the order of their names. A link that is named itself
/// is followed; one below a directory is not. What is named twice is found once;
/// each name of a file with several is found.
pub fn find(paths: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => walk(path, &mut found),
            Ok(_) => found.push(Found::named(path)),
            Err(error) => found.push(Found::Failed(path.clone(), FsError::io("open", path)(error))),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|found| match found {
        Found::File(path) => path.canonicalize().map_or(true, |real| seen.insert(real)),
        _ => true,
    });
    found
}

fn walk(directory: &Path, found: &mut Vec<Found>) {
    let entries = std::fs::read_dir(directory).and_then(std::iter::Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let error = FsError::io("read directory", directory)(error);
            return found.push(Found::Failed(directory.to_owned(), error));
        }
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_sealed = path.extension().is_some_and(|extension| extension == EXTENSION);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, found),
            Ok(kind) if is_sealed && kind.is_symlink() => found.push(Found::Link(path)),
            Ok(kind) if is_sealed && kind.is_file() => found.push(Found::File(path)),
            Ok(_) if is_sealed => found.push(Found::Failed(path.clone(), FsError::NotRegular { path })),
            Ok(_) => {}
            Err(error) => {
                let error = FsError::io("read", &path)(error);
                found.push(Found::Failed(path, error));
            }
        }
    }
}

/// Those of `places`, files and directories, that `key` opens, by their headers alone,
/// and those that could not be looked at. Where nothing is, there is nothing to find.
pub fn sealed_for(places: &[PathBuf], key: &KeyId) -> (Vec<PathBuf>, Vec<ContainerError>) {
    let (mut files, mut unknown) = (Vec::new(), Vec::new());
    let absent = |path: &PathBuf| {
        path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    let places: Vec<_> = places.iter().filter(|path| !absent(path)).cloned().collect();
    for found in find(&places) {
        match found {
            Found::File(path) | Found::Link(path) => match Sealed::open_regular(&path) {
                Ok(sealed) if sealed.header().has_recipient(key) => files.push(path),
                Ok(_) => {}
                Err(error) => unknown.push(error),
            },
            Found::Failed(_, error) => unknown.push(error.into()),
        }
    }
    (files, unknown)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::fs::{Existing, PUBLIC, write};

    #[test]
    fn a_pipe_below_a_directory_is_named_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, link) = (dir.path().join("pipe.sealed"), dir.path().join("link.sealed"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("pipe.sealed", &link).unwrap();
        let (sender, receiver) = mpsc::channel();
        let (place, key) = (dir.path().to_owned(), "07".repeat(16).parse().unwrap());
        std::thread::spawn(move || sender.send(sealed_for(&[place], &key)));
        let (files, unknown) = receiver.recv_timeout(Duration::from_secs(60)).expect("it does not hang");
        assert!(files.is_empty());
        let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        assert_eq!(unknown, [link, pipe].map(|path| format!("'{}' is no regular file", path.display())));
    }

    #[test]
    fn directories_are_searched_and_links_below_them_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["b", "b/deep", "other"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["a.sealed", "b/deep/c.sealed", "b/d.onnx", "other/e.sealed", "plain"] {
            write(&path(name), b"", PUBLIC, Existing::Refuse).unwrap();
        }
        std::os::unix::fs::symlink("../other", path("b/tree")).unwrap();
        std::os::unix::fs::symlink("../other/e.sealed", path("b/l.sealed")).unwrap();
        let said = |paths: &[PathBuf]| -> Vec<_> {
            let name = |p: PathBuf| p.strip_prefix(dir.path()).unwrap().display().to_string();
            find(paths)
                .into_iter()
                .map(|found| match found {
                    Found::File(path) => name(path),
                    Found::Link(path) => format!("link {}", name(path)),
                    Found::Failed(path, _) => format!("failed {}", name(path)),
                })
                .collect()
        };
        assert_eq!(said(&[path("b")]), ["b/deep/c.sealed", "link b/l.sealed"]);
        // What is named is taken whatever it is called, and a named link is followed.
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(real, dir.path(), "the sandbox has no link in its path");
        let named = [path("plain"), path("b/l.sealed"), path("absent")];
        assert_eq!(said(&named), ["plain", "other/e.sealed", "failed absent"]);
        assert_eq!(said(&[path("b/tree")]), ["b/tree/e.sealed"]);
        // What is named in several ways is found once.
        let again = [path("b/l.sealed"), path("other"), path("b/tree"), path("other/../other/e.sealed")];
        assert_eq!(said(&again), ["other/e.sealed"]);
    }
}
