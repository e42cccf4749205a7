//! Models in and out: a file or a standard stream.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{Outcome, Stop};
use crate::container::{ContainerError, Named, Sealed};
use crate::error::Kind;
use crate::fs::{self, Access, AtomicFile, Existing, FsError};
use crate::output::Failure;
use crate::progress::Progress;

/// What Linux lets every user have.
const PIPE: usize = 1 << 20;

/// Whether `path` stands for a standard stream.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a model, or standard input for `-`; also its size, where it is known.
pub(super) fn open(path: &Path) -> Outcome<(Named<File>, Option<u64>)> {
    if is_dash(path) {
        return Ok((stdin()?, None));
    }
    let file = File::open(path).map_err(FsError::io("read", path))?;
    let metadata = file.metadata().map_err(FsError::io("read", path))?;
    if metadata.is_dir() {
        return Err(FsError::NotRegular { path: path.to_owned() }.into());
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Named::new(path.to_string_lossy(), file), size))
}

/// Opens a sealed model, or one on standard input for `-`.
pub(super) fn sealed(path: &Path) -> Result<Sealed<File>, ContainerError> {
    if is_dash(path) { Sealed::read(stdin()?) } else { Sealed::open(path) }
}

/// Standard input; not the standard library's, which keeps a small buffer between.
fn stdin() -> Result<Named<File>, FsError> {
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(FsError::io("read", "standard input"))?;
    widen(&stdin);
    Ok(Named::new("standard input", stdin.into()))
}

/// Gives a pipe room for more than the 64 KiB that it has, so that its two ends wait
/// for each other less often. What is no pipe, or may have no more, stays as it is.
fn widen(stream: impl AsFd) {
    if rustix::pipe::fcntl_getpipe_size(&stream).is_ok_and(|size| size < PIPE) {
        let _ = rustix::pipe::fcntl_setpipe_size(&stream, PIPE);
    }
}

/// The payload of a header that stands alone.
#[derive(Debug, Args)]
pub(super) struct Payload {
    /// The payload, where the encrypted file is a header that stands alone; - is standard input
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

impl Payload {
    /// Opens the encrypted file `input`, or standard input, and its payload.
    pub(super) fn open(&self, input: &Path) -> Result<Sealed<File>, ContainerError> {
        let sealed = sealed(input)?;
        match &self.payload {
            None => Ok(sealed),
            Some(payload) if is_dash(payload) => sealed.attach(stdin()?, None),
            Some(payload) => sealed.attach_file(payload),
        }
    }

    /// Whether an option names one.
    pub(super) fn is_named(&self) -> bool {
        self.payload.is_some()
    }

    /// Whether what is decrypted comes from standard input.
    pub(super) fn is_streamed(&self, input: &Path) -> bool {
        is_dash(self.payload.as_deref().unwrap_or(input))
    }

    /// Readers of standard input among the payload and the encrypted file `input`.
    pub(super) fn stdin_readers(&self, input: &Path) -> usize {
        usize::from(is_dash(input)) + usize::from(self.payload.as_deref().is_some_and(is_dash))
    }
}

/// The refusal to change what cannot be changed.
pub(super) fn no_stream(verb: &str) -> Failure {
    Failure::new(Kind::Usage, format!("a stream cannot be {verb}")).hint("name a file")
}

/// Where an answer of bytes goes: a file that appears when it is whole, or stdout.
pub(super) enum Destination {
    File(AtomicFile, PathBuf),
    /// Not the standard library's, which looks for line ends in what it is given.
    Stdout(File),
}

impl Destination {
    /// For a model in the clear. `path` is what the option says; without it, stdout
    /// unless that is a terminal.
    pub(super) fn open(path: Option<&Path>, force: bool) -> Outcome<Self> {
        Self::open_with(path, force, |path, existing| AtomicFile::create(path, fs::SECRET, existing))
    }

    /// The same for an encrypted one.
    pub(super) fn open_sealed(path: Option<&Path>, force: bool) -> Outcome<Self> {
        Self::open_with(path, force, create_sealed)
    }

    fn open_with(
        path: Option<&Path>,
        force: bool,
        create: impl FnOnce(&Path, Existing) -> Result<AtomicFile, FsError>,
    ) -> Outcome<Self> {
        let path = match path {
            Some(path) if !is_dash(path) => path,
            None if io::stdout().is_terminal() => {
                return Err(Failure::new(
                    Kind::Usage,
                    "binary output is not written to a terminal unless asked",
                )
                .hint("pass -o FILE, or -o - to have it on the terminal all the same")
                .into());
            }
            _ => {
                let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(Stop::Output)?;
                widen(&stdout);
                return Ok(Self::Stdout(stdout.into()));
            }
        };
        let existing = if force { Existing::Replace } else { Existing::Refuse };
        Ok(Self::File(create(path, existing)?, path.to_owned()))
    }

    /// Writes through `write` and, if that succeeds, gives the file its name.
    pub(super) fn fill<T>(
        self,
        progress: &dyn Progress,
        write: impl FnOnce(Named<&mut (dyn Write + Send)>) -> Result<T, ContainerError>,
    ) -> Outcome<T> {
        self.fill_then(progress, write, |_, _| Ok(()))
    }

    /// Like [`fill`](Self::fill); before it gets its name, `finish` may change the
    /// file. There is none behind a standard stream.
    pub(super) fn fill_then<T>(
        mut self,
        progress: &dyn Progress,
        write: impl FnOnce(Named<&mut (dyn Write + Send)>) -> Result<T, ContainerError>,
        finish: impl FnOnce(Named<&File>, &T) -> Result<(), ContainerError>,
    ) -> Outcome<T> {
        let answer = match &mut self {
            Self::File(file, path) => write(Named::new(path.to_string_lossy(), file))?,
            Self::Stdout(stdout) => write(Named::new("standard output", stdout)).map_err(broken_pipe)?,
        };
        if let Self::File(file, path) = self {
            finish(Named::new(path.to_string_lossy(), file.file()), &answer)?;
            place(file, &path, progress)?;
        }
        Ok(answer)
    }
}

/// Gives the file its name. Whoever changes the old file of that name, header by
/// header or as a whole, ends first: what they do must not undo this.
fn place(file: AtomicFile, path: &Path, progress: &dyn Progress) -> Result<(), FsError> {
    let _turn = match file.existing() {
        Existing::Refuse => None,
        // What is not there, a link, and what may not be read have nobody's turn.
        Existing::Replace => fs::turn(path, Access::Replace, progress).ok(),
    };
    file.commit()
}

/// Begins an encrypted file. One that it replaces hands on its mode and its owner.
fn create_sealed(path: &Path, existing: Existing) -> Result<AtomicFile, FsError> {
    let file = AtomicFile::create(path, fs::PUBLIC, existing)?;
    if let Some(old) = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file) {
        file.take_after(&old)?;
    }
    Ok(file)
}

/// As [`Destination::fill`], of a header and its payload. The payload gets its name
/// first, or is written to standard output: a header is never there without it.
pub(super) fn fill_both<T>(
    header: Destination,
    payload: Destination,
    progress: &dyn Progress,
    write: impl FnOnce(
        Named<&mut (dyn Write + Send)>,
        Named<&mut (dyn Write + Send)>,
    ) -> Result<T, ContainerError>,
) -> Outcome<T> {
    let mut placed = None;
    let answer = header.fill(progress, |header| match payload {
        Destination::Stdout(mut stdout) => write(header, Named::new("standard output", &mut stdout)),
        Destination::File(mut file, path) => {
            let answer = write(header, Named::new(path.to_string_lossy(), &mut file))?;
            let existed = path.symlink_metadata().is_ok();
            place(file, &path, progress)?;
            placed = Some(path).filter(|_| !existed);
            Ok(answer)
        }
    });
    if let Some(path) = placed.filter(|_| answer.is_err()) {
        let _ = std::fs::remove_file(path);
    }
    answer
}

/// Who closes the pipe has read enough.
fn broken_pipe(error: ContainerError) -> Stop {
    match error {
        ContainerError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            Stop::Output(source)
        }
        other => other.into(),
    }
}
