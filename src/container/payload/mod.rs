//! The payload: chunks, each encrypted and authenticated on its own. They are streamed on
//! all cores, loaded into memory, or decrypted where a part of the plaintext is wanted.
//!
//! What must always hold:
//! - No byte of plaintext is passed on before its chunk is authenticated. A stream passes
//!   chunks on in order; memory is handed over only when all of them are authentic.
//! - A stream takes the same memory whatever its length.
//! - Nothing here knows headers or keys: whoever calls brings the cipher.

pub(super) mod batch;
mod batch_source;
pub(super) mod memory;
pub(super) mod pipeline;
pub(super) mod random_access;
pub(super) mod range;
mod workers;
