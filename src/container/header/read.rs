//! Reading a header: the preamble and both slots together, and which slot counts.

use std::io::Read;

use super::body::SignatureRecord;
use super::slot::Slot;
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{ArtifactId, KeyId, SlotName};
use crate::container::preamble::{Preamble, REGION};
use crate::container::recipients::Stanza;
use crate::container::stream::{Named, read_up_to};

/// The condition of one header slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// It holds the newest generation.
    Current,
    /// It holds an older generation, since a rewrap was interrupted: until it is
    /// run again, the recipients of that generation can still open the file.
    Stale {
        /// That generation.
        generation: u64,
    },
    /// Its checksum is wrong: it was damaged, or its writing was interrupted.
    Damaged,
}

/// What a sealed file tells without a key. Nothing here is authenticated before
/// the file is unlocked.
#[derive(Debug, Clone)]
pub struct Header {
    preamble: Preamble,
    /// The slot of the highest generation.
    current: Slot,
    /// The other one.
    other: SlotState,
    /// The other one's content, where it is stale.
    stale: Option<Slot>,
}

impl Header {
    /// Reads a header and leaves `input` at the payload.
    pub(in crate::container) fn read(input: &mut Named<impl Read>) -> Result<Self, ContainerError> {
        let mut region = [0; REGION];
        let read = read_up_to(&mut input.stream, &mut region).map_err(|e| input.read_error(e))?;
        let preamble = Preamble::parse(&region[..read]).map_err(Fault::of(&input.name))?;

        let mut slots = vec![0; 2 * preamble.slot_len as usize];
        let read = read_up_to(&mut input.stream, &mut slots).map_err(|e| input.read_error(e))?;
        let truncated = (read < slots.len()).then_some(Fault::HeaderTruncated);
        truncated.map_or_else(|| Self::parse(preamble, &slots), Err).map_err(Fault::of(&input.name))
    }

    fn parse(preamble: Preamble, slots: &[u8]) -> Result<Self, Fault> {
        let (a, b) = slots.split_at(preamble.slot_len as usize);
        let a = Slot::parse(&preamble, SlotName::A, a)?;
        let b = Slot::parse(&preamble, SlotName::B, b)?;
        let (current, other, stale) = match (a, b) {
            (None, None) => return Err(Fault::BothSlotsDamaged),
            (Some(only), None) | (None, Some(only)) => (only, SlotState::Damaged, None),
            (Some(a), Some(b)) if a.body.generation == b.body.generation => {
                if !a.agrees_with(&b) {
                    return Err(Fault::SlotsDisagree(a.body.generation));
                }
                (a, SlotState::Current, None)
            }
            (Some(a), Some(b)) => {
                let (new, old) = if a.body.generation > b.body.generation { (a, b) } else { (b, a) };
                (new, SlotState::Stale { generation: old.body.generation }, Some(old))
            }
        };
        Ok(Self { preamble, current, other, stale })
    }

    /// The file's id: random, the same through every rewrap.
    pub fn artifact_id(&self) -> ArtifactId {
        self.preamble.artifact_id
    }

    /// How often the header was written; it begins with 1.
    pub fn generation(&self) -> u64 {
        self.current.body.generation
    }

    /// Bytes of one header slot.
    pub fn slot_len(&self) -> u32 {
        self.preamble.slot_len
    }

    /// Where the payload begins, in its own file where it has one.
    pub fn payload_offset(&self) -> u64 {
        self.preamble.payload_offset()
    }

    /// Whether the payload is in another file.
    pub fn is_detached(&self) -> bool {
        self.preamble.detached
    }

    /// Who can open the file.
    pub fn recipients(&self) -> &[Stanza] {
        &self.current.body.recipients
    }

    /// The records of those who signed the file; only `verify_signed` verifies them.
    pub fn signatures(&self) -> &[SignatureRecord] {
        &self.current.body.signatures
    }

    /// The condition of slots A and B.
    pub fn slots(&self) -> [SlotState; 2] {
        match self.current.name {
            SlotName::A => [SlotState::Current, self.other],
            SlotName::B => [self.other, SlotState::Current],
        }
    }

    /// The slot that is damaged, if one is.
    pub fn damaged_slot(&self) -> Option<SlotName> {
        match self.slots() {
            [SlotState::Damaged, _] => Some(SlotName::A),
            [_, SlotState::Damaged] => Some(SlotName::B),
            _ => None,
        }
    }

    /// Whether `id` opens the file, or what is left of an older header: a rewrap
    /// that was interrupted leaves one.
    pub fn has_recipient(&self, id: &KeyId) -> bool {
        let bodies = [Some(&self.current), self.stale.as_ref()].into_iter().flatten();
        bodies.flat_map(|slot| &slot.body.recipients).any(|stanza| stanza.key_id == *id)
    }

    /// Who could open the file before a rewrite that was interrupted, and still can:
    /// the recipients of the older generation.
    pub fn stale_recipients(&self) -> &[Stanza] {
        self.stale.as_ref().map_or(&[], |slot| &slot.body.recipients)
    }

    /// The older generation that a slot holds, where a rewrite was interrupted.
    pub fn stale_generation(&self) -> Option<u64> {
        self.stale.as_ref().map(|slot| slot.body.generation)
    }

    /// Whether both slots say the same, as they do unless something went wrong.
    pub fn is_whole(&self) -> bool {
        self.other == SlotState::Current
    }

    /// The slot that counts.
    pub(in crate::container) fn current(&self) -> &Slot {
        &self.current
    }

    pub(in crate::container) fn preamble(&self) -> &Preamble {
        &self.preamble
    }

    /// The content of the slot of the older generation, where a rewrite was interrupted.
    pub(super) fn stale(&self) -> Option<&Slot> {
        self.stale.as_ref()
    }
}
