//! Regular files, of which every worker reads its own part.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::*;
use crate::fs::Steady;

/// Opens with key 1; returns also what was released before a failure.
pub(super) fn from_file(bytes: &[u8]) -> (Vec<u8>, Result<u64, ContainerError>) {
    let mut out = Vec::new();
    let result = Sealed::read(Named::new("f", file(b"", bytes)))
        .and_then(|sealed| sealed.unlock(&kek(1)))
        .and_then(|unlocked| unlocked.decrypt(Named::new("out", &mut out), &Silent));
    (out, result)
}

/// A file that stands where `rest` begins.
fn file(before: &[u8], rest: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(before).unwrap();
    file.write_all(rest).unwrap();
    file.seek(SeekFrom::Start(before.len() as u64)).unwrap();
    file
}

fn seal_to(input: impl Input, output: impl Write + Send) -> Result<Summary, ContainerError> {
    let spec = SealSpec { recipients: &wrappers(&[kek(1)]), metadata: &metadata() };
    seal(Named::new("m", input), Named::new("out", output), &spec, &Silent)
}

#[test]
fn end_once_however_many_workers_see_the_end() {
    for length in [0, 5, CHUNK, 32 * CHUNK] {
        let plain = plaintext(length);
        for _ in 0..100 {
            let mut out = Vec::new();
            seal_to(file(b"", &plain), &mut out).unwrap();
            assert_eq!(verify(&out).unwrap(), length as u64);
        }
    }
}

#[test]
fn are_read_from_where_they_stand_to_their_end() {
    for length in LENGTHS {
        let plain = plaintext(length);
        let (mut input, mut out) = (file(b"before", &plain), Vec::new());
        assert_eq!(seal_to(&mut input, &mut out).unwrap().plaintext_bytes, length as u64);
        assert_eq!(memory(&out).unwrap(), plain, "{length}");
        assert_eq!(input.stream_position().unwrap(), 6 + length as u64, "as who reads it all leaves it");

        let (opened, result) = from_file(&out);
        assert_eq!(result.unwrap(), length as u64);
        assert!(opened == plain, "{length}");
    }
}

/// Does something when so many bytes were written: then all was read.
struct AtTheEnd<F> {
    left: usize,
    action: F,
}

impl<F: FnMut()> Write for AtTheEnd<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left -= bytes.len();
        if self.left == 0 {
            (self.action)();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn that_change_when_all_was_read_are_refused() {
    let plain = plaintext(3 << 20);
    let length = sealed(plain.len()).len();
    let input = file(b"", &plain);
    let action = || input.write_all_at(b"more", plain.len() as u64).unwrap();
    let grown = seal_to(input.try_clone().unwrap(), AtTheEnd { left: length, action }).unwrap_err();
    assert!(matches!(&grown, ContainerError::Read { source, .. } if source.to_string().contains("grown")));

    let steady = || Steady::new(input.try_clone().unwrap(), Path::new("m")).unwrap();
    input.set_len(plain.len() as u64).unwrap();
    (&input).rewind().unwrap();
    assert!(seal_to(steady(), AtTheEnd { left: length, action: || () }).is_ok());
    // Long ago, so that the next change cannot have the same time.
    input.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    (&input).rewind().unwrap();
    let action = || input.write_all_at(b"other", 5).unwrap();
    let changed = seal_to(steady(), AtTheEnd { left: length, action }).unwrap_err();
    let told =
        matches!(&changed, ContainerError::Read { source, .. } if source.to_string().contains("changed"));
    assert!(told, "{changed:?}");
}
