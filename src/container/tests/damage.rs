//! Files that were cut, flipped, mixed or extended by someone without a key.

use super::*;
use crate::container::payload::batch;
use crate::error::Diagnose;

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn every_cut_is_refused_and_says_where() {
    let bytes = sealed(2 * CHUNK);
    let end = bytes.len();
    let expected = |cut: usize| match cut {
        0..8 => Fault::MagicTruncated(cut),
        8..PAYLOAD => Fault::HeaderTruncated,
        PAYLOAD..=CHUNKS => Fault::PayloadTruncated,
        _ => {
            let (whole, rest) = ((cut - CHUNKS) / SEALED_CHUNK, (cut - CHUNKS) % SEALED_CHUNK);
            match rest {
                0 => Fault::LastChunkMissing(whole as u64 - 1),
                1..TAG => Fault::ChunkTruncated(whole as u64),
                _ => Fault::LastChunk(whole as u64),
            }
        }
    };
    let edges = [8, 64, 4096, SLOT_B, PAYLOAD, PAYLOAD + 24, CHUNKS, CHUNKS + SEALED_CHUNK, end - TAG];
    let around = edges.iter().flat_map(|edge| edge - 1..=edge + 1);
    let tags = [CHUNKS + TAG, CHUNKS + SEALED_CHUNK + TAG, CHUNKS + 2 * SEALED_CHUNK, end - 1];
    for cut in around.chain(tags).chain((0..end).step_by(2997)) {
        assert_fault(&bytes[..cut], &expected(cut));
    }
}

/// The size of the model, which sealed files tell, blames no one else for a cut.
#[test]
fn a_file_that_tells_its_size_is_called_cut_short_wherever_it_is_cut() {
    let plain = plaintext(2 * CHUNK + 500);
    let metadata = Metadata { size: Some(plain.len() as u64), ..metadata() };
    let bytes = sealed_with(&plain, &[kek(1)], &metadata);
    assert_eq!(verify(&bytes).unwrap(), plain.len() as u64);
    let cuts = (0..bytes.len()).step_by(499).chain([7, 8, 4095, PAYLOAD, CHUNKS, bytes.len() - 1]);
    for cut in cuts {
        for fault in faults(&bytes[..cut]) {
            let error = Fault::of("f")(fault);
            let said = format!("{} {}", std::error::Error::source(&error).unwrap(), error.hint().unwrap());
            assert!(said.contains("cut short"), "{cut}: {said}");
            assert!(!said.contains("metadata"), "{cut}: {said}");
        }
    }
    for more in [1, TAG, SEALED_CHUNK] {
        let longer = [&bytes[..], &vec![0; more]].concat();
        let fault = fault(memory(&longer).unwrap_err());
        if more != SEALED_CHUNK {
            assert!(matches!(fault, Fault::Length { .. } | Fault::ChunkTruncated(_)), "{more}: {fault}");
        }
        let error = Fault::of("f")(fault);
        assert!(!error.hint().unwrap().contains("metadata"), "{more}");
    }
}

#[test]
fn a_missing_last_chunk_shows_at_the_end_of_a_batch() {
    for chunks in [batch::CHUNKS, 4 * batch::CHUNKS] {
        let bytes = sealed(chunks * CHUNK);
        let cut = bytes.len() - TAG;
        assert_fault(&bytes[..cut], &Fault::LastChunkMissing(chunks as u64 - 1));
        assert_fault(&bytes[..=cut], &Fault::ChunkTruncated(chunks as u64));
    }
}

#[test]
fn every_flip_in_the_preamble_is_refused() {
    let bytes = sealed(100);
    for at in (0..64).chain((64..4096).step_by(61)).chain([4095]) {
        for fault in faults(&flip(&bytes, at)) {
            let as_expected = match at {
                0..8 => fault == Fault::NotSealed,
                8..10 => matches!(fault, Fault::Version(_)),
                10..12 => matches!(fault, Fault::Suite(_)),
                // The lowest flag is known, and moves the payload.
                15 => matches!(fault, Fault::Preamble(what) if what.contains("flags")),
                12..16 => matches!(fault, Fault::Flags(_)),
                16..32 => fault == Fault::BothSlotsDamaged,
                36..40 => matches!(fault, Fault::Preamble(what) if what.contains("offset")),
                _ => matches!(fault, Fault::Preamble(_)),
            };
            assert!(as_expected, "byte {at}: {fault}");
        }
    }
}

#[test]
fn one_damaged_slot_is_survived_and_reported() {
    let bytes = sealed(100);
    let sampled = (0..400).step_by(9).chain((400..SLOT).step_by(509)).chain([SLOT - 33, SLOT - 32, SLOT - 1]);
    for at in sampled {
        for (start, name, states) in [
            (SLOT_A, SlotName::A, [SlotState::Damaged, SlotState::Current]),
            (SLOT_B, SlotName::B, [SlotState::Current, SlotState::Damaged]),
        ] {
            let bytes = flip(&bytes, start + at);
            let (plain, result) = stream(&bytes);
            assert_eq!(result.unwrap(), 100);
            assert_eq!(plain, plaintext(100));
            assert_eq!(memory(&bytes).unwrap(), plain);
            let sealed = Sealed::from_bytes("f", &bytes[..]).unwrap();
            assert_eq!(sealed.header().slots(), states);
            assert_eq!(sealed.header().damaged_slot(), Some(name));
            assert_eq!(sealed.header().generation(), 1);
            assert_eq!(fault(verify(&bytes).unwrap_err()), Fault::SlotDamaged(name));
        }
        let both = flip(&flip(&bytes, SLOT_A + at), SLOT_B + at);
        assert_fault(&both, &Fault::BothSlotsDamaged);
    }
}

#[test]
fn every_flip_in_the_payload_is_refused() {
    let bytes = sealed(2 * CHUNK + 10);
    for at in PAYLOAD..CHUNKS {
        assert_fault(&flip(&bytes, at), &Fault::Commitment);
    }
    for at in (CHUNKS..bytes.len()).step_by(331).chain(bytes.len() - 26..bytes.len()) {
        let expected = match ((at - CHUNKS) / SEALED_CHUNK) as u64 {
            2 => Fault::LastChunk(2),
            index => Fault::Chunk(index),
        };
        assert_fault(&flip(&bytes, at), &expected);
    }
}

#[test]
fn only_what_precedes_the_damage_is_released() {
    let plain = plaintext(200 * CHUNK);
    let bytes = sealed_with(&plain, &[kek(1)], &metadata());
    for chunk in [0, 1, 63, 64, 130, 199] {
        let (released, result) = stream(&flip(&bytes, CHUNKS + chunk * SEALED_CHUNK + 9));
        assert_eq!(fault(result.unwrap_err()), Fault::Chunk(chunk as u64));
        assert_eq!(released.len(), chunk / batch::CHUNKS * batch::CHUNKS * CHUNK);
        assert!(plain.starts_with(&released));
    }
}

#[test]
fn of_several_damaged_chunks_the_first_is_named() {
    let bytes = sealed(400 * CHUNK);
    // 128 begins a batch, so it is found before 127, which ends one.
    let damaged = [390, 300, 128, 127].iter().fold(bytes, |bytes, i| flip(&bytes, CHUNKS + i * SEALED_CHUNK));
    for _ in 0..20 {
        assert_fault(&damaged, &Fault::Chunk(127));
    }
}

#[test]
fn appended_bytes_are_refused() {
    for length in [0, 10, CHUNK - 1, CHUNK, 64 * CHUNK] {
        let bytes = sealed(length);
        for more in [1, TAG, 100, SEALED_CHUNK, SEALED_CHUNK + 1, 65 * SEALED_CHUNK] {
            let mut bytes = bytes.clone();
            bytes.resize(bytes.len() + more, 0);
            for fault in faults(&bytes) {
                let last = (length / CHUNK) as u64;
                let named = match fault {
                    Fault::Chunk(i)
                    | Fault::LastChunk(i)
                    | Fault::ChunkTruncated(i)
                    | Fault::LastChunkMissing(i) => i >= last,
                    _ => false,
                };
                assert!(named, "{length} + {more}: {fault}");
            }
        }
    }
}

#[test]
fn swapped_repeated_and_removed_chunks_are_refused() {
    let bytes = sealed(3 * CHUNK + 10);
    let chunk = |i: usize| &bytes[CHUNKS + i * SEALED_CHUNK..][..SEALED_CHUNK];
    let last = &bytes[CHUNKS + 3 * SEALED_CHUNK..];
    let mix = |chunks: &[&[u8]]| [&[&bytes[..CHUNKS]], chunks].concat().concat();
    assert!(mix(&[chunk(0), chunk(1), chunk(2), last]) == bytes);
    assert_fault(&mix(&[chunk(1), chunk(0), chunk(2), last]), &Fault::Chunk(0));
    assert_fault(&mix(&[chunk(0), chunk(2), chunk(1), last]), &Fault::Chunk(1));
    assert_fault(&mix(&[chunk(0), chunk(0), chunk(2), last]), &Fault::Chunk(1));
    assert_fault(&mix(&[chunk(0), chunk(2), last]), &Fault::Chunk(1));
    assert_fault(&mix(&[chunk(0), chunk(1), last]), &Fault::LastChunk(2));
    assert_fault(&mix(&[chunk(0), chunk(1), chunk(2), chunk(2), last]), &Fault::Chunk(3));
}

#[test]
fn parts_of_two_files_for_the_same_key_do_not_mix() {
    let (one, two) = (sealed(2 * CHUNK), sealed(2 * CHUNK));
    for (from, to, expected) in [
        (0, SLOT_A, Fault::BothSlotsDamaged),
        (SLOT_A, PAYLOAD, Fault::BothSlotsDamaged),
        (0, PAYLOAD, Fault::Commitment),
        (PAYLOAD, one.len(), Fault::Commitment),
        (PAYLOAD, CHUNKS, Fault::Commitment),
        (CHUNKS, one.len(), Fault::Chunk(0)),
        (CHUNKS + SEALED_CHUNK, CHUNKS + 2 * SEALED_CHUNK, Fault::Chunk(1)),
    ] {
        let mut mixed = one.clone();
        mixed[from..to].copy_from_slice(&two[from..to]);
        assert_fault(&mixed, &expected);
    }
}

#[test]
fn what_is_no_sealed_file_is_refused() {
    assert_fault(b"", &Fault::MagicTruncated(0));
    for bytes in [&b"x"[..], b"\x08\x07\x12\x07pytorch", &[0; 9000], &[b'\n'; 5000]] {
        assert_fault(bytes, &Fault::NotSealed);
    }
}
