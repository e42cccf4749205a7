//! What is in an archive, without reading all of it: from header to header, and
//! then the manifest. Only the chunks that hold these are decrypted.

use super::ArchiveFault;
use super::block::{BLOCK, Entry, header_len, padding};
use super::manifest::{MAX_MANIFEST, Manifest};
use super::name::{MANIFEST, Names};

/// Reads plaintext at an offset; shorter than asked only at its end.
pub(in crate::container) trait PlainAt {
    type Error: From<ArchiveFault>;
    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Self::Error>;
}

/// The manifest of the archive `plain`, compared with the headers.
pub(in crate::container) fn list<P: PlainAt>(plain: &mut P) -> Result<Manifest, P::Error> {
    let (mut at, mut names, mut found) = (0_u64, Names::default(), Vec::new());
    loop {
        let mut header = plain.read(at, BLOCK)?;
        let first = header.first_chunk().ok_or(ArchiveFault::Truncated)?;
        if first.iter().all(|byte| *byte == 0) {
            return Err(ArchiveFault::NoManifest.into());
        }
        if header_len(first) > BLOCK {
            header = plain.read(at, header_len(first))?;
        }
        let entry = Entry::parse(&header, at)?;
        at += header.len() as u64;
        if entry.name == MANIFEST {
            let size = usize::try_from(entry.size.min(MAX_MANIFEST)).unwrap_or(0);
            let manifest = Manifest::parse(&plain.read(at, size)?)?;
            manifest.check(&found)?;
            return Ok(manifest);
        }
        names.add(&entry.name)?;
        let next = at.checked_add(entry.size).and_then(|end| end.checked_add(padding(entry.size) as u64));
        at = next.ok_or(ArchiveFault::Truncated)?;
        found.push((entry.name, entry.size, None));
    }
}
