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
//!
//! What crosses into the library, who owns it, and until when:
//!
//! - *Inputs* are ours. [`session`] keeps them in a list that the outputs borrow, and
//!   gives the library only views of them. The library does not copy an input that a
//!   graph gives back; such an output reads the input's memory.
//! - *Outputs* are the library's, or share memory with inputs or weights. They are
//!   copied while the inputs, the session and its weights are borrowed; then outputs,
//!   inputs and the session's borrow end, in this order.
//! - *Strings* go in as copies that the library owns, and come out as copies of ours.
//! - *Run options* are shared between a run and all its interrupts, and go with the
//!   last of them. The run borrows them until its outputs are copied.
//! - *Weights* that are lent stay in our pages. The library gives each back through the
//!   lender's `Free` callback, and only then may a page be wiped. A weight that is also
//!   an output is not given back before the session ends. Each lent weight holds a count
//!   of the lender, so the callback never outlives it; the session's guard holds one more.
//! - *The model's bytes* are borrowed while a session opens, and not after that.
//! - *Arenas* are the library's. A session and its `arena::Arena` each hold a count of
//!   one; the environment holds another only while the session opens.
//! - *The environment* and the library itself are never unloaded.

mod data_type;
mod device;
mod error;
pub mod library;
pub mod model;
pub mod session;
mod tensor;

#[cfg(test)]
mod testing;

pub use data_type::DataType;
pub use device::{Device, Placement};
pub use error::{ModelError, RunError};
pub use library::{InstallError, Library, Runtime, RuntimeError, environment, install, pins, search};
pub use model::{Loader, Model, external, graph};
pub use session::{Interrupt, Session, SessionOptions, TensorSpec, release_idle_memory};
pub(crate) use tensor::of_type;
pub use tensor::{Allowance, NotElements, Tensor, TensorData};
