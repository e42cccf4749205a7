//! An archive that arrives in pieces. What it holds goes to a [`Receive`] while it
//! comes; only [`Reader::finish`] says that all of it was right.

use std::io::{self, Write};

use super::ArchiveFault;
use super::block::{BLOCK, END, Entry, header_len, padding};
use super::manifest::{MAX_MANIFEST, Manifest};
use super::name::{MANIFEST, Names, shown};
use crate::crypto::digest::{Digest, Sha256};

/// Takes the members of an archive, one after the other.
pub trait Receive {
    /// Begins a member, whose content is `at` in the archive; its name has been checked.
    fn begin(&mut self, name: &str, size: u64, at: u64) -> io::Result<()>;
    /// More bytes of the member that was begun last.
    fn data(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The end of that member.
    fn end(&mut self) -> io::Result<()>;
}

/// Takes members and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Receive for Nowhere {
    fn begin(&mut self, _: &str, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn data(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an archive that is written to it.
pub struct Reader<V> {
    receiver: V,
    state: State,
    names: Names,
    found: Vec<(String, u64, Option<Digest>)>,
    manifest: Option<Manifest>,
    /// Bytes that were read, and that may come at most.
    at: u64,
    limit: u64,
    digests: bool,
    fault: Option<ArchiveFault>,
}

/// What the next bytes are.
enum State {
    /// A header, or the end; so much of it is here.
    Header(Vec<u8>),
    /// A member's content: bytes that are missing.
    Data { left: u64, hash: Option<Sha256> },
    /// The manifest: what is here, and how long it is.
    Manifest { json: Vec<u8>, size: usize },
    /// Zeros up to the next block.
    Padding(usize),
    /// The zeros at the end, as many as are missing.
    End(usize),
}

enum Stop {
    Fault(ArchiveFault),
    Receiver(io::Error),
}

impl From<ArchiveFault> for Stop {
    fn from(fault: ArchiveFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Receiver(error)
    }
}

impl<V: Receive> Reader<V> {
    /// Reads an archive of at most `limit` bytes into `receiver`. Without
    /// `digests`, those of the manifest are not compared: the payload's tags have
    /// authenticated every byte, and whoever made the file wrote both.
    pub fn new(receiver: V, limit: u64, digests: bool) -> Self {
        Self {
            receiver,
            state: State::Header(Vec::new()),
            names: Names::default(),
            found: Vec::new(),
            manifest: None,
            at: 0,
            limit,
            digests,
            fault: None,
        }
    }

    /// What was wrong, where writing to this has failed for that.
    pub fn fault(&mut self) -> Option<ArchiveFault> {
        self.fault.take()
    }

    /// Ends the archive. Before this succeeds, nothing that was received is whole.
    pub fn finish(self) -> Result<(Manifest, V), ArchiveFault> {
        match (self.fault, self.state, self.manifest) {
            (Some(fault), ..) => Err(fault),
            (None, State::End(0), Some(manifest)) => Ok((manifest, self.receiver)),
            _ => Err(ArchiveFault::Truncated),
        }
    }

    /// Takes some of `bytes`, or moves on to what comes next, and returns how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match &mut self.state {
            State::Header(header) => {
                let length = header.first_chunk().map_or(BLOCK, header_len);
                let taken = bytes.len().min(length - header.len());
                header.extend_from_slice(&bytes[..taken]);
                if header.len() == header.first_chunk().map_or(BLOCK, header_len) {
                    let header = std::mem::take(header);
                    self.header(&header, taken)?;
                }
                Ok(taken)
            }
            State::Data { left, hash } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                if let Some(hash) = hash {
                    hash.update(&bytes[..taken]);
                }
                self.receiver.data(&bytes[..taken])?;
                *left -= taken as u64;
                if *left == 0 {
                    self.end_member()?;
                }
                Ok(taken)
            }
            State::Manifest { json, size } => {
                let taken = bytes.len().min(*size - json.len());
                json.extend_from_slice(&bytes[..taken]);
                if json.len() == *size {
                    let manifest = Manifest::parse(json)?;
                    manifest.check(&self.found)?;
                    self.state = State::Padding(padding(*size as u64));
                    self.manifest = Some(manifest);
                }
                Ok(taken)
            }
            State::Padding(0) => {
                let ended = self.manifest.is_some();
                self.state = if ended { State::End(END) } else { State::Header(Vec::new()) };
                Ok(0)
            }
            State::Padding(left) | State::End(left) if *left > 0 => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if bytes[..taken].iter().any(|byte| *byte != 0) {
                    let name = self.found.last().map(|(name, ..)| name.clone()).unwrap_or_default();
                    let ended = matches!(self.state, State::End(_));
                    let fault = if ended { ArchiveFault::Trailing } else { ArchiveFault::Padding { name } };
                    return Err(fault.into());
                }
                Ok(taken)
            }
            State::Padding(_) | State::End(_) => Err(ArchiveFault::Trailing.into()),
        }
    }

    /// Begins what `header` says; `taken` bytes of it are not counted yet.
    fn header(&mut self, header: &[u8], taken: usize) -> Result<(), Stop> {
        let end = self.at + taken as u64;
        if header.iter().all(|byte| *byte == 0) {
            return Err(ArchiveFault::NoManifest.into());
        }
        let entry = Entry::parse(header, end - header.len() as u64)?;
        if entry.size > self.limit.saturating_sub(end) {
            return Err(ArchiveFault::TooLarge { name: shown(&entry.name) }.into());
        }
        if entry.name == MANIFEST {
            let most = usize::try_from(entry.size.min(MAX_MANIFEST + 1)).unwrap_or(usize::MAX);
            if entry.size == 0 || entry.size > MAX_MANIFEST {
                return Err(ArchiveFault::Manifest("its length is impossible".into()).into());
            }
            self.state = State::Manifest { json: Vec::with_capacity(most), size: most };
            return Ok(());
        }
        self.names.add(&entry.name)?;
        self.receiver.begin(&entry.name, entry.size, end)?;
        self.found.push((entry.name, entry.size, None));
        self.state = State::Data { left: entry.size, hash: self.digests.then(Sha256::new) };
        if entry.size == 0 {
            self.end_member()?;
        }
        Ok(())
    }

    fn end_member(&mut self) -> Result<(), Stop> {
        self.receiver.end()?;
        let Some((_, size, digest)) = self.found.last_mut() else { return Ok(()) };
        let done = std::mem::replace(&mut self.state, State::Padding(padding(*size)));
        if let State::Data { hash: Some(hash), .. } = done {
            *digest = Some(hash.finish());
        }
        Ok(())
    }
}

impl<V: Receive> Write for Reader<V> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.take(rest) {
                Ok(taken) => {
                    self.at += taken as u64;
                    rest = &rest[taken..];
                }
                Err(Stop::Receiver(error)) => return Err(error),
                Err(Stop::Fault(fault)) => {
                    self.fault = Some(fault.clone());
                    return Err(io::Error::other(fault));
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
