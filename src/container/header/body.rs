//! What a header slot says: generation, recipients, metadata, signatures.

use super::metadata::MESSAGE_LENGTHS;
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind, SignerId, SlotName};
use crate::container::preamble::MAX_BODY;
use crate::container::recipients::passphrase;
use crate::container::recipients::stanza::{KEY_BLOB, Stanza};

pub(in crate::container) const SIGNATURE: usize = 16 + 64;

/// A signer's statement about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRecord {
    /// Which key signed.
    pub signer: SignerId,
    /// Its Ed25519 signature.
    pub signature: [u8; 64],
}

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) struct Body {
    /// Grows by one with every rewrite of the header.
    pub(in crate::container) generation: u64,
    pub(in crate::container) recipients: Vec<Stanza>,
    /// Encrypted.
    pub(in crate::container) metadata: Vec<u8>,
    pub(in crate::container) signatures: Vec<SignatureRecord>,
}

impl Body {
    /// Encodes it, or fails where no slot could hold it.
    pub(in crate::container) fn encode(&self) -> Result<Vec<u8>, ContainerError> {
        let mut out = self.generation.to_be_bytes().to_vec();
        out.extend_from_slice(&length(self.recipients.len())?);
        for stanza in &self.recipients {
            out.extend_from_slice(&stanza.kind.number().to_be_bytes());
            out.extend_from_slice(&stanza.key_id.0);
            out.extend_from_slice(&length(stanza.blob.len())?);
            out.extend_from_slice(&stanza.blob);
        }
        out.extend_from_slice(&length(self.metadata.len())?);
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(&length(self.signatures.len() * SIGNATURE)?);
        for record in &self.signatures {
            out.extend_from_slice(&record.signer.0);
            out.extend_from_slice(&record.signature);
        }
        if out.len() > MAX_BODY {
            return Err(ContainerError::HeaderTooLarge);
        }
        Ok(out)
    }

    /// Parses the body of `slot`.
    pub(super) fn parse(slot: SlotName, body: &[u8]) -> Result<Self, Fault> {
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
            if kind == RecipientKind::Passphrase {
                passphrase::parse_blob(&blob)?;
            }
            recipients.push(Stanza { kind, key_id, blob });
        }
        if recipients.is_empty() {
            return Err(malformed("it has no recipient"));
        }
        if recipients.len() > 1 && recipients.iter().any(|r| r.kind == RecipientKind::Passphrase) {
            return Err(malformed("a passphrase is not its only recipient"));
        }
        // Else one label would stand for two readers, and whoever is asked for one of them,
        // a command for example, for as many as fit.
        if has_twice(recipients.iter().map(|stanza| stanza.key_id)) {
            return Err(malformed("two recipients have one key id"));
        }

        let metadata = fields.prefixed().ok_or_else(short)?.to_vec();
        if !MESSAGE_LENGTHS.contains(&metadata.len()) {
            return Err(malformed("its metadata has an impossible length"));
        }

        let (records, rest) = fields.prefixed().ok_or_else(short)?.as_chunks::<SIGNATURE>();
        if !rest.is_empty() {
            return Err(malformed("a signature record is cut short"));
        }
        let signatures: Vec<_> = records.iter().map(SignatureRecord::from_bytes).collect();
        if has_twice(signatures.iter().map(|record| record.signer)) {
            return Err(malformed("two signature records are of one signer"));
        }

        if !fields.0.is_empty() {
            return Err(malformed("its body is longer than its fields"));
        }
        Ok(Self { generation, recipients, metadata, signatures })
    }
}

impl SignatureRecord {
    fn from_bytes(bytes: &[u8; SIGNATURE]) -> Self {
        let mut record = Self { signer: SignerId([0; 16]), signature: [0; 64] };
        let (signer, signature) = bytes.split_at(16);
        record.signer.0.copy_from_slice(signer);
        record.signature.copy_from_slice(signature);
        record
    }
}

fn has_twice<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items.windows(2).any(|pair| pair[0] == pair[1])
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
pub(in crate::container) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn stanza() -> impl Strategy<Value = Stanza> {
        (1..=4_u16, any::<[u8; 16]>(), vec(any::<u8>(), 0..500)).prop_map(|(number, id, mut blob)| {
            let kind = RecipientKind::parse(number).unwrap();
            if kind == RecipientKind::Key {
                blob.resize(KEY_BLOB, 1);
            }
            if kind == RecipientKind::Passphrase {
                blob = passphrase_blob();
            }
            Stanza { kind, key_id: KeyId(id), blob }
        })
    }

    /// A blob of the right length and the least cost; it opens with nothing.
    pub(in crate::container) fn passphrase_blob() -> Vec<u8> {
        let numbers = [8, 1, 1_u32].map(u32::to_be_bytes).concat();
        [numbers, vec![7; passphrase::BLOB - 12]].concat()
    }

    /// Every body that a slot can hold, more or less.
    pub(in crate::container) fn any_body() -> impl Strategy<Value = Body> {
        let signature = any::<[u8; SIGNATURE]>().prop_map(|bytes| SignatureRecord::from_bytes(&bytes));
        (any::<u64>(), vec(stanza(), 1..8), vec(any::<u8>(), 100..300), vec(signature, 0..4)).prop_map(
            |(generation, mut recipients, metadata, signatures)| {
                if recipients.iter().any(|r| r.kind == RecipientKind::Passphrase) {
                    recipients.truncate(1);
                    recipients[0].kind = RecipientKind::Passphrase;
                    recipients[0].blob = passphrase_blob();
                }
                Body { generation, recipients, metadata, signatures }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body in any_body()) {
            prop_assert_eq!(Body::parse(SlotName::A, &body.encode().unwrap()), Ok(body));
        }

        #[test]
        fn any_body_parses_without_panic(bytes in vec(any::<u8>(), 0..500)) {
            let _ = Body::parse(SlotName::A, &bytes);
        }
    }

    fn refused(body: &[u8]) -> Fault {
        Body::parse(SlotName::B, body).unwrap_err()
    }

    #[test]
    fn impossible_bodies_are_refused() {
        let stanza = |kind| Stanza { kind, key_id: KeyId([1; 16]), blob: vec![2; KEY_BLOB] };
        let good = Body {
            generation: 1,
            recipients: vec![stanza(RecipientKind::Key)],
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
        let phrase = stanza(RecipientKind::Passphrase);
        two.recipients.push(Stanza { key_id: KeyId([2; 16]), blob: passphrase_blob(), ..phrase });
        assert!(malformed(&two.encode().unwrap()).contains("only recipient"));
        // Of another kind, too.
        for kind in [RecipientKind::Key, RecipientKind::Age] {
            let mut two = good.clone();
            two.recipients.push(stanza(kind));
            assert!(malformed(&two.encode().unwrap()).contains("one key id"));
        }
        let mut two = good.clone();
        two.signatures = [4, 5].map(|byte| SignatureRecord::from_bytes(&[byte; SIGNATURE])).to_vec();
        assert!(Body::parse(SlotName::B, &two.encode().unwrap()).is_ok());
        two.signatures[1].signer = two.signatures[0].signer;
        assert!(malformed(&two.encode().unwrap()).contains("one signer"));
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
        let stanza = Stanza { kind: RecipientKind::Key, key_id: KeyId([1; 16]), blob: vec![2; KEY_BLOB] };
        let body = |count| Body {
            generation: 1,
            recipients: vec![stanza.clone(); count],
            metadata: vec![3; 100],
            signatures: vec![],
        };
        assert!(body(526).encode().is_ok());
        assert!(matches!(body(528).encode(), Err(ContainerError::HeaderTooLarge)));
    }
}
