//! Who calls, and what they may do. Both questions have one answer each, here,
//! whatever the protocol: [`Authenticator::authenticate`] makes a [`Principal`]
//! from what a request brings, [`Principal::authorize`] makes a [`Permit`] for one
//! action on one model. Neither value can be made elsewhere, so what demands a
//! `Permit` cannot be reached without both checks.

mod action;
mod apikey;
mod authenticate;
mod error;
mod permit;
mod principal;
mod replay;
mod scope;
mod signature;

pub use action::{Action, ModelId};
pub use authenticate::{Authenticator, Evidence};
pub use error::{ApiKeyError, AuthError};
pub use permit::Permit;
pub use principal::Principal;
pub use replay::ReplayMemory;
pub use scope::Scope;
use scope::Scopes;
pub use signature::{RequestKeys, SignedRequest};
