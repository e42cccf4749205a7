//! Headers: two readers agree on each, no byte of one is without meaning, and only
//! whoever has the data key makes one that unlocks.

use std::io::Read;

use sealserve::container::{ContainerError, Fault, Header, KeyId, Named, RecipientKind, Sealed, SlotState};

use crate::forge::{self, BOUND, OVERHEAD};
use crate::reference::{self, Body, Slot};

/// Makes a file of `input` (see [`build`]) and holds the readers of headers to it.
pub(super) fn holds(input: &[u8]) {
    let Some(file) = build(input) else { return };
    let expected = reference::Header::read(&file);
    let whole = Sealed::from_bytes("whole", &file[..]);
    let pieces = Sealed::read(Named::new("in pieces", Slow(&file)));
    assert_eq!(whole.is_ok(), expected.is_some(), "{:?}", whole.err());
    let Some(expected) = expected else {
        assert_eq!(fault(&whole.unwrap_err()), fault(&pieces.unwrap_err()));
        return;
    };
    let whole = whole.unwrap();
    agree(whole.header(), &expected);
    agree(pieces.unwrap().header(), &expected);

    let header = usize::try_from(4096 + 2 * u64::from(whole.header().slot_len())).unwrap();
    assert!(Sealed::from_bytes("cut", &file[..header - 1]).is_err());
    let is_whole = whole.header().damaged_slot().is_none();
    if unlocks(whole, &expected) && is_whole {
        let at = input.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
        no_change_goes_unseen(&file, at % (header * 8));
    }
}

/// A file of a preamble and two slots. Of the first byte, bits say: 0, the preamble's 64
/// bytes come from the input; 1, B is as A; 2 and 3, A and B are bodies, to which length,
/// MAC and what is encrypted are added; 4 and 5, their checksums are wrong; 6, the
/// payload is elsewhere; 7, the slots are longer. Two bytes say where B begins.
fn build(input: &[u8]) -> Option<Vec<u8>> {
    let ([mode, high, low], mut rest) = input.split_first_chunk()?;
    let is = |bit: u8| mode >> bit & 1 > 0;
    let mut bound = forge::preamble(if is(7) { 12_288 } else { 8192 }, is(6));
    if is(0) {
        (bound, rest) = rest.split_first_chunk().map(|(bound, rest)| (*bound, rest))?;
    }
    let said = u32::from_be_bytes(bound[32..36].try_into().unwrap());
    let slot_len = said.clamp(8192, 65_536) as usize;
    let (a, b) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
    let most = slot_len - forge::DIGEST;
    let content = |input: &[u8], is_body: bool| {
        let content = if is_body { forge::framed(&bound, &encrypt(&bound, input)) } else { input.to_vec() };
        content[..content.len().min(most)].to_vec()
    };
    let a = content(a, is(2));
    let b = if is(1) { a.clone() } else { content(b, is(3)) };
    let mut file = bound.to_vec();
    file.resize(forge::REGION, 0);
    file.extend(forge::slot(&bound, slot_len, &a, !is(4)));
    file.extend(forge::slot(&bound, slot_len, &b, !is(5)));
    Some(file)
}

/// Puts the data key where `body` has a recipient of our key, and encrypts what stands
/// in the place of the metadata: so the fuzzer sees and changes their plaintext.
fn encrypt(bound: &[u8; BOUND], body: &[u8]) -> Vec<u8> {
    let mut out = body.to_vec();
    let Some(read) = Body::read(body) else { return out };
    for recipient in read.recipients.iter().filter(|r| r.kind == 1 && r.key_id == forge::kek().id().0) {
        out[recipient.blob.clone()].copy_from_slice(&forge::wrapped(bound));
    }
    // Longer ones have a second chunk, and a second tag.
    if read.metadata.len() < OVERHEAD + 16_384 {
        let plain = &body[read.metadata.start + OVERHEAD - 16..read.metadata.end - 16];
        out[read.metadata.clone()].copy_from_slice(&forge::metadata(bound, plain));
    }
    out
}

/// All that a header tells is what the other reader read.
fn agree(header: &Header, expected: &reference::Header<'_>) {
    let current = expected.current();
    assert_eq!(header.artifact_id().0, expected.bound[16..32]);
    assert_eq!(header.slot_len(), expected.slot_len);
    assert_eq!(header.is_detached(), expected.detached);
    assert_eq!(header.generation(), current.body.generation);
    assert_eq!(header.recipients().len(), current.body.recipients.len());
    for (recipient, expected) in header.recipients().iter().zip(&current.body.recipients) {
        let kind = match recipient.kind {
            RecipientKind::Key => 1,
            RecipientKind::Passphrase => 2,
            RecipientKind::Age => 3,
            RecipientKind::External => 4,
        };
        assert_eq!((kind, recipient.key_id.0), (expected.kind, expected.key_id));
    }
    let records = current.bytes(current.body.signatures.clone()).chunks(80);
    let found = header.signatures().iter().map(|r| [&r.signer.0[..], &r.signature].concat());
    assert!(records.eq(found));
    let state = |slot: &Option<Slot<'_>>| match slot {
        None => SlotState::Damaged,
        Some(slot) if slot.body.generation == current.body.generation => SlotState::Current,
        Some(slot) => SlotState::Stale { generation: slot.body.generation },
    };
    assert_eq!(header.slots(), [0, 1].map(|at| state(&expected.slots[at])));
    for slot in expected.slots.iter().flatten() {
        assert!(slot.body.recipients.iter().all(|r| header.has_recipient(&KeyId(r.key_id))));
    }
}

/// Unlocks the file, which must go well exactly where the MACs of all slots that are in
/// are right. Says whether it did.
fn unlocks(sealed: Sealed<std::io::Cursor<&[u8]>>, expected: &reference::Header<'_>) -> bool {
    let ours = |r: &reference::Recipient| r.kind == 1 && r.key_id == forge::kek().id().0;
    let is_ours = expected.current().body.recipients.iter().any(ours);
    let mac = |slot: &Slot<'_>| forge::slot_mac(&expected.bound, slot.framed) == *slot.mac;
    let authentic = expected.slots.iter().flatten().all(mac);
    match sealed.unlock(&forge::kek()) {
        Ok(unlocked) => {
            assert!(is_ours && authentic);
            let metadata = unlocked.metadata();
            for text in [&metadata.name, &metadata.version, &metadata.media_type, &metadata.created] {
                assert!((1..=255).contains(&text.len()) && !text.contains(char::is_control));
            }
            true
        }
        Err(ContainerError::NoKey { .. }) => {
            assert!(!is_ours);
            false
        }
        Err(error) => {
            let fault = fault(&error).unwrap();
            assert!(is_ours && (!authentic || !matches!(fault, Fault::SlotForged(_))), "{fault}");
            false
        }
    }
}

/// One bit changes: the file is refused, or tells that a slot is out.
fn no_change_goes_unseen(file: &[u8], bit: usize) {
    let mut changed = file.to_vec();
    changed[bit / 8] ^= 1 << (bit % 8);
    if let Ok(sealed) = Sealed::from_bytes("changed", changed) {
        let damaged = sealed.header().damaged_slot().is_some();
        assert!(damaged || sealed.unlock(&forge::kek()).is_err(), "bit {bit}");
    }
}

fn fault(error: &ContainerError) -> Option<&Fault> {
    match error {
        ContainerError::Fault { fault, .. } => Some(fault),
        _ => None,
    }
}

/// Reads a few bytes at a time.
#[derive(Debug)]
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(997);
        self.0.read(&mut buffer[..most])
    }
}
