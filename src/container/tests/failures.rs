//! What fails outside the file: callers, streams, promises that are not kept.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::crypto::digest::sha256;
use crate::error::{Diagnose, Kind};

fn seal_fails(keys: &[Kek], metadata: &Metadata) -> ContainerError {
    let mut out = Vec::new();
    let spec = SealSpec { recipients: &recipients(keys), metadata };
    let error = seal(Named::new("m", &b"model"[..]), Named::new("o", &mut out), &spec, &Silent).unwrap_err();
    if !matches!(error, ContainerError::Changed { .. }) {
        assert!(out.is_empty(), "nothing is written before the request is checked");
    }
    error
}

#[test]
fn impossible_requests_are_refused() {
    let usage = |error: ContainerError| {
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.hint().is_some());
        error
    };
    assert!(matches!(usage(seal_fails(&[], &metadata())), ContainerError::NoRecipient { .. }));
    let twice = seal_fails(&[kek(1), kek(2), kek(1)], &metadata());
    assert!(matches!(usage(twice), ContainerError::DuplicateRecipient { key } if key == kek(1).id()));
    let nameless = Metadata { name: String::new(), ..metadata() };
    assert!(matches!(
        usage(seal_fails(&[kek(1)], &nameless)),
        ContainerError::MetadataField { field: "name" }
    ));
    let many: Vec<_> = (0..600_u16)
        .map(|i| Kek::new(Secret::from_fn(|key| key[..2].copy_from_slice(&i.to_be_bytes()))))
        .collect();
    assert!(matches!(seal_fails(&many, &metadata()), ContainerError::HeaderTooLarge));
}

#[test]
fn promised_sizes_and_digests_are_held_against_the_content() {
    for size in [0, 4, 6] {
        let error = seal_fails(&[kek(1)], &Metadata { size: Some(size), ..metadata() });
        assert!(matches!(error, ContainerError::Changed { found: 5, expected, .. } if expected == size));
    }
    let good = Metadata { size: Some(5), sha256: Some(sha256(&[b"model"])), ..metadata() };
    let bytes = sealed_with(b"model", &[kek(1)], &good);
    assert_eq!(verify(&bytes).unwrap(), 5);
    let wrong = Metadata { sha256: Some([0; 32]), ..good };
    let bytes = sealed_with(b"model", &[kek(1)], &wrong);
    assert_eq!(fault(verify(&bytes).unwrap_err()), Fault::Digest);

    // The writer's refusal leaves a file behind here; its reader refuses as well.
    let lying = Metadata { size: Some(6), ..metadata() };
    let mut bytes = Vec::new();
    let spec = SealSpec { recipients: &[kek(1).into()], metadata: &lying };
    seal(Named::new("m", &b"model"[..]), Named::new("o", &mut bytes), &spec, &Silent).unwrap_err();
    // Where the file's length is known it is taken for one that was cut.
    assert_eq!(fault(stream(&bytes).1.unwrap_err()), Fault::Size { expected: 6, found: 5 });
    assert_eq!(fault(memory(&bytes).unwrap_err()), Fault::Length { expected: 6, found: 5 });
}

#[test]
fn messages_name_the_file_and_the_next_step() {
    let mut bytes = sealed(100);
    *bytes.last_mut().unwrap() ^= 1;
    let error =
        Sealed::from_bytes("a.sealed", &bytes).unwrap().unlock(&kek(1)).unwrap().verify(&Silent).unwrap_err();
    assert_eq!(error.to_string(), "cannot open sealed model 'a.sealed'");
    assert!(error.source().unwrap().to_string().starts_with("chunk 0, the last, does not authenticate"));
    assert!(error.hint().is_some() && error.is_fault());
    assert_eq!(error.kind(), Kind::Failed);

    let error = Sealed::from_bytes("a.sealed", &bytes).unwrap().unlock(&kek(2)).unwrap_err();
    let (recipient, tried) = (kek(1).id(), kek(2).id());
    assert_eq!(
        error.to_string(),
        format!("no key opens 'a.sealed', which is sealed for key {recipient}; tried {tried}")
    );
    assert_eq!(error.kind(), Kind::Credential);
    assert!(!error.is_fault());

    let missing = Sealed::open(std::path::Path::new("/nowhere/m.sealed")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot open '/nowhere/m.sealed'");
}

#[test]
fn what_is_no_regular_file_streams_but_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let bytes = sealed(3 * CHUNK);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // The second reader leaves before the end.
                let _ = File::options().write(true).open(&path).unwrap().write_all(&bytes);
            });
            let unlocked = Sealed::open(&path).unwrap().unlock(&kek(1)).unwrap();
            assert!(matches!(unlocked.read_to_memory(&Silent), Err(ContainerError::NotRegular { .. })));
            assert_eq!(unlocked.verify(&Silent).unwrap(), 3 * CHUNK as u64);
        }
    });
}

/// Works for so many bytes, and then no more.
pub(super) struct Fails {
    pub(super) after: usize,
    pub(super) panics: bool,
}

impl Fails {
    fn pass(&mut self, length: usize) -> io::Result<usize> {
        if self.after == 0 {
            assert!(!self.panics, "as asked");
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = length.min(self.after);
        self.after -= length;
        Ok(length)
    }
}

impl Input for Fails {}

impl Read for Fails {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pass(buffer.len())
    }
}

impl Write for Fails {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_stream_ends_the_work() {
    let spec = SealSpec { recipients: &[kek(1).into()], metadata: &metadata() };
    let plain = plaintext(20 << 20);
    for after in [0, 1, PAYLOAD, CHUNKS + 1, 3 << 20, 19 << 20] {
        let fails = || Fails { after, panics: false };
        let written =
            seal(Named::new("m", &plain[..]), Named::new("o", fails()), &spec, &Silent).unwrap_err();
        assert!(matches!(&written, ContainerError::Write { name, .. } if name == "o"));
        assert!(written.hint().is_some());
        let read = seal(Named::new("m", fails()), Named::new("o", io::sink()), &spec, &Silent).unwrap_err();
        assert!(matches!(&read, ContainerError::Read { name, .. } if name == "m"));
    }
}

#[test]
fn a_panic_in_a_stream_reaches_the_caller() {
    let spec = SealSpec { recipients: &[kek(1).into()], metadata: &metadata() };
    let plain = plaintext(8 << 20);
    for after in [CHUNKS + 1, 3 << 20] {
        let fails = || Fails { after, panics: true };
        let writing = AssertUnwindSafe(|| {
            let _ = seal(Named::new("m", &plain[..]), Named::new("o", fails()), &spec, &Silent);
        });
        assert!(catch_unwind(writing).is_err());
        let reading = AssertUnwindSafe(|| {
            let _ = seal(Named::new("m", fails()), Named::new("o", io::sink()), &spec, &Silent);
        });
        assert!(catch_unwind(reading).is_err());
    }
}

#[test]
fn a_length_beyond_memory_is_an_error() {
    // A sparse file: terabytes that nobody wrote.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge");
    crate::fs::write(&path, &sealed(100), crate::fs::SECRET, crate::fs::Existing::Refuse).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(8 << 40).unwrap();
    let unlocked = Sealed::open(&path).unwrap().unlock(&kek(1)).unwrap();
    match unlocked.read_to_memory(&Silent).unwrap_err() {
        ContainerError::TooLarge { .. } => {}
        error => assert_eq!(error.to_string(), format!("cannot open sealed model '{}'", path.display())),
    }
}
