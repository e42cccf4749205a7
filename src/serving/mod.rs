//! Models that are loaded: the registry, the scheduler of each model, and its sessions.
//! Independent of protocols. Each inference needs a [`Permit`](crate::auth::Permit). A model
//! remembers its [`Provenance`]; when the keyring revokes one of those keys with `--unload`,
//! the model is withdrawn: it never runs again, and its memory is freed.

mod bounds;
mod error;
mod inline;
mod load;
mod model;
mod provenance;
mod registry;
mod scheduler;
mod sessions;
mod spec;
mod tensors;

pub use bounds::Bounds;
pub use error::{LoadError, ServingError};
pub use load::{claimed, load};
pub use model::{Model, ModelState, ModelStatus, OpenedBy};
pub use provenance::{Provenance, Refusal};
pub use registry::Registry;
pub use spec::{ModelSource, ModelSpec};
pub use tensors::Tensors;
