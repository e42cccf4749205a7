//! A header slot: the frame around a body. The header is written twice; a
//! checksum without a key tells a slot whose writing was interrupted, and a MAC
//! under the data key tells one that was forged.

use super::body::Body;
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::SlotName;
use crate::container::preamble::{FRAME, LABEL, MAX_SLOT, MIN_SLOT, Preamble, SLOT_UNIT};
use crate::crypto::digest::sha256;
use crate::crypto::{kdf, mac};
use crate::secret::Secret;

/// Bytes of the MAC behind the body, and of the checksum at a slot's end.
const DIGEST: usize = 32;

/// Length of the slot for a body of `body` bytes: the smallest that stays half
/// free, so that recipients can be added later.
pub(in crate::container) fn length_for(body: usize) -> u32 {
    let wanted = 2 * (body + FRAME);
    (MIN_SLOT..=MAX_SLOT).step_by(SLOT_UNIT as usize).find(|len| *len as usize >= wanted).unwrap_or(MAX_SLOT)
}

/// Makes the bytes of a slot; `body` comes from [`Body::encode`].
pub(in crate::container) fn write(
    preamble: &Preamble,
    body: &[u8],
    data_key: &Secret<32>,
) -> Result<Vec<u8>, ContainerError> {
    let length = preamble.slot_len as usize;
    if body.len() + FRAME > length {
        return Err(ContainerError::HeaderTooLarge);
    }
    let bound = preamble.bound();
    let mut out = Vec::with_capacity(length);
    // A body that fits is shorter than 64 KiB.
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
    let tag = mac::tag(&mac_key(data_key), &[&bound, &out]);
    out.extend_from_slice(&tag);
    out.resize(length - DIGEST, 0);
    let checksum = sha256(&[&bound, &out]);
    out.extend_from_slice(&checksum);
    Ok(out)
}

/// A slot whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) struct Slot {
    pub(in crate::container) name: SlotName,
    pub(in crate::container) body: Body,
    /// Body length and body, as the MAC covers them.
    framed: Vec<u8>,
    mac: [u8; DIGEST],
}

impl Slot {
    /// Parses the bytes of a slot. `None` means that its checksum is wrong: it
    /// was damaged, or its writing was interrupted, and the other may do.
    pub(in crate::container) fn parse(
        preamble: &Preamble,
        name: SlotName,
        bytes: &[u8],
    ) -> Result<Option<Self>, Fault> {
        let malformed = |what| Fault::SlotMalformed { slot: name, what };
        let Some((content, checksum)) = bytes.split_last_chunk::<DIGEST>() else { return Ok(None) };
        if sha256(&[&preamble.bound(), content]) != *checksum {
            return Ok(None);
        }
        let length = content.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let (framed, rest) = content
            .split_at_checked(4 + length)
            .ok_or_else(|| malformed("its body is longer than the slot"))?;
        let (mac, gap) =
            rest.split_first_chunk().ok_or_else(|| malformed("its body leaves no room for a MAC"))?;
        if gap.iter().any(|byte| *byte != 0) {
            return Err(malformed("its unused bytes are not zero"));
        }
        let body = Body::parse(name, &framed[4..])?;
        Ok(Some(Self { name, body, framed: framed.to_vec(), mac: *mac }))
    }

    /// Checks that a holder of the data key wrote this slot, for this file.
    pub(in crate::container) fn authenticate(
        &self,
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> Result<(), Fault> {
        mac::verify(&mac_key(data_key), &[&preamble.bound(), &self.framed], &self.mac)
            .map_err(|_| Fault::SlotForged(self.name))
    }

    /// Whether both say the same, byte for byte.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.framed == other.framed && self.mac == other.mac
    }
}

fn mac_key(data_key: &Secret<32>) -> Secret<32> {
    kdf::expand(data_key, &[LABEL, b"header-mac"])
}

#[cfg(test)]
pub(in crate::container) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::container::header::body::tests::any_body;
    use crate::container::ids::ArtifactId;

    /// Makes the checksum right again after a change.
    pub(in crate::container) fn checksum_again(preamble: &Preamble, slot: &mut [u8]) {
        let end = slot.len() - DIGEST;
        let checksum = sha256(&[&preamble.bound(), &slot[..end]]);
        slot[end..].copy_from_slice(&checksum);
    }

    fn preamble(slot_len: u32) -> Preamble {
        Preamble { artifact_id: ArtifactId([5; 16]), slot_len, detached: false }
    }

    fn key() -> Secret<32> {
        Secret::from_fn(|bytes| bytes.fill(9))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body in any_body()) {
            let encoded = body.encode().unwrap();
            let preamble = preamble(length_for(encoded.len()));
            let bytes = write(&preamble, &encoded, &key()).unwrap();
            prop_assert_eq!(bytes.len(), preamble.slot_len as usize);
            let slot = Slot::parse(&preamble, SlotName::A, &bytes).unwrap().unwrap();
            prop_assert_eq!(&slot.body, &body);
            prop_assert_eq!(slot.authenticate(&preamble, &key()), Ok(()));
        }

        #[test]
        fn any_bytes_parse_without_panic(bytes in vec(any::<u8>(), 0..9000), right in any::<bool>()) {
            let mut bytes = bytes;
            if right && bytes.len() >= DIGEST {
                checksum_again(&preamble(MIN_SLOT), &mut bytes);
            }
            let _ = Slot::parse(&preamble(MIN_SLOT), SlotName::A, &bytes);
        }

        /// Behind a right checksum, so that the fields themselves are reached.
        #[test]
        fn a_changed_slot_never_authenticates(body in any_body(), at in 0..2000_usize, flip in 1..=255_u8) {
            let preamble = preamble(MAX_SLOT);
            let mut bytes = write(&preamble, &body.encode().unwrap(), &key()).unwrap();
            bytes[at] ^= flip;
            checksum_again(&preamble, &mut bytes);
            if let Ok(slot) = Slot::parse(&preamble, SlotName::A, &bytes) {
                prop_assert!(slot.unwrap().authenticate(&preamble, &key()).is_err());
            }
        }
    }

    #[test]
    fn a_slot_is_the_smallest_that_stays_half_free() {
        assert_eq!(length_for(4096 - FRAME), 8192);
        assert_eq!(length_for(4096 - FRAME + 1), 12288);
        assert_eq!(length_for(32768 - FRAME), 65536);
        assert_eq!(length_for(65536), 65536);
    }
}
