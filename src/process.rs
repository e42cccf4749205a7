//! What holds for the whole process.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// No core dump, and no other process of this user may read the memory. Best
/// effort where the kernel refuses: `SECURITY.md` names what remains.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Raises the soft limit of open files to the hard one, and returns it; `None` where there
/// is no limit. A usual shell gives 1,024.
pub fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}

/// How many descriptors are open, where the system tells.
pub fn open_descriptors() -> Option<usize> {
    // The listing holds one of its own.
    std::fs::read_dir("/proc/self/fd").ok().map(|listing| listing.count().saturating_sub(1))
}

/// Gives freed memory back to the system if the allocator keeps much of it, as it does
/// after a peak.
#[expect(unsafe_code, reason = "only mallinfo2(3) tells")]
pub fn release_after_peak() {
    /// Less is soon used again.
    const MUCH: usize = 32 << 20;
    // SAFETY: it takes nothing, and may be called at any time from any thread.
    #[cfg(target_env = "gnu")]
    if unsafe { libc::mallinfo2() }.fordblks > MUCH {
        release_freed_memory();
    }
}

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Fails where there was no standard output when the process began. What is written to it
/// since is lost: the standard library opened /dev/null in its place.
pub fn require_stdout() -> io::Result<()> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) { Err(Errno::BADF.into()) } else { Ok(()) }
}

/// The loader calls it before `main`, and so before the standard library: afterwards, a
/// closed descriptor looks like one that the caller opened to /dev/null.
#[expect(unsafe_code, reason = "nothing else runs before the standard library does")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn look() {
        // SAFETY: it takes numbers, and fails for a descriptor that is not open.
        let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
        STDOUT_CLOSED.store(closed, Ordering::Relaxed);
    }
    look
};

/// Ends the process at once. What libraries would do at an exit is left out: threads are
/// still there, and with ONNX Runtime taken down under them, it seems, a server that had
/// ended well aborted once in some hundred times.
#[expect(unsafe_code, reason = "only _exit(2) does it")]
pub fn end(code: u8) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: it takes a number and does not return; what was to be written is written.
    unsafe { libc::_exit(i32::from(code)) }
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
