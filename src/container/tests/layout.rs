//! Every field of a file, flipped, cut at, and taken from elsewhere. The fields come
//! from one list that must cover the file without a gap, so none can be forgotten.

use std::ops::Range;

use super::headers::{Parts, parts_of};
use super::*;
use crate::container::header::body::Body;
use crate::container::header::slot::tests::checksum_again;
use crate::container::recipients::stanza::KEY_BLOB;

/// A field, and where it stands.
type Field = (String, Range<usize>);

/// A file with two keys, an age recipient, metadata, a signature record, and a payload of
/// two chunks and the last.
fn whole() -> Parts {
    let parts = parts_of(sealed_with(&plaintext(2 * CHUNK + 9), &[kek(1), kek(9)], &metadata()));
    let slot = parts.slot(|body| {
        body.recipients.push(Stanza { kind: RecipientKind::Age, key_id: KeyId([6; 16]), blob: vec![7; 200] });
        body.signatures.push(SignatureRecord { signer: SignerId([4; 16]), signature: [5; 64] });
    });
    parts_of(parts.with_slots(&slot, &slot))
}

/// Lays fields one behind the other.
struct Layout {
    fields: Vec<Field>,
    at: usize,
}

impl Layout {
    fn field(&mut self, name: impl Into<String>, length: usize) {
        self.fields.push((name.into(), self.at..self.at + length));
        self.at += length;
    }

    fn slot(&mut self, name: &str, body: &Body) {
        let start = self.at;
        self.field(format!("{name}: length of the body"), 4);
        self.field(format!("{name}: generation"), 8);
        self.field(format!("{name}: number of recipients"), 2);
        for (i, stanza) in body.recipients.iter().enumerate() {
            self.field(format!("{name}: type of recipient {i}"), 2);
            self.field(format!("{name}: key id of recipient {i}"), 16);
            self.field(format!("{name}: length of recipient {i}"), 2);
            self.field(format!("{name}: blob of recipient {i}"), stanza.blob.len());
        }
        self.field(format!("{name}: length of the metadata"), 2);
        self.field(format!("{name}: metadata"), body.metadata.len());
        self.field(format!("{name}: length of the signature records"), 2);
        for i in 0..body.signatures.len() {
            self.field(format!("{name}: signer {i}"), 16);
            self.field(format!("{name}: signature {i}"), 64);
        }
        assert_eq!(self.at, start + 4 + body.encode().unwrap().len(), "a field of the body is not listed");
        self.field(format!("{name}: MAC"), 32);
        self.field(format!("{name}: unused"), start + SLOT - 32 - self.at);
        self.field(format!("{name}: checksum"), 32);
    }
}

/// The fields of the whole file, in order.
fn fields(parts: &Parts) -> Vec<Field> {
    let mut layout = Layout { fields: Vec::new(), at: 0 };
    let preamble = [("magic", 8), ("version", 2), ("suite", 2), ("flags", 4), ("artifact id", 16)];
    for (name, length) in preamble.into_iter().chain([("slot length", 4), ("payload offset", 4)]) {
        layout.field(name, length);
    }
    layout.field("zero", SLOT_A - 40);
    layout.slot("slot A", &parts.body);
    layout.slot("slot B", &parts.body);
    layout.field("payload's salt", 24);
    layout.field("payload's commitment", 32);
    while layout.at < parts.bytes.len() {
        let chunk = (layout.at - CHUNKS) / SEALED_CHUNK;
        let length = SEALED_CHUNK.min(parts.bytes.len() - layout.at);
        layout.field(format!("chunk {chunk}"), length - TAG);
        layout.field(format!("tag of chunk {chunk}"), TAG);
    }
    let ends = layout.fields.iter().map(|(_, range)| range.end);
    let starts = layout.fields.iter().map(|(_, range)| range.start).skip(1).chain([parts.bytes.len()]);
    assert!(ends.eq(starts), "the fields do not cover the file");
    layout.fields
}

/// Bits of a field: each of a short one, a sample with both ends of a long one.
fn bits(range: &Range<usize>) -> Vec<usize> {
    let all = range.start * 8..range.end * 8;
    match all.len() {
        0..=128 => all.collect(),
        count => all.clone().step_by(count / 23).chain([all.end - 1]).collect(),
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[test]
fn every_field_is_held_against_flipped_bits() {
    let parts = whole();
    for (name, range) in fields(&parts) {
        for (i, bit) in bits(&range).into_iter().enumerate() {
            let mut bytes = parts.bytes.clone();
            flip(&mut bytes, bit);
            let slots = [(SLOT_A, SlotName::A), (SLOT_B, SlotName::B)];
            match slots.into_iter().find(|(start, _)| (*start..start + SLOT).contains(&(bit / 8))) {
                // Outside of the slots, nothing opens.
                None if i == 0 || bit / 8 < PAYLOAD => drop(faults(&bytes)),
                // A stream takes a hundred times as long.
                None => drop(fault(memory(&bytes).expect_err(&name))),
                // One slot is out: the other opens the very model, and the damage shows.
                Some((start, slot)) => {
                    let opened = Sealed::from_bytes("f", &bytes[..]).unwrap().unlock(&kek(1)).unwrap();
                    assert_eq!(opened.header().damaged_slot(), Some(slot), "{name} bit {bit}");
                    if i == 0 {
                        assert!(memory(&bytes).unwrap() == plaintext(2 * CHUNK + 9), "{name} bit {bit}");
                        assert_eq!(fault(verify(&bytes).unwrap_err()), Fault::SlotDamaged(slot), "{name}");
                    }
                    // Both are out.
                    let twin = if start == SLOT_A { bit + SLOT * 8 } else { bit - SLOT * 8 };
                    flip(&mut bytes, twin);
                    assert_fault(&bytes, &Fault::BothSlotsDamaged);
                }
            }
        }
    }
}

/// Whoever makes the checksum right again has no data key.
#[test]
fn every_field_of_a_slot_is_held_against_flipped_bits_behind_a_right_checksum() {
    let parts = whole();
    let in_slot = |(name, _): &Field| name.starts_with("slot A") && name != "slot A: checksum";
    for (name, range) in fields(&parts).into_iter().filter(in_slot) {
        for bit in bits(&range) {
            let mut slot = parts.bytes[SLOT_A..SLOT_B].to_vec();
            flip(&mut slot, bit - SLOT_A * 8);
            checksum_again(&parts.preamble, &mut slot);
            let original = &parts.bytes[SLOT_A..SLOT_B];
            // In both places, and in each beside the true one, that is tried as well.
            for bytes in [
                parts.with_slots(&slot, &slot),
                parts.with_slots(&slot, original),
                parts.with_slots(original, &slot),
            ] {
                for opened in [memory(&bytes).map(drop), verify(&bytes).map(drop), stream(&bytes).1.map(drop)]
                {
                    let error = opened.expect_err(&name);
                    // Another key's name may be one that nobody has.
                    let nobody = matches!(error, ContainerError::NoKey { .. }) && name.contains("recipient");
                    assert!(error.is_fault() || nobody, "{name} bit {bit}: {error}");
                }
            }
        }
    }
}

#[test]
fn every_cut_at_or_beside_the_edge_of_a_field_is_refused() {
    let parts = whole();
    let length = parts.bytes.len();
    for (name, range) in fields(&parts) {
        for edge in [range.start, range.end] {
            for cut in [edge.saturating_sub(1), edge, edge + 1] {
                if cut < length {
                    let found = faults(&parts.bytes[..cut]);
                    let expected = match cut {
                        0..8 => vec![Fault::MagicTruncated(cut)],
                        8..PAYLOAD => vec![Fault::HeaderTruncated],
                        PAYLOAD..=CHUNKS => vec![Fault::PayloadTruncated],
                        _ => {
                            let chunk = ((cut - CHUNKS) / SEALED_CHUNK) as u64;
                            vec![
                                Fault::ChunkTruncated(chunk),
                                Fault::LastChunk(chunk),
                                Fault::LastChunkMissing(chunk.saturating_sub(1)),
                            ]
                        }
                    };
                    assert!(found.iter().all(|fault| expected.contains(fault)), "{name} {cut}: {found:?}");
                }
            }
        }
    }
}

/// Every chunk in the place of every other, its own copy and that of another file for
/// the same keys among them; and every slot.
#[test]
fn every_chunk_and_slot_from_elsewhere_is_refused() {
    let (parts, donor) = (whole(), whole());
    let (good, other) = (&parts.bytes, &donor.bytes);
    let place = |i: usize| CHUNKS + i * SEALED_CHUNK..(CHUNKS + (i + 1) * SEALED_CHUNK).min(good.len());
    for to in 0..3 {
        for from in 0..3 {
            for (source, foreign) in [(good, false), (other, true)] {
                if from != to || foreign {
                    let chunk = &source[place(from)];
                    let with = |bytes: &[&[u8]]| bytes.concat();
                    // In its place, before it, and behind it.
                    let Range { start, end } = place(to);
                    for bytes in [
                        with(&[&good[..start], chunk, &good[end..]]),
                        with(&[&good[..start], chunk, &good[start..]]),
                        with(&[&good[..end], chunk, &good[end..]]),
                    ] {
                        drop(faults(&bytes));
                    }
                }
            }
        }
        // A chunk twice, and none at all.
        let Range { start, end } = place(to);
        drop(faults(&[&good[..end], &good[start..]].concat()));
        drop(faults(&[&good[..start], &good[end..]].concat()));
    }

    let (mine, theirs) = (&good[SLOT_A..SLOT_B], &other[SLOT_A..SLOT_B]);
    // As it is, it is out, and the other opens.
    for bytes in [parts.with_slots(theirs, mine), parts.with_slots(mine, theirs)] {
        assert!(memory(&bytes).unwrap() == plaintext(2 * CHUNK + 9));
        assert!(matches!(fault(verify(&bytes).unwrap_err()), Fault::SlotDamaged(_)));
    }
    assert_fault(&parts.with_slots(theirs, theirs), &Fault::BothSlotsDamaged);
    // With a right checksum, and whatever generation it pretends to have.
    for generation in [1, 2, u64::MAX] {
        let mut slot = theirs.to_vec();
        slot[4..12].copy_from_slice(&generation.to_be_bytes());
        checksum_again(&parts.preamble, &mut slot);
        for bytes in
            [parts.with_slots(&slot, &slot), parts.with_slots(&slot, mine), parts.with_slots(mine, &slot)]
        {
            drop(faults(&bytes));
        }
    }
    // Its wrapped keys and metadata in a slot that a holder of the data key made.
    for part in 0..2 {
        let mixed = parts.slot(|body| match part {
            0 => body.recipients.clone_from(&donor.body.recipients),
            _ => body.metadata.clone_from(&donor.body.metadata),
        });
        drop(faults(&parts.with_slots(&mixed, &mixed)));
    }
    assert_eq!(parts.body.recipients[0].blob.len(), KEY_BLOB);
}

/// An older slot beside a newer one is what an interrupted rewrite leaves, wherever they
/// stand: the newer counts. One that was copied over both is an older file.
#[test]
fn the_newer_of_two_slots_counts_wherever_they_stand() {
    let parts = whole();
    let newer = parts.slot(|body| {
        body.generation = 2;
        body.recipients.retain(|stanza| stanza.key_id == kek(9).id());
    });
    let older = &parts.bytes[SLOT_A..SLOT_B];
    for bytes in [parts.with_slots(older, &newer), parts.with_slots(&newer, older)] {
        let sealed = || Sealed::from_bytes("f", &bytes[..]).unwrap();
        assert!(matches!(sealed().unlock(&kek(1)), Err(ContainerError::NoKey { .. })));
        assert_eq!(sealed().unlock(&kek(9)).unwrap().header().generation(), 2);
        assert!(!sealed().header().is_whole());
    }
}
