//! AES-256-GCM (NIST SP 800-38D) with a random nonce, for small records:
//! `nonce(12) || ciphertext || tag(16)`. Bulk data goes through
//! [`cobblestone`](super::cobblestone).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{Unauthentic, random};
use crate::secret::{Secret, SecretBytes};

pub(super) fn key(bytes: &[u8; 32]) -> LessSafeKey {
    match UnboundKey::new(&AES_256_GCM, bytes) {
        Ok(key) => LessSafeKey::new(key),
        // ring refuses only another length than 32.
        Err(_) => unreachable!("AES-256 takes 32 bytes"),
    }
}

/// Encrypts `plaintext`, bound to `context`.
pub fn seal(key_bytes: &Secret<32>, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = random::bytes();
    let mut out = Vec::with_capacity(NONCE_LEN + plaintext.len() + 16);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let sealed = key(key_bytes.expose()).seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(context),
        &mut out[NONCE_LEN..],
    );
    match sealed {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        // ring refuses only more than 64 GiB.
        Err(_) => unreachable!("records are small"),
    }
    out
}

/// Decrypts what [`seal`] made with the same key and context.
pub fn open(key_bytes: &Secret<32>, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, Unauthentic> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(Unauthentic)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unauthentic)?;
    let mut out = SecretBytes::from(ciphertext.to_vec());
    let len = key(key_bytes.expose())
        .open_in_place(nonce, Aad::from(context), out.expose_mut())
        .map_err(|_| Unauthentic)?
        .len();
    out.expose_mut().truncate(len);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_under_the_same_key_and_context() {
        let (key, other) = (random::secret(), random::secret());
        let sealed = seal(&key, b"context", b"plain");
        assert_eq!(open(&key, b"context", &sealed).unwrap().expose(), b"plain");
        assert!(open(&other, b"context", &sealed).is_err());
        assert!(open(&key, b"Context", &sealed).is_err());
        for end in 0..sealed.len() {
            assert!(open(&key, b"context", &sealed[..end]).is_err());
        }
    }
}
