//! Who calls, and what they may do. Both questions have one answer each, here,
//! whatever the protocol: [`Authenticator::authenticate`] makes a [`Principal`]
//! from what a connection and a request bring, [`Principal::authorize`] makes a [`Permit`]
//! for one action on one model. Neither value can be made elsewhere, so what demands a
//! `Permit` cannot be reached without both checks.

mod action;
mod apikey;
mod authenticate;
mod connection;
mod credential;
mod error;
mod issuer;
mod permit;
mod principal;
mod replay;
mod scope;
mod signature;

pub use action::{Action, ModelId};
pub use authenticate::Authenticator;
pub use connection::ConnectionInfo;
pub use credential::Credential;
pub use error::{ApiKeyError, AuthError};
pub use permit::Permit;
pub use principal::Principal;
pub use replay::{NonceStore, ReplayMemory, Taken};
pub use scope::Scope;
pub use signature::{RequestKeys, SignedRequest};
