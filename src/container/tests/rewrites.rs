//! Headers that are rewritten in place: what an interruption leaves opens with
//! the old key or the new one, and the payload is never touched.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::headers::parts_of;
use super::recipients::{OTHER_KEY, PUBLIC_KEY, age_identity, age_recipient, recipients_of};
use super::*;
use crate::container::header::body::Body;
use crate::container::header::slot;
use crate::container::preamble::Preamble;
use crate::container::recipients::stanza;
use crate::fs::{Existing, SECRET};

pub(super) fn put(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join("f");
    crate::fs::write(&path, bytes, SECRET, Existing::Replace).unwrap();
    path
}

pub(super) fn from_to(old: u8, new: u8) -> RecipientChange {
    RecipientChange {
        add: vec![Recipient::Key(kek(new))],
        remove: vec![kek(old).id()],
        ..RecipientChange::default()
    }
}

pub(super) fn rewrite(path: &Path, change: &RecipientChange) -> Result<Rewritten, ContainerError> {
    Rewrite::recipients(path, &[kek(1), kek(2)][..], change, false, &Silent)
}

pub(super) fn opens(bytes: &[u8], key: u8) -> Result<Vec<u8>, ContainerError> {
    let unlocked = Sealed::from_bytes("f", bytes)?.unlock(&kek(key))?;
    Ok(unlocked.read_to_memory(&Silent)?.expose().to_vec())
}

#[test]
fn what_nothing_opens_counts_as_done_only_where_its_header_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let parts = parts_of(sealed(10));
    let age = age_recipient(PUBLIC_KEY);
    let blob = age.wrap(&parts.preamble, &parts.data_key).unwrap().blob;
    let named = |kind, blob: &[u8]| {
        let stanza = Stanza { kind, key_id: age.key_id().unwrap(), blob: blob.to_vec() };
        let slot = parts.slot(|body| body.recipients.push(stanza));
        put(dir.path(), &parts.with_slots(&slot, &slot))
    };
    let stranger = |path: &Path, old: u8, add: Vec<Recipient>| {
        let change = RecipientChange { add, ..from_to(old, 0) };
        Rewrite::recipients(path, &kek(9), &change, false, &Silent)
    };
    let refused = |done| matches!(done, Err(ContainerError::NoKey { .. }));
    let path = named(RecipientKind::Age, &blob);
    let done = stranger(&path, 2, vec![age.clone()]).unwrap();
    assert_eq!((done.changed, done.authentic, done.generation), (false, false, 1));
    // One who is to go is still there, or one who is to come is not.
    assert!(refused(stranger(&path, 1, vec![age.clone()])));
    assert!(refused(stranger(&path, 2, vec![age.clone(), age_recipient(OTHER_KEY)])));
    // That nobody is to come is no sign of an earlier run.
    assert!(refused(stranger(&path, 2, Vec::new())));
    // A key that is to come would open it, whatever the header says.
    assert!(refused(stranger(&path, 2, vec![kek(1).into()])));
    // Nor is a label of another kind a sign, or one of a blob that no run has written.
    let path = named(RecipientKind::External, &blob);
    assert!(refused(stranger(&path, 2, vec![age.clone()])));
    let path = named(RecipientKind::Age, b"x");
    assert!(refused(stranger(&path, 2, vec![age])));
}

/// Whoever knows the data key, or made the file, can write a header that names someone
/// who cannot open it; a rewrap to them must not lock the owner out and say "done".
#[test]
fn who_is_named_is_only_believed_where_it_opens() {
    let dir = tempfile::tempdir().unwrap();
    let parts = parts_of(sealed(10));
    let key_id = kek(2).id();
    let age = || age_recipient(PUBLIC_KEY);
    let named = |kind, key_id, blob| {
        let stanza = Stanza { kind, key_id, blob };
        let slot = parts.slot(|body| body.recipients.push(stanza));
        put(dir.path(), &parts.with_slots(&slot, &slot))
    };
    let junk = vec![7; stanza::KEY_BLOB];
    for (kind, blob) in [
        (RecipientKind::Key, junk.clone()),
        (RecipientKind::Age, b"age-encryption.org/v1".to_vec()),
        (RecipientKind::External, vec![1]),
    ] {
        let path = named(kind, key_id, blob);
        let rewritten = rewrite(&path, &from_to(1, 2)).unwrap();
        assert_eq!((rewritten.added, rewritten.removed), (vec![key_id], vec![kek(1).id()]), "{kind:?}");
        let after = std::fs::read(&path).unwrap();
        assert_eq!(opens(&after, 2).unwrap(), plaintext(10), "{kind:?}");
        assert_eq!(recipients_of(&after).len(), 1, "{kind:?}");
    }
    // A right blob of another data key opens nothing either.
    let other = kek(2).wrap(&parts.preamble, &crate::crypto::random::secret());
    let path = named(RecipientKind::Key, key_id, other.blob);
    assert_eq!(rewrite(&path, &from_to(1, 2)).unwrap().added, [key_id]);
    assert_eq!(opens(&std::fs::read(&path).unwrap(), 2).unwrap(), plaintext(10));

    // For age nothing here can tell, so it is wrapped for them in any case.
    let to_age = RecipientChange { add: vec![age()], ..from_to(1, 2) };
    let id = age().key_id().unwrap();
    for kind in [RecipientKind::Age, RecipientKind::Key] {
        let path = named(kind, id, junk.clone());
        assert_eq!(rewrite(&path, &to_age).unwrap().added, [id]);
        let after = std::fs::read(&path).unwrap();
        assert_eq!(recipients_of(&after).len(), 1);
        assert!(Sealed::from_bytes("f", &after).unwrap().unlock(&age_identity()).is_ok());
    }
}

/// A stranger's file for age must be signed to be served; one that a key opens need not be.
#[test]
fn a_file_that_anyone_could_have_made_is_named_when_it_gets_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let both = || {
        let mut identities = age_identity();
        identities.keys.push(kek(1));
        identities
    };
    let key = || Recipient::Key(kek(2));
    let age = || age_recipient(PUBLIC_KEY);
    let told = |sealed_for: &[Recipient], identities: Identities, add: Recipient, dry_run| {
        let mut out = Vec::new();
        let spec = SealSpec { recipients: sealed_for, metadata: &metadata() };
        seal(Named::new("m", &b"model"[..]), Named::new("o", &mut out), &spec, &Silent).unwrap();
        let change = RecipientChange { add: vec![add], ..RecipientChange::default() };
        let path = put(dir.path(), &out);
        let rewritten = Rewrite::recipients(&path, &identities, &change, dry_run, &Silent).unwrap();
        assert_eq!(rewritten.added.len(), 1);
        rewritten.of_unknown_origin
    };
    for dry_run in [true, false] {
        assert!(told(&[age()], age_identity(), key(), dry_run));
    }
    // It stays in need of a signature, or a holder of a key made it.
    assert!(!told(&[age()], age_identity(), age(), false));
    assert!(!told(&[age(), kek(1).into()], both(), key(), false));
    assert!(!told(&[kek(1).into()], both(), age(), false));
}

#[test]
fn a_rewrap_replaces_the_key_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let before = sealed_with(&plaintext(3 * CHUNK), &[kek(1), kek(9)], &metadata());
    let path = put(dir.path(), &before);
    let rewritten = rewrite(&path, &from_to(1, 2)).unwrap();
    assert_eq!((rewritten.added, rewritten.removed), (vec![kek(2).id()], vec![kek(1).id()]));
    assert_eq!((rewritten.generation, rewritten.changed, rewritten.healed), (2, true, false));

    let after = std::fs::read(&path).unwrap();
    assert_eq!(after[..SLOT_A], before[..SLOT_A]);
    assert!(after[PAYLOAD..] == before[PAYLOAD..]);
    assert_eq!(after[SLOT_A..SLOT_B], after[SLOT_B..PAYLOAD]);
    assert!(matches!(opens(&after, 1), Err(ContainerError::NoKey { .. })));
    for key in [2, 9] {
        assert!(opens(&after, key).unwrap() == plaintext(3 * CHUNK));
    }
    let sealed = Sealed::open(&path).unwrap();
    assert_eq!(sealed.unlock(&kek(2)).unwrap().verify(&Silent).unwrap(), 3 * CHUNK as u64);

    // A second time there is nothing to do.
    let again = rewrite(&path, &from_to(1, 2)).unwrap();
    assert!(!again.changed && again.generation == 2);
    assert!(std::fs::read(&path).unwrap() == after);
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let before = sealed(10);
    let path = put(dir.path(), &before);
    let would = Rewrite::recipients(&path, &kek(1), &from_to(1, 2), true, &Silent).unwrap();
    assert!(would.changed && would.generation == 2);
    assert!(std::fs::read(&path).unwrap() == before);
}

/// The order of writes is the whole point: had the authenticated slot been written
/// first, a torn one beside a damaged one would be the end of the file.
#[test]
fn the_slot_that_was_not_authenticated_is_written_first() {
    for (damaged, first) in [(SLOT_A, SlotName::A), (SLOT_B, SlotName::B)] {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = sealed(10);
        bytes[damaged + 9] ^= 1;
        let path = put(dir.path(), &bytes);
        let rewrite = Rewrite::begin(&path, &kek(1), &Silent).unwrap();
        assert_eq!(rewrite.order(), [first, if first == SlotName::A { SlotName::B } else { SlotName::A }]);
        drop(rewrite);
        let healed =
            Rewrite::recipients(&path, &kek(1), &RecipientChange::default(), false, &Silent).unwrap();
        assert!(healed.healed && healed.changed && healed.generation == 2);
        assert_eq!(verify(&std::fs::read(&path).unwrap()).unwrap(), 10);
    }
}

#[test]
fn nothing_is_written_where_something_is_not_authentic() {
    let dir = tempfile::tempdir().unwrap();
    let good = sealed(CHUNK);
    let other = sealed(CHUNK);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let forged = |at: usize| {
        let preamble = Preamble::parse(&good).unwrap();
        let mut slot = good[SLOT_A..SLOT_B].to_vec();
        slot[at] ^= 1;
        slot::tests::checksum_again(&preamble, &mut slot);
        [&good[..SLOT_A], &slot, &slot, &good[PAYLOAD..]].concat()
    };
    let cases = [
        ("wrapped key", forged(40)),
        ("generation", forged(11)),
        ("metadata", forged(180)),
        ("payload's commitment", flipped(PAYLOAD + 30)),
        ("payload's salt", flipped(PAYLOAD)),
        ("another's payload", [&good[..PAYLOAD], &other[PAYLOAD..]].concat()),
        ("no payload", good[..PAYLOAD + 10].to_vec()),
        ("a payload cut at a chunk's edge", good[..good.len() - TAG].to_vec()),
    ];
    for (what, bytes) in cases {
        let path = put(dir.path(), &bytes);
        let error = rewrite(&path, &from_to(1, 2)).unwrap_err();
        assert!(error.is_fault(), "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what}");
    }
    let path = put(dir.path(), &good);
    let error = Rewrite::recipients(&path, &kek(3), &from_to(1, 2), false, &Silent).unwrap_err();
    assert!(matches!(error, ContainerError::NoKey { .. }));
    assert!(std::fs::read(&path).unwrap() == good);
}

#[test]
fn impossible_changes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = sealed(10);
    let path = put(dir.path(), &good);
    let last = RecipientChange { remove: vec![kek(1).id()], ..RecipientChange::default() };
    assert!(matches!(rewrite(&path, &last), Err(ContainerError::LastRecipient { .. })));

    let leaked = RecipientChange { leaked: vec![kek(1).id()], ..from_to(1, 2) };
    let error = rewrite(&path, &leaked).unwrap_err();
    assert!(matches!(error, ContainerError::Leaked { key, .. } if key == kek(1).id()));
    assert!(crate::error::Diagnose::hint(&error).unwrap().contains("model reencrypt"));

    let many = (10..100).map(kek).map(Recipient::Key).collect();
    let crowd = RecipientChange { add: many, ..RecipientChange::default() };
    let error = rewrite(&path, &crowd).unwrap_err();
    assert!(matches!(error, ContainerError::NoRoom { .. }));
    assert!(crate::error::Diagnose::hint(&error).unwrap().contains("model reencrypt"));
    assert!(std::fs::read(&path).unwrap() == good);
}

/// A file for key 1 whose header is `change`d, by a holder of its data key.
fn with_body(change: impl FnOnce(&mut Body)) -> Vec<u8> {
    let bytes = sealed(10);
    let preamble = Preamble::parse(&bytes).unwrap();
    let slot = slot::Slot::parse(&preamble, SlotName::A, &bytes[SLOT_A..SLOT_B]).unwrap().unwrap();
    let data_key = kek(1).unwrap(&slot.body.recipients[0], &preamble).unwrap();
    let mut body = slot.body;
    change(&mut body);
    let slot = slot::write(&preamble, &body.encode().unwrap(), &data_key).unwrap();
    [&bytes[..SLOT_A], &slot, &slot, &bytes[PAYLOAD..]].concat()
}

/// The size of the payload does not matter: it would take hours to read this one.
#[test]
fn a_terabyte_is_rewrapped_like_a_kilobyte() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), &sealed(10));
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len((CHUNKS + TAG) as u64 + (1 << 26) * SEALED_CHUNK as u64).unwrap();
    assert!(rewrite(&path, &from_to(1, 2)).unwrap().changed);
    assert!(Sealed::open(&path).unwrap().unlock(&kek(2)).is_ok());
}

#[test]
fn signatures_and_other_recipients_stay() {
    let dir = tempfile::tempdir().unwrap();
    let record = SignatureRecord { signer: SignerId([4; 16]), signature: [5; 64] };
    let age = Stanza { kind: RecipientKind::Age, key_id: KeyId([6; 16]), blob: vec![7; 300] };
    let bytes = with_body(|body| {
        body.signatures.push(record.clone());
        body.recipients.insert(0, age.clone());
    });
    let path = put(dir.path(), &bytes);
    let rewritten = rewrite(&path, &from_to(1, 2)).unwrap();
    assert_eq!(rewritten.recipients[0], age);
    let sealed = Sealed::open(&path).unwrap();
    assert_eq!(sealed.header().signatures(), [record]);
    assert_eq!(sealed.unlock(&kek(2)).unwrap().metadata(), &metadata());
}

#[test]
fn the_last_generation_is_not_counted_over() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = with_body(|body| body.generation = u64::MAX);
    let path = put(dir.path(), &bytes);
    assert!(matches!(rewrite(&path, &from_to(1, 2)), Err(ContainerError::Exhausted { .. })));
    assert!(std::fs::read(path).unwrap() == bytes);
}

#[test]
fn writers_take_turns_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), &sealed(10));
    let add = |key| RecipientChange { add: vec![Recipient::Key(kek(key))], ..RecipientChange::default() };
    std::thread::scope(|scope| {
        for key in 2..12 {
            let (path, change) = (&path, add(key));
            scope.spawn(move || rewrite(path, &change).unwrap());
        }
    });
    let sealed = Sealed::open(&path).unwrap();
    assert_eq!((sealed.header().generation(), sealed.header().recipients().len()), (11, 11));
    assert!(sealed.header().is_whole());
}

#[test]
fn what_is_encrypted_again_has_nothing_in_common_but_its_content() {
    for length in LENGTHS {
        let plain = plaintext(length);
        let given = Metadata { size: Some(length as u64), ..metadata() };
        let old = sealed_with(&plain, &[kek(1), kek(9)], &given);
        let mut new = Vec::new();
        let unlocked = Sealed::from_bytes("f", &old).unwrap().unlock(&kek(1)).unwrap();
        let summary =
            unlocked.reencrypt(Named::new("out", &mut new), &[Recipient::Key(kek(2))], &Silent).unwrap();
        assert_eq!((summary.plaintext_bytes, summary.sealed_bytes), (length as u64, new.len() as u64));
        assert_eq!(new.len(), old.len());
        assert_ne!(new[16..32], old[16..32], "artifact id");
        assert_ne!(new[PAYLOAD..CHUNKS], old[PAYLOAD..CHUNKS]);
        let same = new[CHUNKS..].chunks(SEALED_CHUNK).zip(old[CHUNKS..].chunks(SEALED_CHUNK));
        assert!(same.into_iter().all(|(new, old)| new != old), "{length}");
        assert!(opens(&new, 2).unwrap() == plain, "{length}");
        assert!(opens(&new, 1).is_err() && opens(&new, 9).is_err());
        let unlocked = Sealed::from_bytes("f", &new).unwrap().unlock(&kek(2)).unwrap();
        assert_eq!(unlocked.metadata(), &given);
        // The old data key opens nothing of the new file.
        let mixed = [&old[..PAYLOAD], &new[PAYLOAD..]].concat();
        assert_fault(&mixed, &Fault::Commitment);
    }
}

#[test]
fn metadata_of_a_later_version_are_carried_over() {
    let json = br#"{"name":"a","version":"1","media_type":"t","created":"c","licence":{"x":[1]}}"#;
    let old = with_body(|_| ());
    let preamble = Preamble::parse(&old).unwrap();
    let slot = slot::Slot::parse(&preamble, SlotName::A, &old[SLOT_A..SLOT_B]).unwrap().unwrap();
    let data_key = kek(1).unwrap(&slot.body.recipients[0], &preamble).unwrap();
    let later = crate::crypto::cobblestone::seal(&data_key, &preamble.context("meta"), json);
    let body = Body { metadata: later, ..slot.body };
    let slot = slot::write(&preamble, &body.encode().unwrap(), &data_key).unwrap();
    let old = [&old[..SLOT_A], &slot, &slot, &old[PAYLOAD..]].concat();

    let mut new = Vec::new();
    let unlocked = Sealed::from_bytes("f", &old).unwrap().unlock(&kek(1)).unwrap();
    unlocked.reencrypt(Named::new("out", &mut new), &[Recipient::Key(kek(2))], &Silent).unwrap();
    let preamble = Preamble::parse(&new).unwrap();
    let slot = slot::Slot::parse(&preamble, SlotName::A, &new[SLOT_A..SLOT_B]).unwrap().unwrap();
    let data_key = kek(2).unwrap(&slot.body.recipients[0], &preamble).unwrap();
    let carried = crate::crypto::cobblestone::open(&data_key, &preamble.context("meta"), &slot.body.metadata);
    assert_eq!(carried.unwrap().expose(), json);
}

#[test]
fn damage_is_not_encrypted_again() {
    let bytes = sealed(70 * CHUNK);
    let cases = [
        (CHUNKS + 5, Fault::Chunk(0)),
        (CHUNKS + 65 * SEALED_CHUNK, Fault::Chunk(65)),
        (bytes.len() - 1, Fault::LastChunk(70)),
        (PAYLOAD + 3, Fault::Commitment),
    ];
    let reencrypt = |bytes: &[u8]| {
        let unlocked = Sealed::from_bytes("f", bytes).unwrap().unlock(&kek(1)).unwrap();
        fault(
            unlocked
                .reencrypt(Named::new("out", io::sink()), &[Recipient::Key(kek(2))], &Silent)
                .unwrap_err(),
        )
    };
    for (at, expected) in cases {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert_eq!(reencrypt(&bytes), expected);
    }
    assert_eq!(reencrypt(&bytes[..bytes.len() - TAG]), Fault::LastChunkMissing(69));
}
