//! Sealed files made by hand, after `docs/file-format.md`, out of what a writer would
//! refuse.

use sealserve::container::Kek;
use sealserve::crypto::digest::sha256;
use sealserve::crypto::{cobblestone, kdf, mac};
use sealserve::secret::Secret;

/// Bytes of the first region, and of the part of it that all else is bound to.
pub(super) const REGION: usize = 4096;
pub(super) const BOUND: usize = 64;
/// Bytes of a MAC or a checksum.
pub(super) const DIGEST: usize = 32;
/// Bytes of a Cobblestone message beside those of a short plaintext.
pub(super) const OVERHEAD: usize = cobblestone::PREFIX + cobblestone::TAG;

/// The key-encryption key that opens what is forged.
pub(super) fn kek() -> Kek {
    Kek::new(Secret::from_fn(|bytes| bytes.fill(0x4b)))
}

/// The data key of what is forged.
pub(super) fn data_key() -> Secret<32> {
    Secret::from_fn(|bytes| bytes.fill(0x44))
}

/// The first 64 bytes of a file.
pub(super) fn preamble(slot_len: u32, detached: bool) -> [u8; BOUND] {
    let mut bytes = [0; BOUND];
    bytes[..16].copy_from_slice(b"\x89SEALED\n\0\x01\0\x01\0\0\0\0");
    bytes[15] = u8::from(detached);
    bytes[16..32].copy_from_slice(b"an artifact's id");
    bytes[32..36].copy_from_slice(&slot_len.to_be_bytes());
    let offset = if detached { 0 } else { 4096 + 2 * slot_len };
    bytes[36..40].copy_from_slice(&offset.to_be_bytes());
    bytes
}

fn context(label: &str, bound: &[u8; BOUND]) -> Vec<u8> {
    [b"sealserve/v1/", label.as_bytes(), b"\0", bound].concat()
}

/// The blob of a recipient of type 1: the data key under [`kek`].
pub(super) fn wrapped(bound: &[u8; BOUND]) -> Vec<u8> {
    let kek = kek();
    let context = [&context("wrap", bound)[..], &[0, 1], &kek.id().0].concat();
    cobblestone::seal(kek.secret(), &context, data_key().expose())
}

/// What is bound to the file and given to age and to commands.
pub(super) fn bound_key(bound: &[u8; BOUND]) -> Vec<u8> {
    [data_key().expose(), &sha256(&[bound])[..]].concat()
}

/// Metadata, encrypted.
pub(super) fn metadata(bound: &[u8; BOUND], json: &[u8]) -> Vec<u8> {
    cobblestone::seal(&data_key(), &context("meta", bound), json)
}

/// A payload, encrypted.
pub(super) fn payload(bound: &[u8; BOUND], plaintext: &[u8]) -> Vec<u8> {
    cobblestone::seal(&data_key(), &context("payload", bound), plaintext)
}

/// The MAC of a slot that begins with `framed`, the body behind its length.
pub(super) fn slot_mac(bound: &[u8; BOUND], framed: &[u8]) -> [u8; DIGEST] {
    let key = kdf::expand(&data_key(), &[b"sealserve/v1/", b"header-mac"]);
    mac::tag(&key, &[bound, framed])
}

/// A body behind its length, with its MAC.
pub(super) fn framed(bound: &[u8; BOUND], body: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out.extend(slot_mac(bound, &out));
    out
}

/// A slot with `content`, zeros behind it, and a checksum that is right if `sound`.
pub(super) fn slot(bound: &[u8; BOUND], slot_len: usize, content: &[u8], sound: bool) -> Vec<u8> {
    let mut out = content.to_vec();
    out.resize(slot_len - DIGEST, 0);
    let checksum = sha256(&[bound, &out]);
    out.extend(if sound { checksum } else { [0; DIGEST] });
    out
}

/// A header with one recipient, `kind` and `blob`, in both slots.
pub(super) fn header(bound: &[u8; BOUND], kind: u16, key_id: [u8; 16], blob: &[u8], json: &str) -> Vec<u8> {
    let metadata = metadata(bound, json.as_bytes());
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let body = [
        &1_u64.to_be_bytes()[..],
        &1_u16.to_be_bytes(),
        &kind.to_be_bytes(),
        &key_id,
        &length(blob),
        blob,
        &length(&metadata),
        &metadata,
        &[0, 0],
    ]
    .concat();
    let slot_len = u32::from_be_bytes(bound[32..36].try_into().unwrap()) as usize;
    let slot = slot(bound, slot_len, &framed(bound, &body), true);
    let mut out = bound.to_vec();
    out.resize(REGION, 0);
    [out, slot.clone(), slot].concat()
}
