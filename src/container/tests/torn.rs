//! Slots that were being written when the power failed: the old or the new key always
//! opens the file, and the next attempt makes it whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::rewrites::{from_to, opens, put, rewrite};
use super::*;
use crate::container::preamble::Preamble;
use crate::container::sign;

/// A rewrite, and what it makes of a file.
struct Change {
    name: &'static str,
    before: Vec<u8>,
    after: Vec<u8>,
    /// The same again, which completes it.
    apply: Box<dyn Fn(&Path) -> Result<(), ContainerError>>,
    /// Keys that open the file before, and after.
    old: u8,
    new: u8,
}

impl Change {
    /// What `apply` does to a file for `keys`. The file has so many other recipients that
    /// its header covers several sectors.
    fn of(
        name: &'static str,
        keys: &[u8],
        (old, new): (u8, u8),
        apply: impl Fn(&Path) -> Result<(), ContainerError> + 'static,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = keys.iter().copied().chain(20..44).map(kek).collect();
        let before = sealed_with(&plaintext(CHUNK + 9), &keys, &metadata());
        assert_eq!(Preamble::parse(&before).unwrap().slot_len as usize, SLOT);
        let path = put(dir.path(), &before);
        apply(&path).unwrap();
        let after = std::fs::read(&path).unwrap();
        Self { name, before, after, apply: Box::new(apply), old, new }
    }

    fn slots(&self) -> [(SlotName, &[u8]); 2] {
        [(SlotName::B, &self.before[SLOT_B..PAYLOAD]), (SlotName::A, &self.before[SLOT_A..SLOT_B])]
    }

    /// The file as it is when the writing of `slot` is interrupted. The slot that was
    /// not authenticated is B, so it is written first.
    fn interrupted(&self, slot: SlotName, torn: &[u8]) -> Vec<u8> {
        let (before, after) = (&self.before, &self.after);
        let slots = match slot {
            SlotName::B => [&before[SLOT_A..SLOT_B], torn],
            SlotName::A => [torn, &after[SLOT_B..PAYLOAD]],
        };
        [&before[..SLOT_A], slots[0], slots[1], &before[PAYLOAD..]].concat()
    }

    /// Old or new key opens it, and where it is tried, which takes a disk's time, the
    /// next attempt makes it whole.
    fn survives(&self, what: &str, bytes: &[u8], heal: bool) {
        let what = format!("{} {what}", self.name);
        let unlocks = |key| Sealed::from_bytes("f", bytes).and_then(|sealed| sealed.unlock(&kek(key)));
        unlocks(self.old).or_else(|_| unlocks(self.new)).unwrap_or_else(|error| panic!("{what}: {error}"));
        if !heal {
            return;
        }
        let plain = plaintext(CHUNK + 9);
        assert!(opens(bytes, self.old).or_else(|_| opens(bytes, self.new)).unwrap() == plain, "{what}");
        let dir = tempfile::tempdir().unwrap();
        let path = put(dir.path(), bytes);
        (self.apply)(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let healed = std::fs::read(path).unwrap();
        assert_eq!(healed[SLOT_A..SLOT_B], healed[SLOT_B..PAYLOAD], "{what}");
        assert!(healed[PAYLOAD..] == bytes[PAYLOAD..], "{what}");
        assert!(opens(&healed, self.new).unwrap() == plain, "{what}");
        assert_eq!(opens(&healed, self.old).is_ok(), opens(&self.after, self.old).is_ok(), "{what}");
    }
}

fn rewrap() -> Change {
    Change::of("rewrap", &[1], (1, 2), |path| rewrite(path, &from_to(1, 2)).map(drop))
}

fn changes() -> [Change; 4] {
    let add = RecipientChange { add: vec![Recipient::Key(kek(2))], ..RecipientChange::default() };
    let remove = RecipientChange { remove: vec![kek(1).id()], ..RecipientChange::default() };
    let signer = Signer::generate();
    [
        rewrap(),
        Change::of("recipient add", &[1], (1, 2), move |path| rewrite(path, &add).map(drop)),
        Change::of("recipient remove", &[1, 2], (1, 2), move |path| rewrite(path, &remove).map(drop)),
        Change::of("sign", &[1], (1, 1), move |path| {
            sign(path, &kek(1), std::slice::from_ref(&signer), None, false, &Silent).map(drop)
        }),
    ]
}

/// What a power failure may leave of a slot whose writing began: any of its
/// sectors new and the others old.
fn torn(old: &[u8], new: &[u8], is_new: impl Fn(usize) -> bool) -> Vec<u8> {
    let pairs = old.chunks(512).zip(new.chunks(512)).enumerate();
    pairs.flat_map(|(i, (old, new))| if is_new(i) { new } else { old }).copied().collect()
}

#[test]
fn every_prefix_of_either_slot_is_survived_and_healed() {
    for change in changes() {
        let new = &change.after[SLOT_A..SLOT_B];
        for (name, old) in change.slots() {
            let mut differing = 0;
            for length in 0..=SLOT {
                // What changes nothing leaves what was looked at before.
                if length == 0 || old[length - 1] != new[length - 1] {
                    differing += 1;
                    // What the verbs write differs only in what it says: one is tried wholly.
                    if change.name != "rewrap" && differing % 7 != 0 {
                        continue;
                    }
                    let torn = [&new[..length], &old[length..]].concat();
                    let what = format!("{name} prefix {length}");
                    change.survives(&what, &change.interrupted(name, &torn), differing % 98 == 0);
                }
            }
            assert!(differing > 40, "{} {name}: {differing}", change.name);
        }
    }
}

#[test]
fn sectors_of_either_slot_in_any_order_are_survived_and_healed() {
    for change in changes() {
        let new = &change.after[SLOT_A..SLOT_B];
        for (name, old) in change.slots() {
            // Each alone, each but one, and a sample of the rest.
            let mut state = 0x2545_f491_4f6c_dd1d_u64;
            for round in 0..96_usize {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let is_new = |sector: usize| match round {
                    0..16 => sector == round,
                    16..32 => sector != round - 16,
                    _ => state >> (sector + 20) & 1 == 1,
                };
                let torn = torn(old, new, is_new);
                let what = format!("{name} sectors {round}");
                change.survives(&what, &change.interrupted(name, &torn), round % 6 == 0);
            }
        }
    }
}

/// A key that leaked counts also where only an interrupted rewrap left it.
#[test]
fn a_leaked_key_in_a_stale_slot_counts() {
    let change = rewrap();
    let stale = change.interrupted(SlotName::A, &change.before[SLOT_A..SLOT_B]);
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), &stale);
    let sealed = Sealed::open(&path).unwrap();
    assert!(sealed.header().has_recipient(&kek(1).id()) && sealed.header().has_recipient(&kek(2).id()));
    assert!(!sealed.header().is_whole());
    let leaked = RecipientChange { leaked: vec![kek(1).id()], ..from_to(1, 2) };
    assert!(matches!(rewrite(&path, &leaked), Err(ContainerError::Leaked { .. })));
}

/// Readers take no lock. A slot that looks torn to one because it is just being
/// written is looked at again, and not called damaged.
#[test]
fn a_reader_does_not_take_a_slot_that_is_being_written_for_damage() {
    let Change { before, after, .. } = rewrap();
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), &before);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What rewraps write, in their order, without the time that a disk takes.
            let file = File::options().write(true).open(&path).unwrap();
            let (old, new) = (&before[SLOT_A..SLOT_B], &after[SLOT_A..SLOT_B]);
            while !done.load(Ordering::Relaxed) {
                for slot in [new, old] {
                    for offset in [SLOT_B, SLOT_A] {
                        file.write_all_at(slot, offset as u64).unwrap();
                        std::thread::sleep(std::time::Duration::from_micros(20));
                    }
                }
            }
        });
        for _ in 0..10_000 {
            let sealed = Sealed::open(&path);
            done.store(sealed.is_err(), Ordering::Relaxed);
            let torn = sealed.unwrap().header().damaged_slot();
            done.store(torn.is_some(), Ordering::Relaxed);
            assert_eq!(torn, None);
        }
        done.store(true, Ordering::Relaxed);
    });
}
