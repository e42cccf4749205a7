//! Opening a sealed file, in two steps: [`Sealed`] has been parsed, [`Unlocked`]
//! has been authenticated up to its payload.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use super::batch;
use super::error::{ContainerError, Fault};
use super::header::{Header, Opening};
use super::id::KeyId;
use super::kek::KeySource;
use super::metadata::Metadata;
use super::recipient::RecipientKind;
use super::stream::{Named, ReadAt, read_up_to};
use super::{memory, pipeline};
use crate::crypto::cobblestone::{self, Cipher, PREFIX, SEALED_CHUNK};
use crate::crypto::digest::Sha256;
use crate::fs::FsError;
use crate::progress::Progress;
use crate::secret::{Secret, SecretBytes};

/// How often a header that looks torn is read again.
const REREADS: usize = 5;

/// A sealed file whose header has been parsed, with a stream that stands at its
/// payload.
#[derive(Debug)]
pub struct Sealed<S> {
    header: Header,
    input: Named<S>,
    /// Bytes of the payload, where they are known beforehand.
    payload: Option<u64>,
}

impl Sealed<File> {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        let mut opened = Self::open_once(path);
        // A slot that looks torn may be one that is being written, which takes
        // microseconds; what is damaged stays so.
        for _ in 0..REREADS {
            let torn = match &opened {
                Ok(sealed) => sealed.payload.is_some() && sealed.header.damaged_slot().is_some(),
                Err(ContainerError::Fault { fault, .. }) => *fault == Fault::BothSlotsDamaged,
                Err(_) => false,
            };
            if !torn {
                break;
            }
            opened = Self::open_once(path);
        }
        opened
    }

    fn open_once(path: &Path) -> Result<Self, ContainerError> {
        Self::of(path, File::open(path).map_err(FsError::io("open", path))?)
    }

    /// Reads the header of `file`, which stands at its beginning.
    pub fn of(path: &Path, file: File) -> Result<Self, ContainerError> {
        let metadata = file.metadata().map_err(FsError::io("read", path))?;
        if metadata.is_dir() {
            return Err(FsError::NotRegular { path: path.to_owned() }.into());
        }
        let length = metadata.is_file().then_some(metadata.len());
        Self::with_length(Named::new(path.to_string_lossy(), file), length)
    }
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
        let header = Header::read(&mut input)?;
        let payload = length.map(|length| length.saturating_sub(header.payload_offset()));
        Ok(Self { header, input, payload })
    }

    /// What the file tells without a key.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Unlocks it with the first of its recipients whose key `keys` has.
    pub fn unlock(self, keys: &(impl KeySource + ?Sized)) -> Result<Unlocked<S>, ContainerError> {
        let opening = self.header.unlock(&self.input.name, keys)?;
        Ok(Unlocked { sealed: self, opening })
    }
}

/// A sealed file whose header and metadata are authentic, and whose payload can
/// be decrypted.
#[derive(Debug)]
pub struct Unlocked<S> {
    sealed: Sealed<S>,
    opening: Opening,
}

impl<S> Unlocked<S> {
    /// The header, authentic now.
    pub fn header(&self) -> &Header {
        &self.sealed.header
    }

    /// What the file says about the model.
    pub fn metadata(&self) -> &Metadata {
        &self.opening.metadata
    }

    /// How it was opened.
    pub fn kind(&self) -> RecipientKind {
        self.opening.kind
    }

    /// Which key opened it.
    pub fn key_id(&self) -> KeyId {
        self.opening.key_id
    }

    /// What was opened, for a rewrite.
    pub(super) fn input(&self) -> &Named<S> {
        &self.sealed.input
    }

    pub(super) fn input_mut(&mut self) -> &mut Named<S> {
        &mut self.sealed.input
    }

    pub(super) fn into_input(self) -> Named<S> {
        self.sealed.input
    }

    pub(super) fn data_key(&self) -> &Secret<32> {
        &self.opening.data_key
    }

    /// The payload's cipher, if the payload begins with `prefix`.
    pub(super) fn cipher(&self, prefix: &[u8; PREFIX]) -> Result<Cipher, Fault> {
        let context = self.sealed.header.preamble().context("payload");
        Cipher::open(&self.opening.data_key, &context, prefix).map_err(|_| Fault::Commitment)
    }

    /// Checks the payload's length, where it is known, before any of it is read.
    /// Returns that of the plaintext.
    pub(super) fn plaintext_len(&self) -> Result<Option<u64>, Fault> {
        let Some(payload) = self.sealed.payload else { return Ok(None) };
        batch::check_end(0, payload.checked_sub(PREFIX as u64).ok_or(Fault::PayloadTruncated)?)?;
        let length = cobblestone::opened_len(payload).ok_or(Fault::PayloadTruncated)?;
        check_size(&self.opening.metadata, length)?;
        Ok(Some(length))
    }
}

impl<S: Read + Send> Unlocked<S> {
    /// Decrypts the payload to `output`, on all cores, in a few MiB of memory, and
    /// returns its length. What `output` gets is authentic and in order, but only
    /// after this succeeds is it whole.
    pub fn decrypt<W: Write + Send>(
        mut self,
        output: Named<W>,
        progress: &dyn Progress,
    ) -> Result<u64, ContainerError> {
        let name = self.sealed.input.name.clone();
        if let Some(total) = self.plaintext_len().map_err(Fault::of(&name))? {
            progress.total(total);
        }
        let input = &mut self.sealed.input;
        let mut prefix = [0; PREFIX];
        let read = read_up_to(&mut input.stream, &mut prefix).map_err(|e| input.read_error(e))?;
        if read < PREFIX {
            return Err(Fault::of(&name)(Fault::PayloadTruncated));
        }
        let cipher = self.cipher(&prefix).map_err(Fault::of(&name))?;

        let totals = pipeline::run(
            self.sealed.input,
            output,
            SEALED_CHUNK,
            |batch| batch.open(&cipher).map_err(Fault::of(&name)),
            progress,
        )?;
        check_size(&self.opening.metadata, totals.written).map_err(Fault::of(&name))?;
        Ok(totals.written)
    }

    /// Decrypts everything to nowhere and checks all that can be checked, also
    /// what opening forgives: a damaged slot. Returns the plaintext's length.
    pub fn verify(self, progress: &dyn Progress) -> Result<u64, ContainerError> {
        let name = self.sealed.input.name.clone();
        let damaged = self.header().damaged_slot();
        let length = match self.opening.metadata.sha256 {
            None => self.decrypt(Named::new("nowhere", io::sink()), progress)?,
            Some(expected) => {
                let mut hash = Hash(Sha256::new());
                let length = self.decrypt(Named::new("nowhere", &mut hash), progress)?;
                if hash.0.finish() != expected {
                    return Err(Fault::of(&name)(Fault::Digest));
                }
                length
            }
        };
        match damaged {
            None => Ok(length),
            Some(slot) => Err(Fault::of(&name)(Fault::SlotDamaged(slot))),
        }
    }
}

impl<S: ReadAt> Unlocked<S> {
    /// Decrypts the payload into memory that is allocated once and wiped when
    /// dropped. Nothing is handed over unless all of it is authentic.
    pub fn read_to_memory(&self, progress: &dyn Progress) -> Result<SecretBytes, ContainerError> {
        let input = &self.sealed.input;
        let length = self
            .plaintext_len()
            .map_err(Fault::of(&input.name))?
            .ok_or_else(|| ContainerError::NotRegular { name: input.name.clone() })?;
        progress.total(length);

        let offset = self.sealed.header.payload_offset();
        let cipher = self.payload_cipher()?;
        memory::load(input, offset + PREFIX as u64, length, &cipher, progress)
    }

    /// The payload's cipher: proves that it was begun under this data key.
    pub(super) fn payload_cipher(&self) -> Result<Cipher, ContainerError> {
        let input = &self.sealed.input;
        let mut prefix = [0; PREFIX];
        let offset = self.sealed.header.payload_offset();
        input.stream.read_exact_at(&mut prefix, offset).map_err(|e| input.read_error(e))?;
        self.cipher(&prefix).map_err(Fault::of(&input.name))
    }
}

fn check_size(metadata: &Metadata, found: u64) -> Result<(), Fault> {
    match metadata.size {
        Some(expected) if expected != found => Err(Fault::Size { expected, found }),
        _ => Ok(()),
    }
}

/// Hashes what is written to it.
struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
