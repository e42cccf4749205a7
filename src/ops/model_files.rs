//! Models of several files: finding them on disk, and restoring them from an archive.

use std::collections::BTreeMap;
use std::fs::{DirEntry, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::container::archive::{ArchiveFault, Manifest, Receive, Writer, check_name};
use crate::container::{ContainerError, Input, Unlocked};
use crate::error::{Diagnose, Kind};
use crate::fs::{AtomicDirectory, FsError, Steady, open_beneath, open_regular};
use crate::progress::Progress;
use crate::runtime::ModelError;
use crate::runtime::external::{External, ScanError, scan};

/// The model of a directory with several, if it has this name.
const DEFAULT_MODEL: &str = "model.onnx";
const LINK: &str = "a symbolic link";

/// Why the files of a model cannot be put together.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ModelFilesError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("'{}' is {kind}, not a regular file", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    #[error("the name of '{}' is not text in UTF-8", path.display())]
    Name { path: PathBuf },
    #[error("there is no ONNX file in '{}'", path.display())]
    NoModel { path: PathBuf },
    #[error("there are several ONNX files in '{}': {}", path.display(), found.join(", "))]
    SeveralModels { path: PathBuf, found: Vec<String> },
    #[error("'{name}' is no ONNX file in '{}'", path.display())]
    NotThere { path: PathBuf, name: String },
    #[error("'{}' is not an ONNX model that can be served", path.display())]
    Model { path: PathBuf, source: ModelError },
    #[error("'{}' has the data of tensor '{tensor}' in '{location}', {why}", path.display())]
    External { path: PathBuf, tensor: String, location: String, why: String },
    #[error("the files of '{}' cannot be put together", path.display())]
    Archive { path: PathBuf, source: ArchiveFault },
}

impl Diagnose for ModelFilesError {
    fn kind(&self) -> Kind {
        match self {
            Self::SeveralModels { .. } | Self::NotThere { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Kind { .. } => {
                "replace it by a copy of what it stands for (`cp -rL` copies a directory so), or remove it"
                    .into()
            }
            Self::Name { .. } => "rename it".into(),
            Self::NoModel { .. } => "export the model to ONNX first; its name must end in .onnx".into(),
            Self::SeveralModels { .. } => format!(
                "name one with --model-file; without it, the only one or '{DEFAULT_MODEL}' is the model"
            ),
            Self::NotThere { .. } => "give its path below the directory".into(),
            Self::Model { source, .. } => return source.hint(),
            Self::External { .. } => {
                "put the file where the model names it, at or below the model's own directory".into()
            }
            Self::Archive { source, .. } => match source {
                ArchiveFault::Collision { .. } => {
                    "rename one of them: not every file system keeps both".into()
                }
                _ => "rename or remove it".into(),
            },
        })
    }
}

/// A model of several files, on disk.
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    base: PathBuf,
    model: String,
    /// Sizes, by name.
    members: BTreeMap<String, u64>,
}

impl ModelFiles {
    /// The model at `path`: a directory, of whose ONNX files `model` names one; or
    /// an ONNX file with the files that it names. `None`: a file that names none.
    pub fn find(path: &Path, model: Option<&str>) -> Result<Option<Self>, ModelFilesError> {
        let metadata = path.metadata().map_err(FsError::io("read", path))?;
        if metadata.is_dir() {
            let mut members = BTreeMap::new();
            walk(path, "", &mut members)?;
            let model = choose(path, &members, model)?;
            let files = Self { path: path.to_owned(), base: path.to_owned(), model, members };
            let external = files.external()?;
            external.iter().try_for_each(|external| files.require(external))?;
            return Ok(Some(files));
        }
        if !metadata.is_file() {
            return Ok(None);
        }
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.file_name().and_then(|name| name.to_str());
        let model = name.ok_or_else(|| ModelFilesError::Name { path: path.to_owned() })?.to_owned();
        let members = BTreeMap::from([(model.clone(), metadata.len())]);
        let mut files = Self { path: path.to_owned(), base, model, members };
        let external = match files.external() {
            // Not to be served as it is, but not for this to judge; nor is what cannot be
            // read, or not twice.
            Err(ModelFilesError::Model { source: ModelError::NotOnnx, .. } | ModelFilesError::File(_)) => {
                return Ok(None);
            }
            other => other?,
        };
        // What is put together is beside the link, or beside what it leads to: who knows?
        if !external.is_empty() && path.is_symlink() {
            return Err(ModelFilesError::Kind { path: path.to_owned(), kind: LINK });
        }
        for external in &external {
            files.add(external)?;
        }
        Ok(Some(files).filter(|_| !external.is_empty()))
    }

    /// All of it as one stream.
    pub fn reader(
        &self,
    ) -> Result<Writer<impl FnMut(&str) -> io::Result<Steady> + use<>, Steady>, ModelFilesError> {
        let base = self.base.clone();
        let open = move |name: &str| {
            let file = open_beneath(&base, name);
            file.and_then(|file| Steady::new(file, &base.join(name))).map_err(io::Error::other)
        };
        let members = self.members.iter().map(|(name, size)| (name.clone(), *size)).collect();
        Writer::new(&self.model, members, open)
            .map_err(|source| ModelFilesError::Archive { path: self.path.clone(), source })
    }

    /// Where its files are.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.members.keys().map(|name| self.base.join(name))
    }

    /// Number of its files.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// The external data that the model names.
    fn external(&self) -> Result<Vec<External>, ModelFilesError> {
        let path = self.base.join(&self.model);
        // Who names a file means what it leads to.
        let file = open_regular(&path)?;
        scan(file).map_err(|error| match error {
            ScanError::Io(error) => FsError::io("read", &path)(error).into(),
            ScanError::Model(source) => ModelFilesError::Model { path, source },
        })
    }

    /// The name in the archive of the file that holds `external`.
    fn member(&self, external: &External) -> Result<String, ModelFilesError> {
        let directory = &self.model[..self.model.rfind('/').map_or(0, |slash| slash + 1)];
        match check_name(&external.location) {
            Ok(()) => Ok(format!("{directory}{}", external.location)),
            Err(fault) => Err(self.refusal(external, format!("but no archive holds that: {fault}"))),
        }
    }

    fn refusal(&self, external: &External, why: impl Into<String>) -> ModelFilesError {
        let External { tensor, location, .. } = external;
        let shown = location.chars().take(120).flat_map(char::escape_debug).collect();
        let path = self.base.join(&self.model);
        ModelFilesError::External { path, tensor: tensor.clone(), location: shown, why: why.into() }
    }

    /// Checks that `external` is there.
    fn require(&self, external: &External) -> Result<(), ModelFilesError> {
        match self.members.get(&self.member(external)?) {
            None => Err(self.refusal(external, "which is not there")),
            Some(size) if *size < external.end => {
                let why = format!("which has {size} bytes, but the tensor ends at {}", external.end);
                Err(self.refusal(external, why))
            }
            Some(_) => Ok(()),
        }
    }

    /// Adds the file that holds `external`.
    fn add(&mut self, external: &External) -> Result<(), ModelFilesError> {
        let name = self.member(external)?;
        if !self.members.contains_key(&name) {
            // No part of the path may lead elsewhere.
            let mut path = self.base.clone();
            for part in name.split('/') {
                path.push(part);
                let metadata = match path.symlink_metadata() {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(self.refusal(external, "which is not there"));
                    }
                    Err(error) => return Err(FsError::io("read", path)(error).into()),
                };
                if metadata.is_symlink() {
                    return Err(ModelFilesError::Kind { path, kind: LINK });
                }
                if metadata.is_file() {
                    self.members.insert(name.clone(), metadata.len());
                }
            }
        }
        self.require(external)
    }
}

/// The files below `directory`, in `members` under names that begin with `prefix`.
/// What begins with a dot is left out: no part of a model does.
fn walk(directory: &Path, prefix: &str, members: &mut BTreeMap<String, u64>) -> Result<(), ModelFilesError> {
    let read = FsError::io("read directory", directory);
    let entries: Vec<DirEntry> = std::fs::read_dir(directory).and_then(Iterator::collect).map_err(read)?;
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return Err(ModelFilesError::Name { path }) };
        if name.starts_with('.') {
            continue;
        }
        let metadata = entry.metadata().map_err(FsError::io("read", &path))?;
        let name = format!("{prefix}{name}");
        if metadata.is_dir() {
            walk(&path, &format!("{name}/"), members)?;
        } else if metadata.is_file() {
            members.insert(name, metadata.len());
        } else {
            let kind = if metadata.is_symlink() { LINK } else { "a device, a pipe or a socket" };
            return Err(ModelFilesError::Kind { path, kind });
        }
    }
    Ok(())
}

/// The rule: the one that was named; else the only one; else `model.onnx`.
fn choose(
    path: &Path,
    members: &BTreeMap<String, u64>,
    named: Option<&str>,
) -> Result<String, ModelFilesError> {
    let is_onnx =
        |name: &&String| Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx"));
    let path = path.to_owned();
    if let Some(name) = named {
        let found = members.keys().find(|member| *member == name).cloned();
        return found.ok_or_else(|| ModelFilesError::NotThere { path, name: name.to_owned() });
    }
    let found: Vec<String> = members.keys().filter(is_onnx).cloned().collect();
    match found.as_slice() {
        [] => Err(ModelFilesError::NoModel { path }),
        [only] => Ok(only.clone()),
        _ if found.iter().any(|name| name == DEFAULT_MODEL) => Ok(DEFAULT_MODEL.to_owned()),
        _ => Err(ModelFilesError::SeveralModels { path, found }),
    }
}

/// Decrypts the archive in `unlocked` into `directory`, which gets its name only
/// when all of it is authentic and as its manifest says.
pub fn restore<S: Input>(
    unlocked: Unlocked<S>,
    directory: AtomicDirectory,
    progress: &dyn Progress,
) -> Result<(u64, Manifest), ContainerError> {
    let (bytes, manifest, restored) = unlocked.extract(Restore { directory, file: None }, progress)?;
    restored.directory.commit()?;
    Ok((bytes, manifest))
}

/// Writes members to files.
struct Restore {
    directory: AtomicDirectory,
    file: Option<(File, String)>,
}

impl Restore {
    fn with_file(&mut self, work: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let Some((file, name)) = &mut self.file else { return Ok(()) };
        work(file).map_err(|source| io::Error::other(ContainerError::Write { name: name.clone(), source }))
    }
}

impl Receive for Restore {
    fn begin(&mut self, name: &str, _: u64, _: u64) -> io::Result<()> {
        let file =
            self.directory.file(name).map_err(|error| io::Error::other(ContainerError::from(error)))?;
        self.file = Some((file, self.directory.path().join(name).to_string_lossy().into_owned()));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with_file(|file| file.write_all(bytes))
    }

    fn end(&mut self) -> io::Result<()> {
        self.with_file(|file| file.sync_all())?;
        self.file = None;
        Ok(())
    }
}
