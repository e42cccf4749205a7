//! Prepares the process, then hands over to the command line.

fn main() {
    silence_libraries();
    sealserve::process::keep_memory_private();
    sealserve::process::end(sealserve::cli::main())
}

/// Before anything else runs: libraries that are loaded later read these. The
/// official builds of ONNX Runtime send telemetry otherwise, and CUDA keeps a
/// cache of compiled kernels on disk.
#[expect(unsafe_code, reason = "the environment may be changed while there is one thread only, and there is")]
fn silence_libraries() {
    for (name, value) in [("ORT_DISABLE_TELEMETRY", "1"), ("CUDA_CACHE_DISABLE", "1")] {
        // SAFETY: no other thread exists yet.
        unsafe { std::env::set_var(name, value) }
    }
}
