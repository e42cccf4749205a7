//! HKDF-Expand with SHA-512 (RFC 5869, section 2.3). The input key is uniformly
//! random already, so the extract step is left out.

use ring::hkdf::{HKDF_SHA512, KeyType, Prk};

use crate::secret::Secret;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derives `N` bytes (at most 255 * 64) from `key` for the purpose that the
/// concatenation of `info` names.
pub fn expand<const N: usize>(key: &Secret<32>, info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 64) };
    let prk = Prk::new_less_safe(HKDF_SHA512, key.expose());
    Secret::from_fn(|out| {
        let filled = prk.expand(info, Length(N)).and_then(|okm| okm.fill(out));
        // Fails only for lengths beyond 255 * 64, which the assertion above excludes.
        debug_assert!(filled.is_ok());
    })
}

/// The public identifier of a symmetric key: 16 bytes that tell nothing about it.
pub fn key_id(key: &Secret<32>) -> [u8; 16] {
    *expand(key, &[b"sealserve/v1/key-id"]).expose()
}
