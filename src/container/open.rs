//! Opening a sealed file: its header is parsed, and nothing is known of its truth yet. What
//! a key opened is [`Unlocked`](super::Unlocked).

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use super::error::{ContainerError, Fault};
use super::header::Header;
use super::stream::{Named, read_up_to};
use crate::fs::FsError;

/// How often a header that looks torn is read again.
const REREADS: usize = 5;

/// A sealed file whose header has been parsed, with a stream that stands at its
/// payload.
#[derive(Debug)]
pub struct Sealed<S> {
    pub(super) header: Header,
    /// What messages call the file of the header.
    pub(super) name: String,
    pub(super) input: Named<S>,
    /// Bytes of the payload, where they are known beforehand.
    pub(super) payload: Option<u64>,
    /// Whether the stream is one of the payload, not of a header without one.
    pub(super) attached: bool,
}

impl Sealed<File> {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        Self::open_by(path, |path| File::open(path).map_err(FsError::io("open", path)))
    }

    /// The same for what was found and not named: a pipe is not waited for.
    pub fn open_regular(path: &Path) -> Result<Self, ContainerError> {
        Self::open_by(path, crate::fs::open_regular)
    }

    fn open_by(path: &Path, open: fn(&Path) -> Result<File, FsError>) -> Result<Self, ContainerError> {
        let open_once = || Self::of(path, open(path)?);
        let mut opened = open_once();
        // A slot that looks torn may be one that is being written, which takes
        // microseconds; what is damaged stays so.
        for _ in 0..REREADS {
            let torn = match &opened {
                Ok(sealed) => {
                    (sealed.payload.is_some() || !sealed.attached) && sealed.header.damaged_slot().is_some()
                }
                Err(ContainerError::Fault { fault, .. }) => *fault == Fault::BothSlotsDamaged,
                Err(_) => false,
            };
            if !torn {
                break;
            }
            opened = open_once();
        }
        opened
    }

    /// Reads the header of `file`, which stands at its beginning.
    pub fn of(path: &Path, file: File) -> Result<Self, ContainerError> {
        let length = length_of(path, &file)?;
        Self::with_length(Named::new(path.to_string_lossy(), file), length)
    }

    /// Opens the header at `path` and its payload at `payload`.
    pub fn open_detached(path: &Path, payload: &Path) -> Result<Self, ContainerError> {
        Self::open(path)?.attach_file(payload)
    }

    /// Joins a header that stands alone with its payload at `payload`.
    pub fn attach_file(self, payload: &Path) -> Result<Self, ContainerError> {
        let file = File::open(payload).map_err(FsError::io("open", payload))?;
        let length = length_of(payload, &file)?;
        self.attach(Named::new(payload.to_string_lossy(), file), length)
    }
}

/// The length of `file`, where it is a regular one.
fn length_of(path: &Path, file: &File) -> Result<Option<u64>, FsError> {
    let metadata = file.metadata().map_err(FsError::io("read", path))?;
    if metadata.is_dir() {
        return Err(FsError::NotRegular { path: path.to_owned() });
    }
    Ok(metadata.is_file().then_some(metadata.len()))
}

impl<T: AsRef<[u8]>> Sealed<Cursor<T>> {
    /// Opens a file that is in memory already; messages call it `name`.
    pub fn from_bytes(name: &str, bytes: T) -> Result<Self, ContainerError> {
        let length = bytes.as_ref().len() as u64;
        Self::with_length(Named::new(name, Cursor::new(bytes)), Some(length))
    }
}

impl<S: Read> Sealed<S> {
    /// Reads the header of a stream.
    pub fn read(input: Named<S>) -> Result<Self, ContainerError> {
        Self::with_length(input, None)
    }

    fn with_length(mut input: Named<S>, length: Option<u64>) -> Result<Self, ContainerError> {
        let (header, name) = (Header::read(&mut input)?, input.name.clone());
        if header.is_detached() {
            require_end(&mut input)?;
            return Ok(Self { header, name, input, payload: None, attached: false });
        }
        let payload = length.map(|length| length.saturating_sub(header.payload_offset()));
        Ok(Self { header, name, input, payload, attached: true })
    }

    /// Joins a header that stands alone with its payload, of `length` bytes where
    /// that is known.
    pub fn attach<P: Read>(
        self,
        payload: Named<P>,
        length: Option<u64>,
    ) -> Result<Sealed<P>, ContainerError> {
        if !self.header.is_detached() {
            return Err(ContainerError::NotDetached { name: self.name });
        }
        let Self { header, name, .. } = self;
        Ok(Sealed { header, name, input: payload, payload: length, attached: true })
    }

    /// What the file tells without a key.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

/// Checks that nothing follows a header that stands alone.
fn require_end(input: &mut Named<impl Read>) -> Result<(), ContainerError> {
    match read_up_to(&mut input.stream, &mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Fault::of(&input.name)(Fault::HeaderTrailing)),
        Err(error) => Err(input.read_error(error)),
    }
}
