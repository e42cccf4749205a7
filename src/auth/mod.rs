//! Authentication and authorization, independent of protocols.
//! [`Authenticator::authenticate`] turns the credentials of a request into a [`Principal`];
//! [`Principal::authorize`] turns that into a [`Permit`] for one action on one model. Neither
//! value can be made elsewhere, so code that needs a `Permit` cannot be reached without both
//! checks.

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
