//! A buffer whose size depends on the client: bounded, and allocated fallibly.

use std::io;

use bytes::Bytes;

use super::{ApiError, Budget, MemoryPermit};

/// Writes into memory, up to a limit and within a memory permit.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    limit: usize,
    memory: MemoryPermit,
    refusal: Option<Refusal>,
}

#[derive(Debug, Clone, Copy)]
enum Refusal {
    Limit,
    Memory,
}

/// Bytes and the memory permit that covers them.
#[derive(Debug)]
struct Paid {
    bytes: Vec<u8>,
    _memory: MemoryPermit,
}

impl AsRef<[u8]> for Paid {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Buffer {
    /// An empty one for up to `limit` bytes of `budget`.
    pub fn new(limit: usize, budget: &Budget) -> Result<Self, ApiError> {
        Ok(Self { bytes: Vec::new(), limit, memory: budget.take(0)?, refusal: None })
    }

    /// How many bytes it holds.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for `more` bytes.
    pub fn reserve(&mut self, more: usize) -> Result<(), ApiError> {
        self.grow(more, 0).map_err(|refusal| self.error(refusal))
    }

    /// Makes room for `more` bytes, and when it must grow, for at least `least` bytes in all.
    fn grow(&mut self, more: usize, least: usize) -> Result<(), Refusal> {
        let needed = self.bytes.len().checked_add(more).filter(|needed| *needed <= self.limit);
        let needed = needed.ok_or(Refusal::Limit)?;
        let held = self.bytes.capacity();
        if needed <= held {
            return Ok(());
        }
        let size = needed.max(least.min(self.limit));
        self.memory.grow(size - held).map_err(|_| Refusal::Memory)?;
        self.bytes.try_reserve_exact(size - self.bytes.len()).map_err(|_| Refusal::Memory)
    }

    fn error(&self, refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::Limit => ApiError::answer_too_large(self.limit),
            Refusal::Memory => ApiError::no_answer_memory(),
        }
    }

    /// Why a write failed, if one did.
    pub fn refusal(&self) -> Option<ApiError> {
        self.refusal.map(|refusal| self.error(refusal))
    }

    /// Its bytes, to write into the [reserved](Self::reserve) room.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes that were written. The memory permit is released with them.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(Paid { bytes: self.bytes, _memory: self.memory })
    }
}

impl io::Write for Buffer {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let double = self.bytes.capacity().saturating_mul(2).max(1024);
        if let Err(refusal) = self.grow(piece.len(), double) {
            self.refusal = Some(refusal);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn no_more_is_taken_than_the_limit() {
        let budget = Budget::new(100);
        let new = |limit| Buffer::new(limit, &budget).unwrap();
        let mut buffer = new(4);
        buffer.write_all(b"abcd").unwrap();
        assert!(buffer.refusal().is_none());
        assert!(buffer.write_all(b"e").is_err());
        assert_eq!(buffer.refusal().unwrap().code(), "answer_too_large");
        let bytes = buffer.into_bytes();
        assert_eq!((&bytes[..], budget.left()), (&b"abcd"[..], 96));
        assert_eq!(new(4).reserve(5).unwrap_err().code(), "answer_too_large");
        assert_eq!(new(usize::MAX).reserve(97).unwrap_err().code(), "no_answer_memory");
        assert!(new(usize::MAX).reserve(96).is_ok());
        drop(bytes);
        assert_eq!(budget.left(), 100);
    }
}
