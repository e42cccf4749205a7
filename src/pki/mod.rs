//! A private PKI (RFC 5280): root, intermediate, server certificates.
//!
//! What always holds: the root signs intermediates only; an intermediate signs
//! leaves only, and only for the names that it is constrained to; every
//! certificate has a random serial number and names its issuer's key.

mod authority;
mod name;
mod profile;

pub use authority::{Authority, Leaf, PkiError};
pub use name::Name;
