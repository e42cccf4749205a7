//! ONNX Runtime: finds it, installs it, checks it, and runs models in it. The
//! only importer of `ort`.
//!
//! - [`library`]: the library itself, from search to load
//! - [`model`]: from a model's plaintext to sessions
//! - [`session`]: one open model, its runs and its memory
//! - `tensor`: tensors of requests, as bytes and as the library's values
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
//! | what | owner | until |
//! |---|---|---|
//! | inputs: numbers and booleans | we; an `Input` holds the elements and the library's view of them | the view is released before the elements; the outputs borrow both, because an output that a graph gives back reads the input's memory |
//! | inputs: strings | the library, which copies them | their `Input` is dropped |
//! | outputs | we, once the run ends; they may share memory with inputs, weights and each other | they are copied, while inputs, session and run options are borrowed. Each is released when its `Output` is dropped, also after an error |
//! | names of inputs and outputs | we ([`session`]); made once for each session | the session ends; each run borrows them |
//! | description of our memory | we; made once for each session | the session ends; a value keeps its own copy |
//! | run options | a run and all its interrupts; each run has its own, so an old interrupt stops no later run | the last of them goes; the run borrows them |
//! | weights that are read in place | we; each tensor of them holds a count of the pages, and so does each session | the library calls `Free`; only then may a page be wiped. A weight that is an output too is not released before the session ends |
//! | weights that sessions share once repacked | the library, in a container that we hold; each session holds a count of it, and so does the loader | the last session is gone, after whose release the container goes |
//! | initializers that tell which weights are shared | we; with the container | as the container; the library never reads their data |
//! | the bytes of the rewritten model | we | the last session is open; each session borrows them while it opens |
//! | arenas | the library; a session and its `Arena` hold a count each, the environment one more while the session opens | both are gone |
//! | environment and library | the process | it ends; they are never unloaded |

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
