//! The only importer of `ring` and `argon2`. Standard constructions under names of our own,
//! with keys as [`Secret`](crate::secret::Secret)s and no algorithm to choose.

pub mod aead;
pub mod argon2id;
pub mod cobblestone;
pub mod digest;
pub mod ecdsa;
pub mod ed25519;
pub mod kdf;
pub mod mac;
pub mod pem;
pub mod random;

/// A message that does not authenticate: damaged, or made with another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct Unauthentic;
