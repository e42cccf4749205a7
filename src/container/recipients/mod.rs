//! Who a file is sealed for, and what opens it. There are four kinds of recipients: a key,
//! a passphrase, age, and a command. Each wraps the data key into a [`Stanza`] of the header
//! and unwraps it again; [`Recipient`] and [`Identities`] bring the kinds together.
//!
//! What must always hold:
//! - A wrapped data key is bound to the preamble of its file, so it opens no other file.
//! - Nothing proves a stanza authentic before it is unwrapped, so what unwrapping can cost
//!   is bounded first: memory and time of argon2id, an age header's length, a command's runs.

pub(super) mod age;
mod external;
mod identities;
mod key;
pub(super) mod passphrase;
mod recipient;
pub(super) mod stanza;

pub use age::{AgeIdentities, AgeRecipient, Nobody, Person};
pub use external::External;
pub use identities::{Identities, KeySource, Others};
pub use key::Kek;
pub use passphrase::Passphrase;
pub use recipient::Recipient;
pub use stanza::Stanza;
