//! The header: all that a file says before its payload. It is written twice, in two slots;
//! each holds the wrapped data keys, the encrypted metadata and the signatures.
//!
//! What must always hold:
//! - Parsing is strict and bounded, and ends before any key is used.
//! - Each slot is covered by a MAC under the data key. A slot with a right checksum and a
//!   wrong MAC is forged, and its file is refused.
//! - The slot of the highest generation counts. One damaged slot is forgiven; two slots of
//!   one generation that differ are not.

pub(super) mod body;
pub(super) mod metadata;
mod read;
pub(super) mod slot;
mod unlock;

pub use body::SignatureRecord;
pub use metadata::{Metadata, ONNX};
pub use read::{Header, SlotState};
pub(super) use unlock::Opening;
