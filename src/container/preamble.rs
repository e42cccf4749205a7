//! The first 4096 bytes: what the file is, and where its parts lie. Everything
//! that is encrypted or authenticated later is bound to the first 64 of them.

use super::error::Fault;
use super::ids::ArtifactId;

/// Bytes of the whole region; those beyond the fields are zero.
pub(super) const REGION: usize = 4096;
/// Header slots are multiples of this, from twice up to 16 times as long.
pub(super) const SLOT_UNIT: u32 = 4096;
pub(super) const MIN_SLOT: u32 = 2 * SLOT_UNIT;
pub(super) const MAX_SLOT: u32 = 16 * SLOT_UNIT;
/// Bytes that a slot needs beside its body: the body's length, MAC, checksum.
pub(super) const FRAME: usize = 4 + 32 + 32;
/// The longest body that a slot can hold.
pub(super) const MAX_BODY: usize = MAX_SLOT as usize - FRAME;

/// Begins the name of every purpose that a key of this format serves.
pub(super) const LABEL: &[u8] = b"sealserve/v1/";

const MAGIC: [u8; 8] = *b"\x89SEALED\n";
const VERSION: u16 = 1;
/// Cobblestone-256. 2 is reserved for FLOE.
const SUITE: u16 = 1;
/// Flag bit 0: the payload is in another file.
const DETACHED: u32 = 1;
/// Bytes that later keys and MACs are bound to.
const BOUND: usize = 64;

/// A preamble of this version: only its id, its slot length, and where its payload
/// is vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preamble {
    pub(super) artifact_id: ArtifactId,
    /// Bytes of one header slot.
    pub(super) slot_len: u32,
    /// Whether the payload is in another file.
    pub(super) detached: bool,
}

impl Preamble {
    /// Parses the region; `input` is shorter only where the file is.
    pub(super) fn parse(input: &[u8]) -> Result<Self, Fault> {
        if !input.starts_with(&MAGIC) {
            let is_cut = MAGIC.starts_with(input);
            return Err(if is_cut { Fault::MagicTruncated(input.len()) } else { Fault::NotSealed });
        }
        let region = input.first_chunk::<REGION>().ok_or(Fault::HeaderTruncated)?;
        let version = u16::from_be_bytes(at(region, 8));
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let suite = u16::from_be_bytes(at(region, 10));
        if suite != SUITE {
            return Err(Fault::Suite(suite));
        }
        let flags = u32::from_be_bytes(at(region, 12));
        if flags & !DETACHED != 0 {
            return Err(Fault::Flags(flags));
        }
        let slot_len = u32::from_be_bytes(at(region, 32));
        if !(MIN_SLOT..=MAX_SLOT).contains(&slot_len) || !slot_len.is_multiple_of(SLOT_UNIT) {
            return Err(Fault::Preamble("its slot length is impossible"));
        }
        let detached = flags == DETACHED;
        let preamble = Self { artifact_id: ArtifactId(at(region, 16)), slot_len, detached };
        if u64::from(u32::from_be_bytes(at(region, 36))) != preamble.payload_offset() {
            return Err(Fault::Preamble("its payload offset does not follow from its slot length and flags"));
        }
        // All the rest must be zero.
        if *region != preamble.region() {
            return Err(Fault::Preamble("its reserved bytes are not zero"));
        }
        Ok(preamble)
    }

    /// The whole region, as it stands in the file.
    pub(super) fn region(&self) -> [u8; REGION] {
        let mut region = [0; REGION];
        region[..BOUND].copy_from_slice(&self.bound());
        region
    }

    /// The bytes that later keys and MACs are bound to; "P" in the format's text.
    pub(super) fn bound(&self) -> [u8; BOUND] {
        let mut bytes = [0; BOUND];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10..12].copy_from_slice(&SUITE.to_be_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.detached).to_be_bytes());
        bytes[16..32].copy_from_slice(&self.artifact_id.0);
        bytes[32..36].copy_from_slice(&self.slot_len.to_be_bytes());
        let offset = if self.detached { 0 } else { SLOT_UNIT + 2 * self.slot_len };
        bytes[36..40].copy_from_slice(&offset.to_be_bytes());
        bytes
    }

    /// What a key is used for in this file: `label` names the purpose.
    pub(super) fn context(&self, label: &str) -> Vec<u8> {
        [LABEL, label.as_bytes(), b"\0", &self.bound()].concat()
    }

    /// Where the payload begins, in its own file where it has one.
    pub(super) fn payload_offset(&self) -> u64 {
        if self.detached { 0 } else { self.length() }
    }

    /// Bytes of the region and both slots.
    pub(super) fn length(&self) -> u64 {
        REGION as u64 + 2 * u64::from(self.slot_len)
    }
}

fn at<const N: usize>(region: &[u8; REGION], offset: usize) -> [u8; N] {
    std::array::from_fn(|i| region[offset + i])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn valid() -> impl Strategy<Value = Preamble> {
        (any::<[u8; 16]>(), 2..=16_u32, any::<bool>()).prop_map(|(id, units, detached)| Preamble {
            artifact_id: ArtifactId(id),
            slot_len: units * SLOT_UNIT,
            detached,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(preamble in valid()) {
            prop_assert_eq!(Preamble::parse(&preamble.region()), Ok(preamble));
        }

        #[test]
        fn any_bytes_parse_without_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..2 * REGION),
            magic in any::<bool>(),
        ) {
            if magic && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(&MAGIC);
            }
            let _ = Preamble::parse(&bytes);
        }

        #[test]
        fn a_flipped_bit_outside_the_id_is_refused(preamble in valid(), bit in 0..REGION * 8) {
            prop_assume!(!(16..32).contains(&(bit / 8)));
            // Without a payload behind it, only the slots tell a wrong length of theirs.
            prop_assume!(!(preamble.detached && (32..36).contains(&(bit / 8))));
            let mut region = preamble.region();
            region[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Preamble::parse(&region).is_err());
        }

        #[test]
        fn a_part_of_a_preamble_is_refused(preamble in valid(), end in 0..REGION) {
            let expected = if end < 8 { Fault::MagicTruncated(end) } else { Fault::HeaderTruncated };
            prop_assert_eq!(Preamble::parse(&preamble.region()[..end]), Err(expected));
        }
    }

    #[test]
    fn slots_are_bounded() {
        for slot_len in [0, SLOT_UNIT, MIN_SLOT + 1, MAX_SLOT + SLOT_UNIT, 0x8000_0000 - SLOT_UNIT] {
            let region = Preamble { artifact_id: ArtifactId([0; 16]), slot_len, detached: false }.region();
            assert!(matches!(Preamble::parse(&region), Err(Fault::Preamble(_))), "{slot_len}");
        }
    }
}
