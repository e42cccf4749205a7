//! A request's body: bounded in size, in time, and in what all bodies together
//! may hold in memory.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::signature::{self, Check};
use crate::auth::SignedRequest;
use crate::server::api_error::ApiError;
use crate::server::app::App;

/// A body in memory. Its share of the memory is given back when it is dropped.
pub(in crate::server) struct Held {
    pub(in crate::server) bytes: Bytes,
    pub(in crate::server) memory: MemoryPermit,
}

/// What one request takes of the memory for bodies.
#[derive(Debug)]
pub(in crate::server) struct MemoryPermit(OwnedSemaphorePermit);

impl MemoryPermit {
    /// So many bytes of `pool`.
    pub(in crate::server) fn of(pool: &Arc<Semaphore>, bytes: usize) -> Result<Self, ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::no_memory())?;
        Arc::clone(pool).try_acquire_many_owned(bytes).map(Self).map_err(|_| ApiError::no_memory())
    }

    pub(in crate::server) fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    /// So many bytes more. It holds less than 4 GiB.
    pub(in crate::server) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let all = self.bytes().checked_add(bytes);
        all.and_then(|all| u32::try_from(all).ok()).ok_or_else(ApiError::no_memory)?;
        let Self(more) = Self::of(self.0.semaphore(), bytes)?;
        self.0.merge(more);
        Ok(())
    }

    /// Gives back what it has beyond `bytes`.
    pub(in crate::server) fn shrink(&mut self, bytes: usize) {
        drop(self.0.split(self.bytes().saturating_sub(bytes)));
    }
}

/// Reads the body of a request whole. One that is `signed` is accepted
/// here: after there is room for its body, before the first byte of it.
pub(in crate::server) async fn read(
    app: &App,
    signed: Option<&SignedRequest>,
    mut body: Body,
) -> Result<Held, ApiError> {
    let limit = app.limits.body;
    let announced = body.size_hint().exact().map(usize::try_from);
    let expected = match announced {
        Some(Ok(length)) if length <= limit => length,
        Some(_) => return Err(ApiError::body_too_large(limit)),
        // A body of unknown length may grow to the limit, so it must have that much.
        None => limit,
    };
    let mut memory = MemoryPermit::of(&app.body_memory, expected)?;
    signature::accept(app, signed)?;

    // Room grows with what arrives: an announcement alone takes no memory.
    let mut bytes = BytesMut::new();
    let mut check = Check::new(signed);
    let end = Instant::now() + app.limits.body_deadline.0;
    loop {
        let frame = timeout_at((Instant::now() + app.limits.body_timeout.0).min(end), body.frame())
            .await
            .map_err(|_| ApiError::body_timeout())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| ApiError::malformed("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(ApiError::body_too_large(limit));
            }
            check.update(&data)?;
            // The only piece there will be: HTTP holds a body to the length it announced. Where
            // none was, more may follow.
            if announced.is_some() && data.len() == expected {
                check.finish()?;
                return Ok(Held { bytes: data, memory });
            }
            bytes.extend_from_slice(&data);
        }
    }
    check.finish()?;
    memory.shrink(bytes.capacity());
    Ok(Held { bytes: bytes.freeze(), memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_ends_before_its_count_does() {
        let pool = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let most = u32::MAX as usize;
        assert!(MemoryPermit::of(&pool, most + 1).is_err());
        let mut share = MemoryPermit::of(&pool, most - 1).unwrap();
        share.grow(1).unwrap();
        assert!(share.grow(1).is_err());
        assert!(share.grow(usize::MAX).is_err());
        assert_eq!(share.bytes(), most);
        drop(share);
        assert_eq!(pool.available_permits(), Semaphore::MAX_PERMITS);
    }
}
