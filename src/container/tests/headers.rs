//! Headers that someone wrote who knows the format: with the right key, or
//! with none and a checksum made right again.

use super::*;
use crate::container::header::body::Body;
use crate::container::header::body::tests::passphrase_blob;
use crate::container::header::slot;
use crate::container::header::slot::tests::checksum_again;
use crate::container::preamble::Preamble;
use crate::crypto::digest::sha256;
use crate::crypto::{cobblestone, kdf, mac};

/// The parts of a fresh file for key 1.
pub(super) struct Parts {
    pub(super) bytes: Vec<u8>,
    pub(super) preamble: Preamble,
    pub(super) body: Body,
    pub(super) data_key: Secret<32>,
}

pub(super) fn parts() -> Parts {
    parts_of(sealed(100))
}

/// The parts of a file for key 1.
pub(super) fn parts_of(bytes: Vec<u8>) -> Parts {
    let preamble = Preamble::parse(&bytes).unwrap();
    let slot = slot::Slot::parse(&preamble, SlotName::A, &bytes[SLOT_A..SLOT_B]).unwrap().unwrap();
    let data_key = kek(1).unwrap(&slot.body.recipients[0], &preamble).unwrap();
    Parts { bytes, preamble, body: slot.body, data_key }
}

impl Parts {
    /// A slot as a holder of the data key makes it.
    pub(super) fn slot(&self, change: impl FnOnce(&mut Body)) -> Vec<u8> {
        let mut body = self.body.clone();
        change(&mut body);
        slot::write(&self.preamble, &body.encode().unwrap(), &self.data_key).unwrap()
    }

    pub(super) fn with_slots(&self, a: &[u8], b: &[u8]) -> Vec<u8> {
        [&self.bytes[..SLOT_A], a, b, &self.bytes[PAYLOAD..]].concat()
    }

    /// The file after `change` to both slots, their checksums made right again.
    fn forged(&self, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut slot = self.bytes[SLOT_A..SLOT_B].to_vec();
        change(&mut slot);
        checksum_again(&self.preamble, &mut slot);
        self.with_slots(&slot, &slot)
    }

    fn original(&self) -> &[u8] {
        &self.bytes[SLOT_A..SLOT_B]
    }
}

#[test]
fn the_layout_is_that_of_the_format() {
    let Parts { bytes, preamble, body, data_key } = parts();
    let be = |at: usize, length: usize| bytes[at..at + length].iter().fold(0, |n, b| n << 8 | u64::from(*b));
    assert_eq!(&bytes[..8], b"\x89SEALED\n");
    assert_eq!([be(8, 2), be(10, 2), be(12, 4)], [1, 1, 0]);
    assert_eq!([be(32, 4), be(36, 4)], [SLOT as u64, PAYLOAD as u64]);
    assert!(bytes[40..4096].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[SLOT_A..SLOT_B], bytes[SLOT_B..PAYLOAD]);
    let length = usize::try_from(be(SLOT_A, 4)).unwrap();
    assert_eq!(be(SLOT_A + 4, 8), 1, "generation");
    assert_eq!(be(SLOT_A + 12, 2), 1, "recipients");
    assert_eq!(be(SLOT_A + 14, 2), 1, "type");
    assert_eq!(bytes[SLOT_A + 16..SLOT_A + 32], kek(1).id().0);
    assert_eq!(be(SLOT_A + 32, 2), 104, "length of the wrapped key");
    assert_eq!(be(SLOT_A + 138, 2), body.metadata.len() as u64);
    assert_eq!(be(SLOT_A + 4 + length - 2, 2), 0, "signatures");

    // The derivations, once more by hand.
    let p = &bytes[..64];
    let wrap = [b"sealserve/v1/wrap\0", p, &[0, 1], &kek(1).id().0].concat();
    let wrapped = &bytes[SLOT_A + 34..SLOT_A + 138];
    assert_eq!(cobblestone::open(kek(1).secret(), &wrap, wrapped).unwrap().expose(), data_key.expose());
    let meta = [b"sealserve/v1/meta\0", p].concat();
    let json = cobblestone::open(&data_key, &meta, &body.metadata).unwrap();
    assert_eq!(json.expose(), metadata().encode().unwrap());
    let payload = [b"sealserve/v1/payload\0", p].concat();
    let plain = cobblestone::open(&data_key, &payload, &bytes[PAYLOAD..]).unwrap();
    assert_eq!(plain.expose(), plaintext(100));
    let mac_key: Secret<32> = kdf::expand(&data_key, &[b"sealserve/v1/header-mac"]);
    let framed = &bytes[SLOT_A..SLOT_A + 4 + length];
    assert_eq!(mac::tag(&mac_key, &[p, framed]), bytes[SLOT_A + 4 + length..][..32]);
    assert_eq!(sha256(&[p, &bytes[SLOT_A..SLOT_B - 32]]), bytes[SLOT_B - 32..SLOT_B]);
    assert_eq!(preamble.bound(), p);
}

#[test]
fn any_recipient_opens_and_nobody_else() {
    let keys = [kek(7), kek(1), kek(9)];
    let bytes = sealed_with(&plaintext(50), &keys, &metadata());
    for key in &keys {
        let unlocked = Sealed::from_bytes("f", &bytes).unwrap().unlock(key).unwrap();
        assert_eq!(unlocked.key_id(), key.id());
        assert_eq!(unlocked.read_to_memory(&Silent).unwrap().expose(), plaintext(50));
    }
    let strangers = [kek(2), kek(3)];
    match Sealed::from_bytes("f", &bytes).unwrap().unlock(&strangers[..]) {
        Err(ContainerError::NoKey { name, recipients, tried, .. }) => {
            assert_eq!(name, "f");
            assert_eq!(recipients, keys.each_ref().map(|key| format!("key {}", key.id())));
            assert_eq!(tried, strangers.each_ref().map(|key| key.id().to_string()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_key_under_the_right_name_is_refused() {
    struct Liar;
    impl KeySource for Liar {
        fn find(&self, _: &KeyId) -> Option<Kek> {
            Some(kek(2))
        }
        fn describe(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let error = Sealed::from_bytes("f", sealed(1)).unwrap().unlock(&Liar).unwrap_err();
    assert_eq!(fault(error), Fault::Wrapping(kek(1).id()));
}

#[test]
fn changes_behind_a_right_checksum_are_refused() {
    let parts = parts();
    let forged = |at: usize| parts.forged(|slot| slot[at] ^= 1);
    let end = 4 + parts.body.encode().unwrap().len();
    let a = SlotName::A;
    assert!(matches!(faults(&forged(0))[0], Fault::SlotMalformed { .. }));
    assert_fault(&forged(11), &Fault::SlotForged(a));
    assert!(matches!(faults(&forged(13))[0], Fault::SlotMalformed { .. }));
    assert!(matches!(faults(&forged(33))[0], Fault::SlotMalformed { .. }));
    for at in [34, 80, 137] {
        assert_fault(&forged(at), &Fault::Wrapping(kek(1).id()));
    }
    for at in [140, end - 3] {
        // Metadata: the MAC is asked before they are decrypted.
        assert_fault(&forged(at), &Fault::SlotForged(a));
    }
    for at in [end, end + 31] {
        assert_fault(&forged(at), &Fault::SlotForged(a));
    }
    for at in [end + 32, SLOT - 33] {
        let what = "its unused bytes are not zero";
        assert_fault(&forged(at), &Fault::SlotMalformed { slot: a, what });
    }
    // Another key's name: then no key fits.
    assert!(matches!(memory(&forged(16)), Err(ContainerError::NoKey { .. })));
}

#[test]
fn a_forged_generation_is_refused() {
    let parts = parts();
    let second = parts.slot(|body| body.generation = 2);
    // An old header promoted above a new one, and a new one relabelled.
    for generation in [0, 3, u64::MAX] {
        let mut forged = parts.original().to_vec();
        forged[4..12].copy_from_slice(&generation.to_be_bytes());
        checksum_again(&parts.preamble, &mut forged);
        assert_fault(&parts.with_slots(&forged, &second), &Fault::SlotForged(SlotName::A));
        assert_fault(&parts.with_slots(&second, &forged), &Fault::SlotForged(SlotName::B));
    }
}

#[test]
fn an_interrupted_rewrap_opens_with_the_newest_whole_slot() {
    let parts = parts();
    let stanza = |parts: &Parts| kek(4).wrap(&parts.preamble, &parts.data_key);
    let second = parts.slot(|body| {
        body.generation = 2;
        body.recipients = vec![stanza(&parts)];
    });
    let mut torn = second.clone();
    torn[SLOT / 2..].fill(0);

    let opens = |bytes: &[u8], key: u8| Sealed::from_bytes("f", bytes).unwrap().unlock(&kek(key)).is_ok();
    let slots = |bytes: &[u8]| Sealed::from_bytes("f", bytes).unwrap().header().slots();
    let before = parts.with_slots(parts.original(), &torn);
    assert!(opens(&before, 1) && !opens(&before, 4));
    assert_eq!(slots(&before), [SlotState::Current, SlotState::Damaged]);
    let between = parts.with_slots(parts.original(), &second);
    assert!(!opens(&between, 1) && opens(&between, 4));
    assert_eq!(slots(&between), [SlotState::Stale { generation: 1 }, SlotState::Current]);
    assert_eq!(Sealed::from_bytes("f", &between).unwrap().header().generation(), 2);
    let late = parts.with_slots(&torn, &second);
    assert!(!opens(&late, 1) && opens(&late, 4));
    let after = parts.with_slots(&second, &second);
    assert!(!opens(&after, 1) && opens(&after, 4));
    assert_eq!(slots(&after), [SlotState::Current; 2]);
}

#[test]
fn two_contents_of_one_generation_are_refused() {
    let parts = parts();
    let other = parts.slot(|body| body.recipients.push(kek(2).wrap(&parts.preamble, &parts.data_key)));
    assert_fault(&parts.with_slots(parts.original(), &other), &Fault::SlotsDisagree(1));
    let mut other = parts.original().to_vec();
    let mac = 4 + parts.body.encode().unwrap().len();
    other[mac] ^= 1;
    checksum_again(&parts.preamble, &mut other);
    assert_fault(&parts.with_slots(&other, parts.original()), &Fault::SlotsDisagree(1));
}

#[test]
fn metadata_of_another_file_are_refused() {
    let (parts, donor) = (parts(), parts());
    let mixed = parts.slot(|body| body.metadata.clone_from(&donor.body.metadata));
    assert_fault(&parts.with_slots(&mixed, &mixed), &Fault::MetadataForged);
}

#[test]
fn other_recipients_are_listed_and_do_not_disturb() {
    let parts = parts();
    let stanza = |kind: RecipientKind| {
        let key_id = KeyId([kind.number().to_be_bytes()[1]; 16]);
        Stanza { kind, key_id, blob: b"opaque".to_vec() }
    };
    let mixed = parts.slot(|body| {
        body.recipients.insert(0, stanza(RecipientKind::Age));
        body.recipients.push(stanza(RecipientKind::External));
        let record = |byte| SignatureRecord { signer: SignerId([byte; 16]), signature: [9; 64] };
        body.signatures = vec![record(7), record(8)];
    });
    let bytes = parts.with_slots(&mixed, &mixed);
    assert_eq!(memory(&bytes).unwrap(), plaintext(100));
    let sealed = Sealed::from_bytes("f", &bytes).unwrap();
    let kinds: Vec<_> = sealed.header().recipients().iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [RecipientKind::Age, RecipientKind::Key, RecipientKind::External]);
    assert_eq!(sealed.header().signatures().len(), 2);

    for kind in [RecipientKind::Passphrase, RecipientKind::Age, RecipientKind::External] {
        let only = parts.slot(|body| {
            body.recipients = vec![stanza(kind)];
            if kind == RecipientKind::Passphrase {
                body.recipients[0].blob = passphrase_blob();
            }
        });
        let error = memory(&parts.with_slots(&only, &only)).unwrap_err();
        assert!(matches!(error, ContainerError::NoKey { .. }), "{error}");
        assert!(error.to_string().contains(kind.name()), "{error}");
    }
}

#[test]
fn the_header_grows_with_its_recipients() {
    let keys: Vec<_> = (0..=255).map(kek).collect();
    for (count, slot_len) in [(1, 8192), (29, 8192), (40, 12288), (256, 65536)] {
        let bytes = sealed_with(b"x", &keys[..count], &metadata());
        let sealed = Sealed::from_bytes("f", &bytes).unwrap();
        assert_eq!(sealed.header().slot_len(), slot_len, "{count}");
        let unlocked = sealed.unlock(&keys[count - 1]).unwrap();
        assert_eq!(unlocked.read_to_memory(&Silent).unwrap().expose(), b"x");
    }
}
