//! Reads request bodies, bounded in size, in time, and by a budget for all bodies together.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::signature::Check;
use crate::auth::SignedRequest;
use crate::pipeline::{ApiError, Core, MemoryPermit};

/// A body in memory, with its memory permit.
pub(in crate::server) struct Held {
    pub(in crate::server) bytes: Bytes,
    pub(in crate::server) memory: MemoryPermit,
}

/// Reads the whole body of a request. For a signed request, the nonce is stored once there is
/// memory for the body, before its first byte is read.
pub(in crate::server) async fn read(
    core: &Core,
    signed: Option<&Arc<SignedRequest>>,
    mut body: Body,
) -> Result<Held, ApiError> {
    let limit = core.limits.body;
    let announced = body.size_hint().exact().map(usize::try_from);
    let expected = match announced {
        Some(Ok(length)) if length <= limit => length,
        Some(_) => return Err(ApiError::body_too_large(limit)),
        // A body of unknown length may grow up to the limit, so it needs a permit for that much.
        None => limit,
    };
    let mut memory = core.body_memory.take(expected)?;
    if let Some(signed) = signed {
        signed.accept(&*core.nonces, core.clock.unix()).await?;
    }

    // The buffer grows with the bytes that arrive: Content-Length alone allocates nothing.
    let mut bytes = BytesMut::new();
    let mut check = Check::new(signed.map(|signed| &**signed));
    let end = Instant::now() + core.limits.body_deadline.0;
    loop {
        let frame = timeout_at((Instant::now() + core.limits.body_timeout.0).min(end), body.frame())
            .await
            .map_err(|_| ApiError::body_timeout())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| ApiError::malformed("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(ApiError::body_too_large(limit));
            }
            check.update(&data)?;
            // This is the whole body: hyper enforces Content-Length. Without one, more may follow.
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
