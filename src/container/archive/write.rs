//! Files as one stream: the archive is made while it is read.

use std::io::{self, Read};

use super::ArchiveFault;
use super::block::{END, Entry, entry_len, padding};
use super::manifest::{MAX_MANIFEST, Manifest, Member};
use super::name::{MANIFEST, Names, shown};
use crate::crypto::digest::Sha256;
use crate::fs::FsError;

/// An archive of files, to be read once. The same files give the same bytes.
pub struct Writer<F, R> {
    open: F,
    manifest: Manifest,
    length: u64,
    /// Bytes to hand out before anything else.
    ready: io::Cursor<Vec<u8>>,
    /// The member that is being read.
    current: Option<Current<R>>,
    /// Members that were begun.
    begun: usize,
    ended: bool,
}

struct Current<R> {
    input: R,
    left: u64,
    hash: Sha256,
}

impl<F: FnMut(&str) -> io::Result<R>, R: Read> Writer<F, R> {
    /// An archive of `members`, names and sizes, of which `model` is the ONNX file.
    /// `open` opens each of them when its turn comes.
    pub fn new(model: &str, mut members: Vec<(String, u64)>, open: F) -> Result<Self, ArchiveFault> {
        members.sort_unstable();
        let mut names = Names::default();
        members.iter().try_for_each(|(name, _)| names.add(name))?;
        let list = members.into_iter().map(|(name, size)| Member { name, size, sha256: [0; 32] });
        let manifest = Manifest::new(model, list.collect());
        // Its length is known before the digests are: they all have 64 digits.
        let json = manifest.encode();
        Manifest::parse(&json)?;
        let closing = Entry { name: MANIFEST.to_owned(), size: json.len() as u64 };
        // Quotation marks in names take twice their room there.
        if closing.size > MAX_MANIFEST {
            return Err(ArchiveFault::Manifest("the names of the files are too long for it".into()));
        }
        let entries = manifest.members.iter().map(|m| Entry { name: m.name.clone(), size: m.size });
        let mut length = Some(END as u64);
        for entry in entries.chain([closing]) {
            length = length.zip(entry_len(&entry)).and_then(|(sum, more)| sum.checked_add(more));
        }
        let length = length.ok_or_else(|| ArchiveFault::TooLarge { name: shown(model) })?;
        Ok(Self {
            open,
            manifest,
            length,
            ready: io::Cursor::default(),
            current: None,
            begun: 0,
            ended: false,
        })
    }

    /// Bytes of the whole archive.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next header, padding or end, into `ready`; `false` after the end.
    fn advance(&mut self) -> io::Result<bool> {
        let mut out = Vec::new();
        if let Some(mut done) = self.current.take() {
            let member = &mut self.manifest.members[self.begun - 1];
            if done.left > 0 || done.input.read(&mut [0])? > 0 {
                let path = member.name.clone().into();
                return Err(io::Error::other(FsError::Changed { path }));
            }
            member.sha256 = done.hash.finish();
            out.resize(padding(member.size), 0);
        } else if let Some(member) = self.manifest.members.get(self.begun) {
            out = Entry { name: member.name.clone(), size: member.size }.encode();
            let input = (self.open)(&member.name)?;
            self.current = Some(Current { input, left: member.size, hash: Sha256::new() });
            self.begun += 1;
        } else if !self.ended {
            let json = self.manifest.encode();
            out = Entry { name: MANIFEST.to_owned(), size: json.len() as u64 }.encode();
            out.extend_from_slice(&json);
            out.resize(out.len() + padding(json.len() as u64) + END, 0);
            self.ended = true;
        } else {
            return Ok(false);
        }
        self.ready = io::Cursor::new(out);
        Ok(true)
    }
}

impl<F: FnMut(&str) -> io::Result<R>, R: Read> Read for Writer<F, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            if let Some(current) = self.current.as_mut().filter(|current| current.left > 0) {
                let most = usize::try_from(current.left).unwrap_or(usize::MAX).min(buffer.len());
                let read = current.input.read(&mut buffer[..most])?;
                if read > 0 {
                    current.hash.update(&buffer[..read]);
                    current.left -= read as u64;
                    return Ok(read);
                }
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}
