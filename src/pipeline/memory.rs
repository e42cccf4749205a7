//! Budgets for the memory that all requests together may hold.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;

/// A number of bytes that all requests together may hold in memory.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes a permit for `bytes`.
    pub fn take(&self, bytes: usize) -> Result<MemoryPermit, ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::no_memory())?;
        let taken = Arc::clone(&self.0).try_acquire_many_owned(bytes);
        taken.map(MemoryPermit).map_err(|_| ApiError::no_memory())
    }

    /// Bytes that are left.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.0.available_permits()
    }
}

/// A part of a budget, taken by one request. Dropping it returns it to the budget.
#[derive(Debug)]
pub struct MemoryPermit(OwnedSemaphorePermit);

impl MemoryPermit {
    /// The number of bytes that it covers.
    pub fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    /// Extends it by `bytes`. A permit covers less than 4 GiB.
    pub fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let all = self.bytes().checked_add(bytes);
        all.and_then(|all| u32::try_from(all).ok()).ok_or_else(ApiError::no_memory)?;
        let Self(more) = Budget(Arc::clone(self.0.semaphore())).take(bytes)?;
        self.0.merge(more);
        Ok(())
    }

    /// Returns all but `bytes` to the budget.
    pub fn shrink(&mut self, bytes: usize) {
        drop(self.0.split(self.bytes().saturating_sub(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_ends_before_its_count_does() {
        let budget = Budget::new(usize::MAX);
        let most = u32::MAX as usize;
        assert!(budget.take(most + 1).is_err());
        let mut permit = budget.take(most - 1).unwrap();
        permit.grow(1).unwrap();
        assert!(permit.grow(1).is_err());
        assert!(permit.grow(usize::MAX).is_err());
        assert_eq!(permit.bytes(), most);
        drop(permit);
        assert_eq!(budget.left(), Semaphore::MAX_PERMITS);
    }
}
