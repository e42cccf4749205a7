//! The environment.

use std::ffi::OsString;

/// The environment variable `name`.
#[expect(clippy::disallowed_methods, reason = "the environment enters here")]
pub(super) fn var(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
