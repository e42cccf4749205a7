//! An archive in memory: each member allocated once, wiped when dropped, and
//! handed over only when every byte of the archive has proved authentic.

use std::io;

use super::manifest::Manifest;
use super::read::Receive;
use crate::secret::SharedSecret;

/// The members of an archive, in the clear.
#[derive(Debug)]
pub struct Contents {
    /// What is in it.
    pub manifest: Manifest,
    /// The members, in its order.
    pub members: Vec<(String, SharedSecret)>,
}

impl Contents {
    /// The ONNX graph.
    pub fn model(&self) -> &[u8] {
        let model = self.members.iter().find(|(name, _)| *name == self.manifest.model);
        model.map_or(&[], |(_, bytes)| bytes.expose())
    }

    /// The members that the graph can name, by the names that it calls them:
    /// relative to its own directory.
    pub fn beside_model(&self) -> impl Iterator<Item = (&str, &SharedSecret)> {
        let model = &self.manifest.model;
        let directory = &model[..model.rfind('/').map_or(0, |slash| slash + 1)];
        self.members.iter().filter_map(move |(name, bytes)| {
            let relative = name.strip_prefix(directory)?;
            (name != model).then_some((relative, bytes))
        })
    }
}

/// Collects members.
#[derive(Default)]
pub(in crate::container) struct Collect {
    pub(in crate::container) members: Vec<(String, SharedSecret)>,
    filled: usize,
}

impl Receive for Collect {
    fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        let bytes = usize::try_from(size).ok().and_then(SharedSecret::zeroed);
        self.members.push((name.to_owned(), bytes.ok_or(io::ErrorKind::OutOfMemory)?));
        self.filled = 0;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        let place = self.members.last_mut().and_then(|(_, member)| member.expose_mut());
        let place = place.and_then(|place| place.get_mut(self.filled..self.filled + bytes.len()));
        place.ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}
