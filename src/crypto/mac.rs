//! HMAC-SHA-256 (RFC 2104, FIPS 198-1).

use ring::hmac::{Context, HMAC_SHA256, Key};

use super::Unauthentic;
use crate::secret::{self, Secret};

/// The MAC of the concatenation of `parts`.
pub fn tag(key: &Secret<32>, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key.expose()));
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Checks, in constant time, that `expected` is the MAC of `parts`.
pub fn verify(key: &Secret<32>, parts: &[&[u8]], expected: &[u8]) -> Result<(), Unauthentic> {
    if secret::equal(&tag(key, parts), expected) { Ok(()) } else { Err(Unauthentic) }
}
