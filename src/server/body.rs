//! A request's body: bounded in size, in time, and in what all bodies together
//! may hold in memory.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::app::App;
use super::fault::Fault;
use super::gate::Caller;
use super::signature::Check;

/// A body in memory. Its share of the memory is given back when it is dropped.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) memory: OwnedSemaphorePermit,
}

impl Held {
    /// Lets the bytes go, and takes the share that the `size` bytes of tensors need
    /// which were made from them.
    pub(super) fn become_tensors(mut self, app: &App, size: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let more = size.saturating_sub(self.memory.num_permits());
        let more = u32::try_from(more).map_err(|_| Fault::no_memory())?;
        let more = app.body_memory.clone().try_acquire_many_owned(more).map_err(|_| Fault::no_memory())?;
        self.memory.merge(more);
        Ok(self.memory)
    }
}

/// Takes in what a refused client is still sending, if it is little: some clients
/// (curl before 8) see a broken stream in an answer that comes before they are done.
pub(super) async fn drain(mut body: Body) {
    const MOST: usize = 64 << 10;
    let within = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(1), within).await;
}

/// Reads the body of the request of `caller` whole. A signed request is accepted
/// here: after there is room for its body, before the first byte of it.
pub(super) async fn read(app: &App, caller: &Caller, mut body: Body) -> Result<Held, Fault> {
    let limit = app.limits.body;
    let announced = body.size_hint().exact().map(usize::try_from);
    let expected = match announced {
        Some(Ok(length)) if length <= limit => length,
        Some(_) => {
            drain(body).await;
            return Err(Fault::body_too_large(limit));
        }
        // A body of unknown length may grow to the limit, so it must have that much.
        None => limit,
    };
    let share = u32::try_from(expected).map_err(|_| Fault::body_too_large(limit))?;
    let memory = app.body_memory.clone().try_acquire_many_owned(share).map_err(|_| Fault::no_memory())?;
    caller.accept_signature(app)?;

    // Room grows with what arrives: an announcement alone takes no memory.
    let mut bytes = BytesMut::new();
    let mut check = Check::new(caller.signed());
    let end = Instant::now() + app.limits.body_deadline.0;
    loop {
        let frame = timeout_at((Instant::now() + app.limits.body_timeout.0).min(end), body.frame())
            .await
            .map_err(|_| Fault::body_timeout())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Fault::malformed("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                drain(body).await;
                return Err(Fault::body_too_large(limit));
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
    Ok(Held { bytes: bytes.freeze(), memory })
}
