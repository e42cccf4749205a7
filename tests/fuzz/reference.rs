//! A second reader of headers, from `docs/file-format.md` alone: it says whether a file
//! has one, and what that says, for the comparison with the first.

use std::collections::HashSet;
use std::ops::Range;

use sealserve::crypto::digest::sha256;

use crate::forge::{BOUND, DIGEST, REGION};

/// What a slot's body says; ranges are of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) generation: u64,
    pub(super) recipients: Vec<Recipient>,
    pub(super) metadata: Range<usize>,
    pub(super) signatures: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipient {
    pub(super) kind: u16,
    pub(super) key_id: [u8; 16],
    pub(super) blob: Range<usize>,
}

impl Body {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut at = 0;
        let mut take = |length: usize| {
            let range = at..at + length;
            at += length;
            body.get(range.clone()).map(|_| range)
        };
        let number =
            |range: Range<usize>| body[range].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let generation = number(take(8)?);
        let mut recipients = Vec::new();
        for _ in 0..number(take(2)?) {
            let kind = u16::try_from(number(take(2)?)).unwrap();
            let key_id = body[take(16)?].try_into().unwrap();
            let length = number(take(2)?);
            recipients.push(Recipient { kind, key_id, blob: take(usize::try_from(length).unwrap())? });
        }
        let length = number(take(2)?);
        let metadata = take(usize::try_from(length).unwrap())?;
        let length = number(take(2)?);
        let signatures = take(usize::try_from(length).unwrap())?;

        let alone = recipients.len() == 1;
        let right = |recipient: &Recipient| match recipient.kind {
            1 => recipient.blob.len() == 104,
            2 => alone && recipient.blob.len() == 116 && cost_is_allowed(&body[recipient.blob.clone()]),
            3 | 4 => true,
            _ => false,
        };
        let well = signatures.end == body.len()
            && signatures.len().is_multiple_of(80)
            && (72..=16_472).contains(&metadata.len())
            && !recipients.is_empty()
            && all_differ(recipients.iter().map(|recipient| &recipient.key_id[..]))
            && all_differ(body[signatures.clone()].chunks(80).map(|record| &record[..16]))
            && recipients.iter().all(right);
        well.then_some(Self { generation, recipients, metadata, signatures })
    }
}

fn all_differ<'a>(ids: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    ids.clone().collect::<HashSet<_>>().len() == ids.count()
}

/// Whether a passphrase costs as much as RFC 9106 demands, and no more than gigabytes
/// and seconds.
pub(super) fn cost_is_allowed(blob: &[u8]) -> bool {
    let [m, t, p] = [0, 4, 8].map(|at| u64::from(u32::from_be_bytes(blob[at..at + 4].try_into().unwrap())));
    (1..=16).contains(&p) && m >= 8 * p && m <= 1 << 20 && t >= 1 && m * t <= 4 << 20
}

/// A slot whose checksum is right.
pub(super) struct Slot<'a> {
    pub(super) body: Body,
    /// The body, its length before it.
    pub(super) framed: &'a [u8],
    pub(super) mac: &'a [u8],
}

impl<'a> Slot<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let content = &bytes[..bytes.len() - DIGEST];
        let length = usize::try_from(u32::from_be_bytes(content[..4].try_into().unwrap())).unwrap();
        let framed = content.get(..4 + length)?;
        let mac = content.get(4 + length..4 + length + DIGEST)?;
        let zeros = content[4 + length + DIGEST..].iter().all(|byte| *byte == 0);
        Some(Self { body: Body::read(&framed[4..]).filter(|_| zeros)?, framed, mac })
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        &self.framed[4..][range]
    }
}

/// What a file that has a header says there.
pub(super) struct Header<'a> {
    pub(super) bound: [u8; BOUND],
    pub(super) slot_len: u32,
    pub(super) detached: bool,
    /// Slots A and B, where they are in.
    pub(super) slots: [Option<Slot<'a>>; 2],
    /// Which of them counts.
    pub(super) current: usize,
}

impl<'a> Header<'a> {
    pub(super) fn read(file: &'a [u8]) -> Option<Self> {
        let bound: [u8; BOUND] = *file.first_chunk()?;
        let number = |at: usize| u32::from_be_bytes(bound[at..at + 4].try_into().unwrap());
        let (flags, slot_len, offset) = (number(12), number(32), number(36));
        let length = REGION + 2 * usize::try_from(slot_len).unwrap();
        let right = bound[..12] == *b"\x89SEALED\n\0\x01\0\x01"
            && flags <= 1
            && (8192..=65_536).contains(&slot_len)
            && slot_len.is_multiple_of(4096)
            && offset == if flags == 1 { 0 } else { 4096 + 2 * slot_len }
            && file.get(40..REGION)?.iter().all(|byte| *byte == 0)
            && if flags == 1 { file.len() == length } else { file.len() >= length };
        if !right {
            return None;
        }
        let (a, b) = file[REGION..length].split_at(slot_len as usize);
        let mut slots = [None, None];
        for (place, bytes) in slots.iter_mut().zip([a, b]) {
            let (content, checksum) = bytes.split_last_chunk::<DIGEST>()?;
            if sha256(&[&bound, content]) == *checksum {
                *place = Some(Slot::read(bytes)?);
            }
        }
        let current = match &slots {
            [None, None] => return None,
            [_, None] => 0,
            [None, _] => 1,
            [Some(a), Some(b)] if a.body.generation == b.body.generation => {
                (a.framed == b.framed && a.mac == b.mac).then_some(0)?
            }
            [Some(a), Some(b)] => usize::from(b.body.generation > a.body.generation),
        };
        Some(Self { bound, slot_len, detached: flags == 1, slots, current })
    }

    pub(super) fn current(&self) -> &Slot<'a> {
        self.slots[self.current].as_ref().unwrap()
    }
}
