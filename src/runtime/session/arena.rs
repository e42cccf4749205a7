//! The memory that ONNX Runtime takes for the runs of one session: an arena of its own,
//! with a limit, which can give back to the system what it does not use.
//!
//! The library has options for an arena only where it is registered with the environment,
//! for all sessions. A session takes what is registered when it opens, and keeps it. So
//! each session opens with an arena that is registered just for it.
//!
//! The limit is for runs, so weights that the library copies or repacks must not count.
//! They come from a second allocator, without an arena.

#![expect(unsafe_code, reason = "the safe interface has no arenas of the environment, and no numbers of one")]

use std::ffi::{CStr, CString, c_char};
use std::sync::{Mutex, PoisonError};
use std::{fmt, ptr};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{RunOptions, Session};
use ort::sys::{OrtAllocator, OrtKeyValuePairs, OrtStatusPtr, OrtValue};
use ort::{AsPointer, Error, api};

/// What an arena may keep for the next run, so that models with small tensors never wait
/// for the system to hand out pages anew.
const KEPT: u64 = 32 << 20;

/// An arena is extended by what is asked for. Extended to powers of two it would take
/// twice the memory, and its blocks could seldom go back.
const AS_REQUESTED: usize = 1;

/// One session at a time registers its allocators.
static REGISTERED: Mutex<()> = Mutex::new(());

/// The arena of one session.
pub(super) struct Arena {
    allocator: Allocator,
    /// Options of a run that does nothing but shrink the arena.
    shrink: RunOptions,
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("held", &self.held()).finish_non_exhaustive()
    }
}

/// What an arena holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Taken from the system.
    pub(super) total: u64,
    /// In use by tensors.
    pub(super) used: u64,
}

/// Calls `open`, and gives the session that it opens an arena of its own: of `limit` bytes,
/// or of any size. The session's builder must say that it uses allocators of the environment.
pub(super) fn with_arena(
    environment: &Environment,
    limit: Option<usize>,
    open: impl FnOnce() -> ort::Result<Session>,
) -> ort::Result<(Session, Arena)> {
    let one = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    let runs = Registered::arena(environment, limit)?;
    let weights = Registered::for_weights(environment)?;
    let session = open()?;
    drop((weights, runs));
    drop(one);
    let allocator = Allocator::new(&session, arena_info()?)?;
    let mut shrink = RunOptions::new()?;
    shrink.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
    shrink.set_log_level(LogLevel::Fatal)?;
    shrink.terminate()?;
    Ok((session, Arena { allocator, shrink }))
}

impl Arena {
    /// Gives memory back to the system where the arena keeps much that is not in use.
    pub(super) fn trim(&self, session: &mut Session) {
        if self.held().is_some_and(|held| held.total.saturating_sub(held.used) > KEPT) {
            self.shrink(session);
        }
    }

    /// Gives back all memory that is not in use.
    ///
    /// The library shrinks an arena only at the end of a run, and then the outputs are
    /// still there. So this begins another run, which ends before its first operation and
    /// needs no inputs.
    pub(super) fn shrink(&self, session: &mut Session) {
        let Some(output) = session.outputs().first().and_then(|output| CString::new(output.name()).ok())
        else {
            return;
        };
        let mut value: *mut OrtValue = ptr::null_mut();
        // SAFETY: there are no inputs and one output, and all of them live through the call.
        let ended = unsafe {
            (api().Run)(
                session.ptr().cast_mut(),
                self.shrink.ptr(),
                ptr::null(),
                ptr::null(),
                0,
                &output.as_ptr(),
                1,
                &raw mut value,
            )
        };
        // A run that was stopped before it began fails, but not where there is nothing to do.
        let _ = check(ended);
        if !value.is_null() {
            // SAFETY: it is ours, and used no more.
            unsafe { (api().ReleaseValue)(value) };
        }
    }

    /// What the arena holds; `None` where the library does not say.
    pub(super) fn held(&self) -> Option<Held> {
        let allocator = self.allocator.ptr();
        // SAFETY: it lives as long as `self`.
        let version = unsafe { (*allocator).version };
        if version < WITH_STATS {
            return None;
        }
        // SAFETY: from that version on, this field follows.
        let stats = unsafe { (*allocator.cast::<AllocatorWithStats>()).stats }?;
        let mut pairs: *mut OrtKeyValuePairs = ptr::null_mut();
        // SAFETY: both live through the call.
        check(unsafe { stats(allocator, &raw mut pairs) }).ok()?;
        let number = |key: &CStr| {
            // SAFETY: the pairs and the key live through the call.
            let value = unsafe { (api().GetKeyValue)(pairs, key.as_ptr()) };
            // SAFETY: it is text that ends with zero, and lives as long as the pairs.
            let text = (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) });
            text?.to_str().ok()?.parse().ok()
        };
        let held = number(c"TotalAllocated").zip(number(c"InUse"));
        // SAFETY: they are ours, and used no more.
        unsafe { (api().ReleaseKeyValuePairs)(pairs) };
        held.map(|(total, used)| Held { total, used })
    }
}

/// The version of the library from which on an allocator can tell what it holds.
const WITH_STATS: u32 = 23;

/// An `OrtAllocator` of that version or a later one.
#[repr(C)]
struct AllocatorWithStats {
    before: OrtAllocator,
    stats: Option<unsafe extern "system" fn(*const OrtAllocator, *mut *mut OrtKeyValuePairs) -> OrtStatusPtr>,
}

/// An allocator while it is registered with the environment.
struct Registered<'e> {
    environment: &'e Environment,
    info: MemoryInfo<'static>,
}

impl<'e> Registered<'e> {
    fn arena(environment: &'e Environment, limit: Option<usize>) -> ort::Result<Self> {
        let names: [*const c_char; 2] = [c"max_mem".as_ptr(), c"arena_extend_strategy".as_ptr()];
        // The library takes 0 for "any size".
        let values = [limit.unwrap_or(0), AS_REQUESTED];
        let mut options = ptr::null_mut();
        // SAFETY: there are as many names as values, and all of them live through the call.
        check(unsafe {
            (api().CreateArenaCfgV2)(names.as_ptr(), values.as_ptr(), names.len(), &raw mut options)
        })?;
        let info = arena_info()?;
        // SAFETY: all of them live through the call, which copies the options.
        let registered =
            unsafe { (api().CreateAndRegisterAllocator)(environment.ptr().cast_mut(), info.ptr(), options) };
        // SAFETY: they are ours, and used no more.
        unsafe { (api().ReleaseArenaCfg)(options) };
        check(registered)?;
        Ok(Self { environment, info })
    }

    /// A plain allocator, which the library prefers for weights because it is read-only. Its
    /// memory type is another one than the arena's, of which there can be one only.
    fn for_weights(environment: &'e Environment) -> ort::Result<Self> {
        let (device, kind) = (AllocationDevice::CPU, AllocatorType::ReadOnly);
        let info = MemoryInfo::new(device, 0, kind, MemoryType::CPUOutput)?;
        // SAFETY: both live through the call, and there may be no options.
        check(unsafe {
            (api().CreateAndRegisterAllocator)(environment.ptr().cast_mut(), info.ptr(), ptr::null())
        })?;
        Ok(Self { environment, info })
    }
}

impl Drop for Registered<'_> {
    /// The session keeps the allocator.
    fn drop(&mut self) {
        // SAFETY: both live through the call.
        let removed =
            unsafe { (api().UnregisterAllocator)(self.environment.ptr().cast_mut(), self.info.ptr()) };
        if let Err(error) = check(removed) {
            tracing::warn!("cannot take back an allocator: {error}");
        }
    }
}

fn arena_info() -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: it comes from the library, and is used no more.
    unsafe { Error::result_from_status(status) }
}

#[cfg(test)]
mod tests {
    use crate::runtime::session::Session;
    use crate::runtime::testing::{CPU, model, model_of, run, runtime};
    use crate::runtime::{ModelError, RunError, SessionOptions, Tensor, TensorData};

    const MIB: usize = 1 << 20;

    fn open(name: &str, run_memory: Option<usize>) -> Result<Session, ModelError> {
        let options = SessionOptions { run_memory, ..CPU };
        runtime().prepare(model_of(&model(name), &[]), 1)?.open(&options)
    }

    /// An answer of so many bytes from a request of eight.
    fn grow(session: &mut Session, bytes: usize) -> Result<Vec<Tensor>, RunError> {
        let count = i64::try_from(bytes / 4).unwrap();
        let shape = Tensor::new("shape", vec![1], TensorData::Int64(vec![count])).unwrap();
        run(session, vec![shape], &[])
    }

    #[test]
    fn a_run_beyond_the_limit_fails_and_the_session_lives_on() {
        let mut session = open("models/grow.onnx", Some(8 * MIB)).unwrap();
        for _ in 0..3 {
            let error = grow(&mut session, 9 * MIB).unwrap_err();
            assert!(matches!(error, RunError::OutOfMemory { .. }), "{error}");
            assert!(error.is_callers_fault());
            assert!(grow(&mut session, 7 * MIB).is_ok());
        }
    }

    #[test]
    fn each_session_has_a_limit_of_its_own() {
        let mut small = open("models/grow.onnx", Some(8 * MIB)).unwrap();
        let mut large = open("models/grow.onnx", Some(64 * MIB)).unwrap();
        let mut free = open("models/grow.onnx", None).unwrap();
        assert!(grow(&mut free, 128 * MIB).is_ok());
        assert!(grow(&mut large, 48 * MIB).is_ok());
        assert!(grow(&mut large, 65 * MIB).is_err());
        // What the others have taken does not count here.
        assert!(grow(&mut small, 7 * MIB).is_ok());
        assert!(grow(&mut small, 48 * MIB).is_err());
    }

    #[test]
    fn weights_do_not_count() {
        // The library packs 30 KiB of weights anew.
        let mut session = open("digits.onnx", Some(16 << 10)).unwrap();
        let row = Tensor::new("pixels", vec![1, 64], TensorData::Fp32(vec![0.0; 64])).unwrap();
        assert!(run(&mut session, vec![row], &[]).is_ok());
        let refused = open("digits.onnx", Some(1)).unwrap_err();
        assert!(matches!(refused, ModelError::RunMemory { limit: 1, .. }), "{refused}");
    }
}
