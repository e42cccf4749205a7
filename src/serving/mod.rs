//! Models that are ready to run: which there are, who waits for them, who runs
//! them. Knows nothing of HTTP, and demands a [`Permit`](crate::auth::Permit) for
//! each inference. A model remembers what it hangs on, and is withdrawn where the keyring
//! demands it: from then on nothing of it runs, and its memory is freed.

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
