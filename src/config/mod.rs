//! `sealserve.toml` and the paths of a home. `docs/configuration.md` is the
//! reference that users read; a test holds it to this file.

mod check;
mod file;
mod home;
mod read;
mod span;

pub use check::is_model_name;
pub use file::{
    AuditMode, AuditTable, Config, KeyringTable, KeysTable, LimitsTable, ModelTable, RuntimeTable,
    SigningMode, SigningTable, TlsTable, TlsVersion,
};
pub use home::Home;
pub use read::ConfigError;
pub use span::Span;
