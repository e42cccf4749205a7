//! Models in and out: a file or a standard stream.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{Outcome, Stop};
use crate::container::{ContainerError, Named, Sealed};
use crate::error::Kind;
use crate::fs::{self, Access, AtomicFile, Existing, FsError};
use crate::output::{self, Failure};
use crate::progress::Progress;

/// What Linux lets every user have.
const PIPE: usize = 1 << 20;
/// What messages call it.
const STDOUT: &str = "standard output";

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
    /// The payload of a detached header; - is standard input
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

    /// The one that an option names.
    pub(super) fn file(&self) -> Option<&Path> {
        self.payload.as_deref()
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

/// The refusal of one payload for many headers.
pub(super) fn one_header(verb: &str) -> Failure {
    Failure::new(Kind::Usage, "a payload belongs to one header")
        .hint(format!("name one header to be {verb}, and no directory"))
}

/// The refusal to change what cannot be changed.
pub(super) fn no_stream(verb: &str) -> Failure {
    Failure::new(Kind::Usage, format!("a stream cannot be {verb}")).hint("name a file")
}

/// Where an answer of bytes goes: a file that appears when it is whole, or stdout.
pub(super) enum Destination {
    File(AtomicFile),
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
                let stdout = output::stdout().map_err(Stop::Output)?;
                widen(&stdout);
                return Ok(Self::Stdout(stdout));
            }
        };
        let existing = if force { Existing::Replace } else { Existing::Refuse };
        Ok(Self::File(create(path, existing)?))
    }

    /// For a payload that is to stand alone. Nothing may be there, whatever is forced: a
    /// header may need it.
    pub(super) fn open_payload(path: &Path) -> Outcome<Self> {
        require_free(path)?;
        Self::open_sealed(Some(path), false)
    }

    /// Fails where both go to the same place.
    pub(super) fn require_apart(&self, other: &Self) -> Outcome {
        let same = match (self, other) {
            (Self::File(one), Self::File(other)) => one.is_same_place(other)?,
            (Self::Stdout(_), Self::Stdout(_)) => true,
            _ => false,
        };
        if !same {
            return Ok(());
        }
        Err(Failure::new(Kind::Usage, "the header and its payload cannot go to the same place")
            .hint("name another file with -o or with --detached")
            .into())
    }

    /// Fails where it is standard output, and that is the file `input`: it would grow for
    /// as long as it is read.
    pub(super) fn require_other(&self, input: &Path) -> Outcome {
        let place = |metadata: std::fs::Metadata| {
            Some((metadata.dev(), metadata.ino())).filter(|_| metadata.is_file())
        };
        let Self::Stdout(stdout) = self else { return Ok(()) };
        let written = stdout.metadata().ok().and_then(place);
        if written.is_none() || input.metadata().ok().and_then(place) != written {
            return Ok(());
        }
        let said = format!("standard output is '{}', which is read", input.display());
        Err(Failure::new(Kind::Usage, said).hint("write to another file").into())
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
            Self::File(file) => write(named(file))?,
            Self::Stdout(stdout) => write(Named::new(STDOUT, stdout)).map_err(broken_pipe)?,
        };
        if let Self::File(file) = self {
            finish(Named::new(file.path().to_string_lossy(), file.file()), &answer)?;
            let _lock = lock(&file, progress);
            file.commit()?;
        }
        Ok(answer)
    }
}

/// The file as what is written to.
fn named(file: &mut AtomicFile) -> Named<&mut (dyn Write + Send)> {
    Named::new(file.path().to_string_lossy().into_owned(), file)
}

/// Waits until nobody changes, header by header or as a whole, what `file` is to
/// replace: what they do must not undo this.
fn lock(file: &AtomicFile, progress: &dyn Progress) -> Option<File> {
    match file.existing() {
        Existing::Refuse => None,
        // What is not there, a link, and what may not be read cannot be locked.
        Existing::Replace => fs::lock(file.path(), Access::Replace, progress).ok(),
    }
}

/// Fails where there is something at `payload`. `--force` would not help, and could lose
/// what belongs to a header.
pub(super) fn require_free(payload: &Path) -> Outcome {
    if payload.symlink_metadata().is_err() {
        return Ok(());
    }
    let failure = Failure::new(Kind::Failed, format!("'{}' exists already", payload.display()));
    Err(failure
        .hint("choose another path: a header may need it. What an interrupted run left there belongs to none")
        .into())
}

/// Begins an encrypted file. One that it replaces hands on its mode and its owner, also
/// where a link leads to it.
fn create_sealed(path: &Path, existing: Existing) -> Result<AtomicFile, FsError> {
    let file = AtomicFile::create(path, fs::PUBLIC, existing)?;
    if let Ok(old) = path.metadata() {
        file.take_after(&old)?;
    }
    Ok(file)
}

/// As [`Destination::fill`], of a header and its payload. The payload gets its name
/// first: a header is never there without it.
pub(super) fn fill_both<T>(
    header: Destination,
    payload: Destination,
    progress: &dyn Progress,
    write: impl FnOnce(
        Named<&mut (dyn Write + Send)>,
        Named<&mut (dyn Write + Send)>,
    ) -> Result<T, ContainerError>,
) -> Outcome<T> {
    match (header, payload) {
        (Destination::File(mut header), Destination::File(mut payload)) => {
            let answer = write(named(&mut header), named(&mut payload))?;
            let _lock = lock(&header, progress);
            payload.commit_before(header)?;
            Ok(answer)
        }
        // Who closes the pipe too early has only one half: that is a failure.
        (header, Destination::Stdout(mut stdout)) => {
            header.fill(progress, |header| write(header, Named::new(STDOUT, &mut stdout)))
        }
        (Destination::Stdout(mut stdout), payload) => {
            payload.fill(progress, |payload| write(Named::new(STDOUT, &mut stdout), payload))
        }
    }
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
