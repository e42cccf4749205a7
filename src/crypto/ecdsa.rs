//! ECDSA over P-256 (FIPS 186-5): new key pairs. Signing and verification of
//! tokens go through `jsonwebtoken`.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::secret::SecretBytes;

/// A new P-256 key pair.
pub struct P256 {
    /// The private key in PKCS#8 (RFC 5958), DER.
    pub pkcs8: SecretBytes,
    /// The public point's affine coordinates, big-endian.
    pub x: [u8; 32],
    /// See `x`.
    pub y: [u8; 32],
}

impl P256 {
    /// Makes a new key pair.
    pub fn generate() -> Self {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .and_then(|pkcs8| {
                let pkcs8 = SecretBytes::from(pkcs8.as_ref().to_vec());
                let pair = EcdsaKeyPair::from_pkcs8(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    pkcs8.expose(),
                    &SystemRandom::new(),
                )
                .map_err(|_| ring::error::Unspecified)?;
                Ok((pkcs8, pair.public_key().as_ref().to_vec()))
            });
        let Ok((pkcs8, point)) = made else {
            // Only a broken generator of randomness fails here; see `random::fill`.
            std::process::abort()
        };
        // Uncompressed point (SEC 1, section 2.3.3): 0x04 || x || y.
        let (mut x, mut y) = ([0; 32], [0; 32]);
        x.copy_from_slice(&point[1..33]);
        y.copy_from_slice(&point[33..65]);
        Self { pkcs8, x, y }
    }
}
