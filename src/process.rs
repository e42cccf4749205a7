//! What holds for the whole process.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump, and no other process of this user may read the memory. Best
/// effort where the kernel refuses: `SECURITY.md` names what remains.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Gives memory that was freed back to the system, which hands it to nobody unwiped.
/// The C library would keep most of it for later, and with it what was inside.
#[expect(unsafe_code, reason = "only malloc_trim(3) does it")]
pub fn release_freed_memory() {
    // SAFETY: it takes a number, and may be called at any time from any thread.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
