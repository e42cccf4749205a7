//! The preamble and both slots together: which slot counts, and what it opens.

use std::io::Read;

use super::body::SignatureRecord;
use super::error::{ContainerError, Fault};
use super::identities::KeySource;
use super::ids::{ArtifactId, KeyId, RecipientKind, SlotName};
use super::metadata::Metadata;
use super::preamble::{Preamble, REGION};
use super::slot::Slot;
use super::stanza::Stanza;
use super::stream::{Named, read_up_to};
use crate::crypto::digest::Digest;
use crate::secret::Secret;

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
    pub(super) fn read(input: &mut Named<impl Read>) -> Result<Self, ContainerError> {
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
    pub(super) fn current(&self) -> &Slot {
        &self.current
    }

    pub(super) fn preamble(&self) -> &Preamble {
        &self.preamble
    }

    /// Unwraps the data key with the first recipient whose key `keys` has.
    pub(super) fn unlock(
        &self,
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Opening, ContainerError> {
        let opening = self.unlock_by(self.recipients(), name, keys)?;
        opening.ok_or_else(|| self.no_key(name, keys.describe()))
    }

    /// Like [`unlock`](Self::unlock), also with a recipient of the older generation that
    /// an interrupted rewrite left: who began it may not be able to open the newer one.
    pub(super) fn unlock_to_rewrite(
        &self,
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Opening, ContainerError> {
        let opening = match self.unlock_by(self.recipients(), name, keys)? {
            None => self
                .stale
                .as_ref()
                .map_or(Ok(None), |stale| self.unlock_by(&stale.body.recipients, name, keys))?,
            opened => opened,
        };
        opening.ok_or_else(|| self.no_key(name, keys.describe()))
    }

    fn unlock_by(
        &self,
        recipients: &[Stanza],
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Option<Opening>, ContainerError> {
        let of = |kind| recipients.iter().filter(move |stanza| stanza.kind == kind);
        let found = of(RecipientKind::Key).find_map(|stanza| Some((stanza, keys.find(&stanza.key_id)?)));
        if let Some((stanza, kek)) = found {
            let data_key = kek.unwrap(stanza, &self.preamble).map_err(Fault::of(name))?;
            return self.authenticate(stanza, data_key).map(Some).map_err(Fault::of(name));
        }
        // A command is asked last: it may cost money, or a person's time. What cannot be
        // used now, a card that is not plugged in, must not hide what would do.
        let mut failed = None;
        for kind in [RecipientKind::Passphrase, RecipientKind::Age, RecipientKind::External] {
            for stanza in of(kind) {
                let Some(others) = keys.others() else { continue };
                match others.unwrap(name, stanza, &self.preamble) {
                    Ok(None) => {}
                    Ok(Some(data_key)) => {
                        return self.authenticate(stanza, data_key).map(Some).map_err(Fault::of(name));
                    }
                    Err(damage @ ContainerError::Fault { .. }) => return Err(damage),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Checks all that the header says. A stale slot is checked too: no
    /// interruption leaves one with a right checksum and a wrong MAC.
    fn authenticate(&self, stanza: &Stanza, data_key: Secret<32>) -> Result<Opening, Fault> {
        self.current.authenticate(&self.preamble, &data_key)?;
        if let Some(stale) = &self.stale {
            stale.authenticate(&self.preamble, &data_key)?;
        }
        let (metadata, metadata_digest) =
            Metadata::open(&self.current.body.metadata, &self.preamble, &data_key)?;
        Ok(Opening { kind: stanza.kind, key_id: stanza.key_id, data_key, metadata, metadata_digest })
    }

    fn no_key(&self, name: &str, tried: Vec<String>) -> ContainerError {
        let name = name.to_owned();
        let kinds = self.recipients().iter().map(|stanza| stanza.kind).collect();
        let recipients = self.recipients().iter().map(ToString::to_string).collect();
        ContainerError::NoKey { name, recipients, tried, kinds }
    }
}

/// What an authentic header gives to who can open it.
#[derive(Debug)]
pub(super) struct Opening {
    /// The recipient that opened it.
    pub(super) kind: RecipientKind,
    pub(super) key_id: KeyId,
    pub(super) data_key: Secret<32>,
    pub(super) metadata: Metadata,
    /// SHA-256 of the metadata's JSON, which signatures cover.
    pub(super) metadata_digest: Digest,
}
