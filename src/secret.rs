//! Secret bytes: no `Display`, no `Serialize`, a redacted `Debug`, wiped on
//! drop, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

mod pages;

pub use pages::SecretPages;

/// A secret of a length known at compile time, kept on the heap so that a move
/// leaves no copy behind.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// A secret whose bytes `fill` writes in place.
    pub fn from_fn(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Box::new([0; N]);
        fill(&mut bytes);
        Self(bytes)
    }

    /// A copy of `bytes`, or `None` when their number is not `N`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == N).then(|| Self::from_fn(|out| out.copy_from_slice(bytes)))
    }

    /// The bytes. Every call is a place where a secret may leak: keep them few.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(redacted)")
    }
}

/// A secret of any length: key material in text form, a model in the clear.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// An empty secret with room for `capacity` bytes; filled within its
    /// capacity it never moves, so nothing is left behind unwiped.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The bytes. Every call is a place where a secret may leak: keep them few.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The buffer, to be filled.
    pub fn expose_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, redacted)", self.0.len())
    }
}

/// Whether `a` and `b` are equal, in a time that depends on their lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let secret = Secret::<4>::from_fn(|b| *b = *b"abcd");
        assert_eq!(format!("{secret:?}"), "Secret<4>(redacted)");
        let bytes = SecretBytes::from(b"abcd".to_vec());
        assert_eq!(format!("{bytes:?}"), "SecretBytes(4 bytes, redacted)");
    }

    #[test]
    fn length_is_checked() {
        assert!(Secret::<4>::from_slice(b"abc").is_none());
        assert!(Secret::<4>::from_slice(b"abcd").is_some());
    }
}
