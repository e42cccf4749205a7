//! An archive in memory: its members where they lie in it, once every byte of it
//! has proved authentic.

use std::io::{self, Write};
use std::ops::Range;

use super::ArchiveFault;
use super::manifest::Manifest;
use super::read::{Reader, Receive};
use crate::secret::SecretPages;

/// An archive, in the clear.
#[derive(Debug)]
pub struct Contents {
    /// What is in it.
    pub manifest: Manifest,
    /// All of it.
    pub bytes: SecretPages,
    /// Where its members are, in the manifest's order.
    pub members: Vec<(String, Range<usize>)>,
}

impl Contents {
    /// Finds the members of the archive `bytes`. Digests, which say no more than that
    /// every byte is authentic, are not compared.
    pub(in crate::container) fn find(bytes: SecretPages) -> Result<Self, ArchiveFault> {
        let mut reader = Reader::new(Places::default(), bytes.len() as u64, false);
        let written = reader.write_all(bytes.expose());
        match (reader.fault(), written) {
            (Some(fault), _) => Err(fault),
            (None, Err(_)) => Err(ArchiveFault::Truncated),
            (None, Ok(())) => {
                let (manifest, Places { members }) = reader.finish()?;
                Ok(Self { manifest, bytes, members })
            }
        }
    }

    /// Where the ONNX graph is.
    pub fn model(&self) -> Range<usize> {
        let model = self.members.iter().find(|(name, _)| *name == self.manifest.model);
        model.map_or(0..0, |(_, range)| range.clone())
    }

    /// The members that the graph can name, by the names that it calls them:
    /// relative to its own directory.
    pub fn beside_model(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let model = &self.manifest.model;
        let directory = &model[..model.rfind('/').map_or(0, |slash| slash + 1)];
        self.members.iter().filter_map(move |(name, range)| {
            let relative = name.strip_prefix(directory)?;
            (name != model).then_some((relative, range.clone()))
        })
    }
}

/// Remembers where members are.
#[derive(Default)]
struct Places {
    members: Vec<(String, Range<usize>)>,
}

impl Receive for Places {
    fn begin(&mut self, name: &str, size: u64, at: u64) -> io::Result<()> {
        let place = |at: u64| usize::try_from(at).map_err(|_| io::ErrorKind::OutOfMemory);
        let range = place(at)?..place(at.saturating_add(size))?;
        self.members.push((name.to_owned(), range));
        Ok(())
    }

    fn data(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}
