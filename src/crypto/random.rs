//! The only door through which randomness enters.

use ring::rand::{SecureRandom, SystemRandom};

use crate::secret::Secret;

/// Fills `out` from the operating system's generator.
pub fn fill(out: &mut [u8]) {
    if SystemRandom::new().fill(out).is_err() {
        // getrandom(2) fails only on a system that can keep no secret at all;
        // to go on with zeros would be worse than any crash.
        std::process::abort();
    }
}

/// `N` random bytes that need not be kept secret.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}

/// A new secret of `N` random bytes.
pub fn secret<const N: usize>() -> Secret<N> {
    Secret::from_fn(|out| fill(out))
}
