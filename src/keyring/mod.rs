//! Every key that sealserve mints, in one file.
//!
//! What always holds:
//! - a secret stands in the file only encrypted, bound to its key's id, use,
//!   algorithm and the generation that wrote it; an API key does not stand there at
//!   all, only its digest, encrypted likewise;
//! - the whole file carries a MAC, so a state cannot be edited by hand;
//! - one writer at a time holds the lock, and each acknowledged change has a
//!   generation of its own, one higher than the last;
//! - a reader sees a whole file, old or new;
//! - no reader goes back to a generation older than one seen before.

mod apikey;
mod apikeys;
mod error;
mod file;
mod format;
mod key;
mod keys;
mod rollback;
mod root;
mod rotation;
mod watch;

pub use apikey::{ApiKey, Network, NoApiKey, Presented, is_meant};
pub use apikeys::{NewApiKey, RevokedApiKey};
pub use error::KeyringError;
pub use file::Store;
pub use key::{Algorithm, Jwk, Key, KeyState, KeyUse};
pub use keys::Keyring;
pub use root::RootKey;
pub use rotation::{Created, DEFAULT_MAX_TOKEN_LIFETIME, NewKey, Overlap, Revoked, Rotated};
pub use watch::Watch;
