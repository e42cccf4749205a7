//! A header slot: generation, recipients, metadata, signatures. The header is
//! written twice; a checksum without a key tells a slot whose writing was
//! interrupted, and a MAC under the data key tells one that was forged.

use std::fmt;

use super::LABEL;
use super::error::{ContainerError, Fault};
use super::id::{KeyId, SignerId};
use super::metadata::MESSAGE_LENGTHS;
use super::preamble::{MAX_SLOT, MIN_SLOT, Preamble, SLOT_UNIT};
use super::recipient::{KEY_BLOB, Recipient, RecipientKind};
use crate::crypto::digest::sha256;
use crate::crypto::{kdf, mac};
use crate::secret::Secret;

/// Bytes of the MAC behind the body, and of the checksum at a slot's end.
const DIGEST: usize = 32;
/// Bytes that a slot needs beside its body: the body's length, MAC, checksum.
const FRAME: usize = 4 + DIGEST + DIGEST;
const SIGNATURE_RECORD: usize = 16 + 64;

/// One of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotName {
    /// The first.
    A,
    /// The second.
    B,
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// A signer's statement about a file. This version reads it and does not judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRecord {
    /// Which key signed.
    pub signer: SignerId,
    /// Its Ed25519 signature.
    pub signature: [u8; 64],
}

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// Grows by one with every rewrite of the header.
    pub(super) generation: u64,
    pub(super) recipients: Vec<Recipient>,
    /// Encrypted.
    pub(super) metadata: Vec<u8>,
    pub(super) signatures: Vec<SignatureRecord>,
}

impl Body {
    /// Encodes it, or fails where no slot could hold it.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ContainerError> {
        let mut out = self.generation.to_be_bytes().to_vec();
        out.extend_from_slice(&length(self.recipients.len())?);
        for recipient in &self.recipients {
            out.extend_from_slice(&recipient.kind.number().to_be_bytes());
            out.extend_from_slice(&recipient.key_id.0);
            out.extend_from_slice(&length(recipient.blob.len())?);
            out.extend_from_slice(&recipient.blob);
        }
        out.extend_from_slice(&length(self.metadata.len())?);
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(&length(self.signatures.len() * SIGNATURE_RECORD)?);
        for record in &self.signatures {
            out.extend_from_slice(&record.signer.0);
            out.extend_from_slice(&record.signature);
        }
        if out.len() + FRAME > MAX_SLOT as usize {
            return Err(ContainerError::HeaderTooLarge);
        }
        Ok(out)
    }

    fn parse(slot: SlotName, body: &[u8]) -> Result<Self, Fault> {
        let malformed = |what| Fault::SlotMalformed { slot, what };
        let short = || malformed("its fields are longer than its body");
        let mut fields = Fields(body);

        let generation = u64::from_be_bytes(fields.array().ok_or_else(short)?);
        let count = fields.u16().ok_or_else(short)?;
        let mut recipients = Vec::new();
        for _ in 0..count {
            let number = fields.u16().ok_or_else(short)?;
            let kind = RecipientKind::parse(number).ok_or(Fault::RecipientType(number))?;
            let key_id = KeyId(fields.array().ok_or_else(short)?);
            let blob = fields.prefixed().ok_or_else(short)?.to_vec();
            if kind == RecipientKind::Key && blob.len() != KEY_BLOB {
                return Err(malformed("a wrapped key has a wrong length"));
            }
            recipients.push(Recipient { kind, key_id, blob });
        }
        if recipients.is_empty() {
            return Err(malformed("it has no recipient"));
        }
        if recipients.len() > 1 && recipients.iter().any(|r| r.kind == RecipientKind::Passphrase) {
            return Err(malformed("a passphrase is not its only recipient"));
        }

        let metadata = fields.prefixed().ok_or_else(short)?.to_vec();
        if !MESSAGE_LENGTHS.contains(&metadata.len()) {
            return Err(malformed("its metadata has an impossible length"));
        }

        let (records, rest) = fields.prefixed().ok_or_else(short)?.as_chunks::<SIGNATURE_RECORD>();
        if !rest.is_empty() {
            return Err(malformed("a signature record is cut short"));
        }
        let signatures = records.iter().map(SignatureRecord::from_bytes).collect();

        if !fields.0.is_empty() {
            return Err(malformed("its body is longer than its fields"));
        }
        Ok(Self { generation, recipients, metadata, signatures })
    }
}

impl SignatureRecord {
    fn from_bytes(bytes: &[u8; SIGNATURE_RECORD]) -> Self {
        let mut record = Self { signer: SignerId([0; 16]), signature: [0; 64] };
        let (signer, signature) = bytes.split_at(16);
        record.signer.0.copy_from_slice(signer);
        record.signature.copy_from_slice(signature);
        record
    }
}

/// Length of the slot for a body of `body` bytes: the smallest that stays half
/// free, so that recipients can be added later.
pub(super) fn length_for(body: usize) -> u32 {
    let wanted = 2 * (body + FRAME);
    (MIN_SLOT..=MAX_SLOT).step_by(SLOT_UNIT as usize).find(|len| *len as usize >= wanted).unwrap_or(MAX_SLOT)
}

/// Makes the bytes of a slot; `body` comes from [`Body::encode`].
pub(super) fn write(
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
pub(super) struct Slot {
    pub(super) name: SlotName,
    pub(super) body: Body,
    /// Body length and body, as the MAC covers them.
    framed: Vec<u8>,
    mac: [u8; DIGEST],
}

impl Slot {
    /// Parses the bytes of a slot. `None` means that its checksum is wrong: it
    /// was damaged, or its writing was interrupted, and the other may do.
    pub(super) fn parse(preamble: &Preamble, name: SlotName, bytes: &[u8]) -> Result<Option<Self>, Fault> {
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
    pub(super) fn authenticate(&self, preamble: &Preamble, data_key: &Secret<32>) -> Result<(), Fault> {
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

fn length(length: usize) -> Result<[u8; 2], ContainerError> {
    u16::try_from(length).map(u16::to_be_bytes).map_err(|_| ContainerError::HeaderTooLarge)
}

/// What is left of a body.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Bytes behind their 16-bit length.
    fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        let (bytes, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::container::id::ArtifactId;

    /// Makes the checksum right again after a change.
    pub(in crate::container) fn checksum_again(preamble: &Preamble, slot: &mut [u8]) {
        let end = slot.len() - DIGEST;
        let checksum = sha256(&[&preamble.bound(), &slot[..end]]);
        slot[end..].copy_from_slice(&checksum);
    }

    fn preamble(slot_len: u32) -> Preamble {
        Preamble { artifact_id: ArtifactId([5; 16]), slot_len }
    }

    fn key() -> Secret<32> {
        Secret::from_fn(|bytes| bytes.fill(9))
    }

    fn recipient() -> impl Strategy<Value = Recipient> {
        (1..=4_u16, any::<[u8; 16]>(), vec(any::<u8>(), 0..500)).prop_map(|(number, id, mut blob)| {
            let kind = RecipientKind::parse(number).unwrap();
            if kind == RecipientKind::Key {
                blob.resize(KEY_BLOB, 1);
            }
            Recipient { kind, key_id: KeyId(id), blob }
        })
    }

    fn body() -> impl Strategy<Value = Body> {
        let signature = any::<[u8; SIGNATURE_RECORD]>().prop_map(|bytes| SignatureRecord::from_bytes(&bytes));
        (any::<u64>(), vec(recipient(), 1..8), vec(any::<u8>(), 100..300), vec(signature, 0..4)).prop_map(
            |(generation, mut recipients, metadata, signatures)| {
                if recipients.iter().any(|r| r.kind == RecipientKind::Passphrase) {
                    recipients.truncate(1);
                    recipients[0].kind = RecipientKind::Passphrase;
                }
                Body { generation, recipients, metadata, signatures }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body in body()) {
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
        fn a_changed_slot_never_authenticates(body in body(), at in 0..2000_usize, flip in 1..=255_u8) {
            let preamble = preamble(MAX_SLOT);
            let mut bytes = write(&preamble, &body.encode().unwrap(), &key()).unwrap();
            bytes[at] ^= flip;
            checksum_again(&preamble, &mut bytes);
            if let Ok(slot) = Slot::parse(&preamble, SlotName::A, &bytes) {
                prop_assert!(slot.unwrap().authenticate(&preamble, &key()).is_err());
            }
        }

        #[test]
        fn any_body_parses_without_panic(bytes in vec(any::<u8>(), 0..500)) {
            let _ = Body::parse(SlotName::A, &bytes);
        }
    }

    #[test]
    fn a_slot_is_the_smallest_that_stays_half_free() {
        assert_eq!(length_for(4096 - FRAME), 8192);
        assert_eq!(length_for(4096 - FRAME + 1), 12288);
        assert_eq!(length_for(32768 - FRAME), 65536);
        assert_eq!(length_for(65536), 65536);
    }

    fn refused(body: &[u8]) -> Fault {
        Body::parse(SlotName::B, body).unwrap_err()
    }

    #[test]
    fn impossible_bodies_are_refused() {
        let recipient = |kind| Recipient { kind, key_id: KeyId([1; 16]), blob: vec![2; KEY_BLOB] };
        let good = Body {
            generation: 1,
            recipients: vec![recipient(RecipientKind::Key)],
            metadata: vec![3; 100],
            signatures: vec![],
        };
        let with = |change: fn(&mut Body)| {
            let mut body = good.clone();
            change(&mut body);
            body.encode().unwrap()
        };
        assert!(Body::parse(SlotName::B, &with(|_| ())).is_ok());
        let malformed = |body: &[u8]| match refused(body) {
            Fault::SlotMalformed { slot: SlotName::B, what } => what,
            other => panic!("{other}"),
        };
        let bodies = [
            (with(|b| b.recipients.clear()), "no recipient"),
            (with(|b| b.recipients[0].blob.push(0)), "wrong length"),
            (with(|b| b.metadata.truncate(71)), "impossible length"),
            (with(|b| b.metadata = vec![3; 40_000]), "impossible length"),
            ([with(|_| ()), vec![0]].concat(), "longer than its fields"),
            (with(|_| ())[..40].to_vec(), "longer than its body"),
        ];
        for (body, what) in bodies {
            assert!(malformed(&body).contains(what), "{what}: {}", malformed(&body));
        }
        let mut two = good.clone();
        two.recipients.push(recipient(RecipientKind::Passphrase));
        assert!(malformed(&two.encode().unwrap()).contains("only recipient"));
        let mut cut = with(|_| ());
        let end = cut.len();
        cut[end - 1] = 79;
        cut.extend([0; 79]);
        assert!(malformed(&cut).contains("cut short"));
        let mut unknown = with(|_| ());
        unknown[11] = 5;
        assert_eq!(refused(&unknown), Fault::RecipientType(5));
    }

    #[test]
    fn a_body_that_no_slot_holds_is_refused() {
        let recipient =
            Recipient { kind: RecipientKind::Key, key_id: KeyId([1; 16]), blob: vec![2; KEY_BLOB] };
        let body = |count| Body {
            generation: 1,
            recipients: vec![recipient.clone(); count],
            metadata: vec![3; 100],
            signatures: vec![],
        };
        assert!(body(526).encode().is_ok());
        assert!(matches!(body(528).encode(), Err(ContainerError::HeaderTooLarge)));
    }
}
