//! A private PKI (RFC 5280): authorities, certificates for servers and clients,
//! the inventory of what was issued, and a strict look at any certificate.
//! docs/pki.md describes profiles and formats.
//!
//! What always holds:
//! - the root signs intermediates only; an intermediate signs leaves only, and only
//!   for the names that it is constrained to;
//! - every certificate has a random serial number, names its issuer's key, and ends
//!   no later than its issuer;
//! - nothing that was signed leaves this module before its whole chain was verified;
//! - what is read from a certificate is bounded, and shown without control characters.

mod authority;
mod certificate;
mod checks;
mod error;
mod finding;
mod form;
mod inventory;
pub mod lifetime;
mod name;
mod order;
mod path;
mod principal;
mod probe;
mod profile;
mod purpose;
mod read;
mod text;
mod verify;

pub use authority::{Authority, AuthorityRequest, Holder, Leaf, LeafRequest, Signer};
pub use certificate::{Certificate, Facts, PublicKey};
pub use error::PkiError;
pub use finding::{Check, Finding, Level};
pub use form::Form;
pub use inventory::{Entry, Inventory, Issued};
pub use name::{Limits, Name, Subtree};
pub use order::{Disorder, client_chain, disorder, server_chain};
pub use principal::Principal;
pub use probe::{Endpoint, Shown, probe};
pub use purpose::Purpose;
pub use read::{MAX_FILE, certificates, chain, file, private_key_der};
pub use verify::{Named, Question, Verdict, verify};

#[cfg(test)]
mod tests;
