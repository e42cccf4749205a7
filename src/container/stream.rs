//! What this module reads from and writes to.

use std::fs::File;
use std::io::{self, Cursor, IoSliceMut, Read, Write};
use std::os::unix::fs::FileExt;

use super::archive::Writer;
use super::error::ContainerError;
use crate::crypto::digest::Sha256;
use crate::fs::Steady;

/// A stream, and what messages call it: a path, or "standard input".
#[derive(Debug)]
pub struct Named<S> {
    /// What messages call it.
    pub name: String,
    /// The stream itself.
    pub stream: S,
}

impl<S> Named<S> {
    /// Gives `stream` a name.
    pub fn new(name: impl Into<String>, stream: S) -> Self {
        Self { name: name.into(), stream }
    }

    pub(super) fn read_error(&self, source: io::Error) -> ContainerError {
        ContainerError::Read { name: self.name.clone(), source }
    }

    pub(super) fn write_error(&self, source: io::Error) -> ContainerError {
        ContainerError::Write { name: self.name.clone(), source }
    }
}

/// What is read from where it stands to its end.
pub trait Input: Read + Send {
    /// The regular file whose rest that is: it can be read in several places at once.
    /// Its end is to be read from this all the same: some tell then that it was changed
    /// meanwhile.
    fn regular(&self) -> Option<&File> {
        None
    }
}

impl Input for File {
    fn regular(&self) -> Option<&File> {
        self.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(self)
    }
}

impl Input for Steady {
    fn regular(&self) -> Option<&File> {
        self.file().regular()
    }
}

impl<I: Input + ?Sized> Input for &mut I {
    fn regular(&self) -> Option<&File> {
        (**self).regular()
    }
}

impl<I: Input + ?Sized> Input for Box<I> {
    fn regular(&self) -> Option<&File> {
        (**self).regular()
    }
}

impl Input for &[u8] {}

impl<F: FnMut(&str) -> io::Result<R> + Send, R: Read + Send> Input for Writer<F, R> {}

impl<T: AsRef<[u8]> + Send> Input for Cursor<T> {}

/// A stream, and a hash that hears all that is read from it or written to it.
pub(super) struct Hashed<'a, R> {
    stream: R,
    hash: Option<&'a mut Sha256>,
}

impl<'a, R> Hashed<'a, R> {
    pub(super) fn new(stream: R, hash: Option<&'a mut Sha256>) -> Self {
        Self { stream, hash }
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buffer)])
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let read = self.stream.read_vectored(buffers)?;
        if let Some(hash) = &mut self.hash {
            let mut left = read;
            for buffer in buffers {
                let filled = left.min(buffer.len());
                hash.update(&buffer[..filled]);
                left -= filled;
            }
        }
        Ok(read)
    }
}

impl<I: Input> Input for Hashed<'_, I> {
    fn regular(&self) -> Option<&File> {
        // A hash hears of one byte after the other.
        if self.hash.is_some() { None } else { self.stream.regular() }
    }
}

impl<W: Write> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Bytes that can be read at any offset, by several threads at once.
pub trait ReadAt: Sync {
    /// Fills `buffer` with the bytes at `offset`, counted from the beginning.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl<T: AsRef<[u8]> + Sync> ReadAt for Cursor<T> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.get_ref().as_ref().get(start..).unwrap_or_default().read_exact(buffer)
    }
}

/// Reads until `buffer` is full or the input ends; returns the bytes read.
pub(super) fn read_up_to(input: &mut impl Read, mut buffer: &mut [u8]) -> io::Result<usize> {
    let length = buffer.len();
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(read) => buffer = &mut buffer[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length - buffer.len())
}
