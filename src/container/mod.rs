//! The sealed model file (`*.sealed`): one encrypted model, for any number of
//! recipients. `docs/file-format.md` describes every byte.
//!
//! A file is a preamble, a header written twice, and the payload. The payload is
//! encrypted under a data key of its own; the header holds that key, wrapped once
//! for each recipient, and the metadata. So retiring a recipient's key rewrites
//! the header and leaves the payload alone, and the second copy of the header
//! keeps the file readable if that is interrupted.
//!
//! The folders are the parts of the format: `header`, with the wrapped data keys of
//! `recipients`, `payload`, and [`archive`], which is the plaintext of a model of several
//! files. The files beside them are the operations: `seal`, `open` and `unlocked`, `verify`,
//! `extract`, `rewrite`, `reencrypt`, `sign`.
//!
//! What must always hold:
//! - No byte of plaintext leaves this module before its chunk is authenticated,
//!   and chunks leave in order.
//! - Every byte of the file is covered: by a MAC, by authenticated encryption, or
//!   by a check that it is zero. The one survivable damage is a header slot whose
//!   checksum fails, while the other slot authenticates.
//! - Parsing is strict and bounded, and happens before any key is used.
//! - Memory is constant for streams, whatever the length of the model.
//! - A header is rewritten under the file's lock, in the slot that was not just
//!   authenticated first: a kill at any instant leaves one that opens.

pub mod archive;
mod detached;
mod error;
mod extract;
mod header;
mod ids;
mod open;
mod payload;
mod preamble;
mod recipients;
mod reencrypt;
mod rewrite;
mod seal;
mod sign;
mod signature;
mod stream;
#[cfg(test)]
mod tests;
mod unlocked;
mod verify;

pub use detached::seal_detached;
pub use error::{ContainerError, Fault};
pub use header::{Header, Metadata, ONNX, SignatureRecord, SlotState};
pub use ids::{ArtifactId, KeyId, ParseIdError, RecipientKind, SignerId, SlotName};
pub use open::Sealed;
pub use recipients::{
    AgeIdentities, AgeRecipient, External, Identities, Kek, KeySource, Nobody, Others, Passphrase, Person,
    Recipient, Stanza,
};
pub use rewrite::{RecipientChange, Rewrite, Rewritten};
pub use seal::{SealSpec, Summary, seal, seal_signed};
pub use sign::{Signed, sign};
pub use signature::{SignaturePolicy, Signer, TrustedSigner};
pub use stream::{Input, Named, ReadAt};
pub use unlocked::Unlocked;
pub use verify::Verified;
