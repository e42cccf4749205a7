//! Whole files: what goes in comes out, and what was tampered with does not.

mod damage;
mod failures;
mod files;
mod headers;
mod interop;
mod layout;
mod ranges;
mod recipients;
mod rewrites;
mod signatures;
mod torn;

use std::io::{self, Read};

use super::*;
use crate::crypto::cobblestone::{CHUNK, PREFIX, SEALED_CHUNK, TAG};
use crate::progress::Silent;
use crate::secret::Secret;

const SLOT: usize = 8192;
const SLOT_A: usize = 4096;
const SLOT_B: usize = SLOT_A + SLOT;
/// Where the payload begins, and where its first chunk does.
const PAYLOAD: usize = SLOT_B + SLOT;
const CHUNKS: usize = PAYLOAD + PREFIX;

fn kek(byte: u8) -> Kek {
    Kek::new(Secret::from_fn(|key| key.fill(byte)))
}

fn recipients(keys: &[Kek]) -> Vec<Recipient> {
    keys.iter().cloned().map(Recipient::Key).collect()
}

fn metadata() -> Metadata {
    Metadata {
        name: "digits".into(),
        version: "3".into(),
        media_type: ONNX.into(),
        created: "2026-01-02T03:04:05Z".into(),
        size: None,
        sha256: None,
    }
}

/// Bytes that tell where they stand.
fn plaintext(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_be_bytes()).take(length).collect()
}

fn sealed_with(plain: &[u8], keys: &[Kek], metadata: &Metadata) -> Vec<u8> {
    let mut out = Vec::new();
    let spec = SealSpec { recipients: &recipients(keys), metadata };
    let summary = seal(Named::new("model", plain), Named::new("out", &mut out), &spec, &Silent).unwrap();
    assert_eq!(summary.sealed_bytes, out.len() as u64);
    assert_eq!(summary.plaintext_bytes, plain.len() as u64);
    out
}

fn sealed(length: usize) -> Vec<u8> {
    sealed_with(&plaintext(length), &[kek(1)], &metadata())
}

/// Opens with key 1, as a stream; returns also what was released before a failure.
fn stream(bytes: &[u8]) -> (Vec<u8>, Result<u64, ContainerError>) {
    let mut out = Vec::new();
    let result = Sealed::read(Named::new("f", bytes))
        .and_then(|sealed| sealed.unlock(&kek(1)))
        .and_then(|unlocked| unlocked.decrypt(Named::new("out", &mut out), &Silent));
    (out, result)
}

fn memory(bytes: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let unlocked = Sealed::from_bytes("f", bytes)?.unlock(&kek(1))?;
    Ok(unlocked.read_to_memory(&Silent)?.expose().to_vec())
}

fn verify(bytes: &[u8]) -> Result<u64, ContainerError> {
    Sealed::from_bytes("f", bytes)?.unlock(&kek(1))?.verify(&Silent)
}

fn fault(error: ContainerError) -> Fault {
    match error {
        ContainerError::Fault { name, fault } => {
            assert_eq!(name, "f");
            fault
        }
        other => panic!("{other}"),
    }
}

/// What every way of opening says is wrong with `bytes`.
fn faults(bytes: &[u8]) -> [Fault; 4] {
    [
        fault(stream(bytes).1.unwrap_err()),
        fault(files::from_file(bytes).1.unwrap_err()),
        fault(memory(bytes).unwrap_err()),
        fault(verify(bytes).unwrap_err()),
    ]
}

fn assert_fault(bytes: &[u8], expected: &Fault) {
    for fault in faults(bytes) {
        assert_eq!(fault, *expected);
    }
}

/// Hands out its bytes in small pieces, one buffer at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Input for Trickle<'_> {}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 * 7 % 10_007 + 1;
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

const LENGTHS: [usize; 13] = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    31 * CHUNK + 5,
    32 * CHUNK - 1,
    32 * CHUNK,
    32 * CHUNK + 1,
    128 * CHUNK,
    1 << 20,
    (5 << 20) + 3,
    (9 << 20) - 7,
];

#[test]
fn what_is_sealed_opens_by_every_way() {
    let dir = tempfile::tempdir().unwrap();
    for length in LENGTHS {
        let plain = plaintext(length);
        let mut bytes = Vec::new();
        let spec = SealSpec { recipients: &[kek(1).into()], metadata: &metadata() };
        seal(Named::new("in", Trickle(&plain, 1)), Named::new("out", &mut bytes), &spec, &Silent).unwrap();
        assert_eq!(bytes.len(), PAYLOAD + PREFIX + length + (length / CHUNK + 1) * TAG);

        let (streamed, result) = stream(&bytes);
        assert_eq!(result.unwrap(), length as u64);
        assert!(streamed == plain, "{length}");

        let mut trickled = Vec::new();
        let unlocked = Sealed::read(Named::new("f", Trickle(&bytes, 1))).unwrap().unlock(&kek(1)).unwrap();
        unlocked.decrypt(Named::new("out", &mut trickled), &Silent).unwrap();
        assert!(trickled == plain, "{length}");

        assert!(memory(&bytes).unwrap() == plain, "{length}");
        assert_eq!(verify(&bytes).unwrap(), length as u64);

        let path = dir.path().join("model.sealed");
        crate::fs::write(&path, &bytes, crate::fs::SECRET, crate::fs::Existing::Replace).unwrap();
        let unlocked = Sealed::open(&path).unwrap().unlock(&kek(1)).unwrap();
        assert!(unlocked.read_to_memory(&Silent).unwrap().expose() == plain, "{length}");
        assert_eq!(unlocked.metadata(), &metadata());
        assert_eq!(unlocked.key_id(), kek(1).id());
        assert_eq!(unlocked.verify(&Silent).unwrap(), length as u64);
    }
}

#[test]
fn sealing_twice_gives_nothing_in_common() {
    let (one, two) = (sealed(100), sealed(100));
    assert_ne!(one[16..32], two[16..32], "artifact id");
    assert_ne!(one[PAYLOAD..PAYLOAD + 24], two[PAYLOAD..PAYLOAD + 24], "salt");
    assert_ne!(one[CHUNKS..], two[CHUNKS..], "payload");
}

#[test]
fn progress_hears_of_all_plaintext() {
    #[derive(Default)]
    struct Heard(std::sync::Mutex<(u64, u64)>);
    impl crate::progress::Progress for Heard {
        fn total(&self, total: u64) {
            self.0.lock().unwrap().0 = total;
        }
        fn advance(&self, bytes: u64) {
            self.0.lock().unwrap().1 += bytes;
        }
    }
    let plain = plaintext(3 << 20);
    let length = plain.len() as u64;
    let metadata = Metadata { size: Some(length), ..metadata() };
    let (mut bytes, heard) = (Vec::new(), Heard::default());
    let spec = SealSpec { recipients: &[kek(1).into()], metadata: &metadata };
    seal(Named::new("in", &plain[..]), Named::new("out", &mut bytes), &spec, &heard).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (length, length));

    let unlocked = Sealed::from_bytes("f", &bytes).unwrap().unlock(&kek(1)).unwrap();
    let heard = Heard::default();
    unlocked.read_to_memory(&heard).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (length, length));
    let heard = Heard::default();
    unlocked.decrypt(Named::new("out", io::sink()), &heard).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (length, length));
}
