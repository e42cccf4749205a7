//! Parts of a payload.

use super::*;

/// What a range gives, and what it wrote before it failed.
fn range(bytes: &[u8], range: std::ops::Range<u64>) -> (Vec<u8>, Result<u64, ContainerError>) {
    let unlocked = Sealed::from_bytes("f", bytes).unwrap().unlock(&kek(1)).unwrap();
    let mut out = Vec::new();
    let result = unlocked.decrypt_range(range, Named::new("out", &mut out), &Silent);
    (out, result)
}

#[test]
fn every_range_is_that_part_of_the_plaintext() {
    let length = 70 * CHUNK + 9;
    let (plain, bytes) = (plaintext(length), sealed(length));
    let edges =
        [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 32 * CHUNK - 1, 32 * CHUNK, 33 * CHUNK + 7, length - 1, length];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end > start) {
            let (out, result) = range(&bytes, start as u64..end as u64);
            assert_eq!(result.unwrap(), (end - start) as u64);
            assert!(out == plain[start..end], "{start}..{end}");
        }
    }
    assert!(range(&bytes, 5..u64::MAX).0 == plain[5..]);
    for length in [CHUNK - 1, CHUNK, 32 * CHUNK] {
        assert!(range(&sealed(length), 0..u64::MAX).0 == plaintext(length), "{length}");
    }
}

#[test]
fn a_range_behind_the_end_is_refused() {
    for (length, start) in [(0, 0), (5, 5), (CHUNK, CHUNK), (5, usize::MAX)] {
        let (out, result) = range(&sealed(length), start as u64..u64::MAX);
        assert!(matches!(result, Err(ContainerError::Range { length: l, .. }) if l == length as u64));
        assert!(out.is_empty());
    }
}

#[test]
fn only_the_chunks_that_are_read_must_be_intact() {
    let plain = plaintext(3 * CHUNK);
    let mut bytes = sealed(3 * CHUNK);
    bytes[CHUNKS + SEALED_CHUNK + 5] ^= 1;
    let chunk = CHUNK as u64;
    assert!(range(&bytes, 0..chunk).0 == plain[..CHUNK]);
    assert!(range(&bytes, 2 * chunk..u64::MAX).0 == plain[2 * CHUNK..]);
    for touched in [0..chunk + 1, chunk..chunk + 1, 2 * chunk - 1..2 * chunk + 1] {
        let (out, result) = range(&bytes, touched.clone());
        assert_eq!(fault(result.unwrap_err()), Fault::Chunk(1), "{touched:?}");
        // Nothing of the bad chunk, nor of any behind it.
        assert!(out == plain[usize::try_from(touched.start).unwrap()..][..out.len()]);
        assert!(out.len() as u64 + touched.start <= chunk || out.is_empty());
    }
    // A chunk at another's place, and a file that ends where no file can.
    let mut swapped = sealed(3 * CHUNK);
    let (a, b) = swapped[CHUNKS..].split_at_mut(SEALED_CHUNK);
    a.swap_with_slice(&mut b[..SEALED_CHUNK]);
    assert_eq!(fault(range(&swapped, 0..1).1.unwrap_err()), Fault::Chunk(0));
    let cut = &bytes[..CHUNKS + SEALED_CHUNK];
    assert_eq!(fault(range(cut, 0..1).1.unwrap_err()), Fault::LastChunkMissing(0));
}
