//! The environment.

use std::ffi::OsString;
use std::sync::OnceLock;

use crate::secret::SecretBytes;

/// What stood in the variables that were taken out.
static TAKEN: OnceLock<Vec<(String, SecretBytes)>> = OnceLock::new();

/// The environment variable `name`.
#[expect(clippy::disallowed_methods, reason = "the environment enters here")]
pub(super) fn var(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Takes the variables `names` out of the environment: each program that is started gets
/// it, and shows it to every process of its user. Once, and before there are threads.
#[expect(unsafe_code, reason = "the environment may be changed while there is one thread only, and there is")]
pub(super) fn take(names: impl Iterator<Item = String>) {
    // What no variable can be called is not to be taken out either.
    let names: Vec<_> = names.filter(|name| !name.is_empty() && !name.contains(['=', '\0'])).collect();
    let held = |name: &String| Some((name.clone(), var(name)?.into_encoded_bytes().into()));
    let _ = TAKEN.set(names.iter().filter_map(held).collect());
    for name in names {
        // SAFETY: no other thread exists yet, arguments are read before anything is begun.
        unsafe { std::env::remove_var(name) }
    }
}

/// What the variable `name` held that was taken out.
pub(super) fn taken(name: &str) -> Option<&'static SecretBytes> {
    TAKEN.get()?.iter().find(|(taken, _)| taken == name).map(|(_, value)| value)
}
