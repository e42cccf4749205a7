//! Regular files, of which every worker reads its own part.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::failures::Fails;
use super::*;
use crate::fs::{FsError, Steady};

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
    let spec = SealSpec { recipients: &recipients(&[kek(1)]), metadata: &metadata() };
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

/// A file to which something is added when its end was seen.
struct Grows(File);

impl Read for Grows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }
}

impl Input for Grows {
    fn regular(&self) -> Option<&File> {
        Some(&self.0)
    }
}

#[test]
fn that_have_grown_give_nothing_whole() {
    for length in [0, 5, 32 * CHUNK, 3 << 20] {
        let mut out = Vec::new();
        let grown = seal_to(Grows(file(b"", &plaintext(length))), &mut out).unwrap_err();
        assert!(matches!(grown, ContainerError::File(FsError::Changed { .. })), "{grown:?}");
        assert!(out.len() < sealed(length).len() && verify(&out).is_err(), "{length}");
    }
}

/// Writes to the end of a file, up to an amount that nobody needs.
struct Appends(File, usize);

impl Write for Appends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += bytes.len();
        if self.1 > 64 << 20 { Err(io::ErrorKind::FileTooLarge.into()) } else { self.0.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn that_are_written_to_while_they_are_read_have_an_end() {
    let path = tempfile::NamedTempFile::new().unwrap();
    path.as_file().write_all_at(&plaintext(3 << 20), 0).unwrap();
    let out = Appends(File::options().append(true).open(path.path()).unwrap(), 0);
    let grown = seal_to(path.reopen().unwrap(), out).unwrap_err();
    assert!(matches!(grown, ContainerError::File(FsError::Changed { .. })), "{grown:?}");
}

/// Does something before the first byte is written: then nothing of the payload was read.
struct First<'a, F>(&'a mut Vec<u8>, F);

impl<F: FnMut()> Write for First<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            (self.1)();
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn that_change_while_they_are_read_give_nothing_whole() {
    let plain = plaintext(3 << 20);
    let input = file(b"", &plain);
    // Long ago, so that no change can have the same time.
    input.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let steady = || Steady::new(input.try_clone().unwrap(), Path::new("m")).unwrap();
    let mut out = Vec::new();
    seal_to(steady(), First(&mut out, || ())).unwrap();
    assert_eq!(verify(&out).unwrap(), plain.len() as u64);

    (&input).rewind().unwrap();
    let mut out = Vec::new();
    let change = || input.write_all_at(b"other", 5).unwrap();
    let changed = seal_to(steady(), First(&mut out, change)).unwrap_err();
    let told =
        matches!(&changed, ContainerError::Read { source, .. } if source.to_string().contains("changed"));
    assert!(told, "{changed:?}");
    assert!(verify(&out).is_err());
}

#[test]
fn that_cannot_be_read_are_named() {
    let written = tempfile::NamedTempFile::new().unwrap();
    let input = File::options().write(true).open(written.path()).unwrap();
    let refused = seal_to(input, io::sink()).unwrap_err();
    assert!(matches!(&refused, ContainerError::Read { name, .. } if name == "m"), "{refused:?}");
}

#[test]
fn end_where_an_output_does() {
    let plain = plaintext(8 << 20);
    for after in [0, PAYLOAD, CHUNKS + 1, 3 << 20] {
        let seal = |panics| seal_to(file(b"", &plain), Fails { after, panics });
        assert!(matches!(seal(false).unwrap_err(), ContainerError::Write { .. }));
        assert!(catch_unwind(AssertUnwindSafe(|| seal(true))).is_err());
    }
}
