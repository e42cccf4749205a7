//! Archives: one form and no other, read in whatever pieces it comes, and no name that
//! leads elsewhere.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::sync::OnceLock;

use sealserve::container::archive::{ArchiveFault, Manifest, Reader, Receive, Writer, check_name};
use sealserve::container::{ContainerError, Sealed};

use crate::forge;

type Members = Vec<(String, Vec<u8>)>;

const BLOCK: usize = 512;
const METADATA: &str = r#"{"name":"a","version":"1","media_type":"application/x-tar","created":"c"}"#;

/// The first byte says how the rest is read: in which pieces, whether the headers' sums
/// are made right, and whether digests are compared.
pub(super) fn holds(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let (mend, digests, piece) = (mode & 1 > 0, mode & 2 > 0, usize::from(mode >> 2) * 11 + 1);
    let mut bytes = bytes.to_vec();
    if mend {
        mend_sums(&mut bytes);
    }
    let whole = read(&bytes, bytes.len().max(1), bytes.len() as u64, digests);
    assert_eq!(whole, read(&bytes, piece, bytes.len() as u64, digests), "in pieces of {piece}");
    // A limit says no more than that the rest cannot come.
    assert_eq!(whole.as_ref().ok(), read(&bytes, piece, u64::MAX, digests).as_ref().ok());

    let listed = list(&bytes);
    let Ok((manifest, members)) = whole else { return };
    assert_eq!(listed.unwrap(), manifest);
    check_names(&members);
    let promised: Vec<_> = manifest.members.iter().map(|m| (m.name.as_str(), m.size)).collect();
    let found: Vec<_> = members.iter().map(|(name, bytes)| (name.as_str(), bytes.len() as u64)).collect();
    assert_eq!(promised, found);
    assert!(found.iter().any(|(name, _)| *name == manifest.model));
    let again = write(&manifest.model, &members);
    if digests {
        assert!(again == bytes, "what is read is not what would have been written");
    } else {
        // The manifest may have other digests, and nothing else.
        assert_eq!(again.len(), bytes.len());
    }
}

/// Names lead to different files below one directory.
fn check_names(members: &Members) {
    let mut files = BTreeSet::new();
    for (name, _) in members {
        assert_eq!(check_name(name), Ok(()));
        assert!(!name.starts_with('/') && name.split('/').all(|part| !["", ".", ".."].contains(&part)));
        assert!(files.insert(name.to_ascii_lowercase()), "{name} is there twice");
    }
    for (name, _) in members {
        let inside = |(at, _)| files.contains(&name[..at].to_ascii_lowercase());
        assert!(!name.match_indices('/').any(inside), "{name} is in a file");
    }
}

/// Takes what comes, and holds the reader to its promise: members one after the other,
/// each with as many bytes as were said before.
#[derive(Default)]
struct Collect {
    members: Members,
    /// Where each member is said to be.
    places: Vec<u64>,
    open: Option<u64>,
}

impl Receive for Collect {
    fn begin(&mut self, name: &str, size: u64, at: u64) -> std::io::Result<()> {
        assert!(self.open.replace(size).is_none());
        self.places.push(at);
        self.members.push((name.to_owned(), Vec::new()));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let left = self.open.as_mut().unwrap();
        *left = left.checked_sub(bytes.len() as u64).unwrap();
        self.members.last_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        assert_eq!(self.open.take(), Some(0));
        Ok(())
    }
}

fn read(bytes: &[u8], piece: usize, limit: u64, digests: bool) -> Result<(Manifest, Members), ArchiveFault> {
    let mut reader = Reader::new(Collect::default(), limit, digests);
    for piece in bytes.chunks(piece) {
        if reader.write_all(piece).is_err() {
            return Err(reader.fault().expect("the receiver never fails"));
        }
    }
    reader.finish().map(|(manifest, Collect { members, places, .. })| {
        for ((_, member), at) in members.iter().zip(places) {
            assert!(bytes[usize::try_from(at).unwrap()..].starts_with(member));
        }
        (manifest, members)
    })
}

fn write(model: &str, members: &Members) -> Vec<u8> {
    let sizes = members.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    let open = |name: &str| Ok(&members.iter().find(|(other, _)| other == name).unwrap().1[..]);
    let mut writer = Writer::new(model, sizes, open).unwrap();
    let mut out = Vec::new();
    writer.read_to_end(&mut out).unwrap();
    assert_eq!(out.len() as u64, writer.length());
    out
}

/// The other reader, which looks at headers and manifest only, through a sealed file.
fn list(bytes: &[u8]) -> Result<Manifest, ContainerError> {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    let bound = forge::preamble(8192, false);
    let header = HEADER
        .get_or_init(|| forge::header(&bound, 1, forge::kek().id().0, &forge::wrapped(&bound), METADATA));
    let file = [&header[..], &forge::payload(&bound, bytes)].concat();
    Sealed::from_bytes("archive", Cursor::new(file).into_inner())?.unlock(&forge::kek())?.list()
}

/// Makes the sum of whatever looks like a header right.
fn mend_sums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(BLOCK).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
