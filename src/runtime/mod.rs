//! ONNX Runtime: finds it, installs it, checks it, and runs models in it. The
//! only importer of `ort`.
//!
//! What always holds:
//!
//! - A model's plaintext stays in memory. It enters as bytes, never as a path;
//!   no optimized model, profile or cache is ever written.
//! - Every byte of a model was authenticated before it comes here, and is then
//!   walked by [`graph`] before ONNX Runtime sees it: the library is no
//!   integrity check, and left to itself it reads files that a model names.
//! - The library receives plaintext too, so its SHA-256 is compared with
//!   [`pins`] at every load, and the bytes that were hashed are the bytes that
//!   are loaded.
//! - Telemetry is off before the library is loaded, or the library is not loaded.

mod data_type;
mod device;
mod dimensions;
pub mod engine;
mod error;
pub mod external;
pub mod graph;
mod inline;
pub mod install;
mod lend;
mod library;
mod onnx;
mod opener;
pub mod pins;
mod raw;
pub mod search;
pub mod session;
mod steady;
mod tensor;
mod wheel;
mod wire;

#[cfg(test)]
mod testing;

pub use data_type::DataType;
pub use device::{Device, Placement};
pub use engine::Runtime;
pub use error::{InstallError, ModelError, RunError, RuntimeError};
pub use library::Library;
pub use opener::{Model, Opener};
pub use raw::NotElements;
pub use session::{Interrupt, Session, SessionOptions, TensorSpec};
pub(crate) use tensor::of_type;
pub use tensor::{Tensor, TensorData};
