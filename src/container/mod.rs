//! The sealed model file (`*.sealed`): one encrypted model, for any number of
//! recipients. `docs/file-format.md` describes every byte.
//!
//! A file is a preamble, a header written twice, and the payload. The payload is
//! encrypted under a data key of its own; the header holds that key, wrapped once
//! for each recipient, and the metadata. So retiring a recipient's key rewrites
//! the header and leaves the payload alone, and the second copy of the header
//! keeps the file readable if that is interrupted.
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

mod age_key;
pub mod archive;
mod batch;
mod batch_source;
mod body;
mod detached;
mod error;
mod external;
mod extract;
mod header;
mod identities;
mod ids;
mod kek;
mod memory;
mod metadata;
mod open;
mod passphrase;
mod pipeline;
mod preamble;
mod random_access;
mod range;
mod recipient;
mod reencrypt;
mod rewrite;
mod seal;
mod sign;
mod signature;
mod slot;
mod stanza;
mod stream;
#[cfg(test)]
mod tests;
mod unlocked;
mod verify;
mod workers;

pub use age_key::{AgeIdentities, AgeRecipient, Nobody, Person};
pub use body::SignatureRecord;
pub use detached::seal_detached;
pub use error::{ContainerError, Fault};
pub use external::External;
pub use header::{Header, SlotState};
pub use identities::{Identities, KeySource, Others};
pub use ids::{ArtifactId, KeyId, ParseIdError, RecipientKind, SignerId, SlotName};
pub use kek::Kek;
pub use metadata::{Metadata, ONNX};
pub use open::Sealed;
pub use passphrase::Passphrase;
pub use recipient::Recipient;
pub use rewrite::{RecipientChange, Rewrite, Rewritten};
pub use seal::{SealSpec, Summary, seal, seal_signed};
pub use sign::{Signed, sign};
pub use signature::{SignaturePolicy, Signer, TrustedSigner};
pub use stanza::Stanza;
pub use stream::{Input, Named, ReadAt};
pub use unlocked::Unlocked;
pub use verify::Verified;
