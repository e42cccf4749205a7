//! Models that are ready to run: which there are, who waits for them, who runs
//! them. Knows nothing of HTTP, and demands a [`Permit`](crate::auth::Permit) for
//! each inference.

mod error;
mod load;
mod model;
mod pool;
mod registry;

pub use error::{LoadError, ServingError};
pub use load::{ModelSource, ModelSpec, load};
pub use model::{Model, ModelStatus};
pub use registry::Registry;
