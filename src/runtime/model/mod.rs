//! From the bytes of a model to sessions: the graph is walked, the model is rewritten
//! without its large weights, and ONNX Runtime reads those where they were decrypted.

pub mod external;
pub mod graph;
mod loader;
mod model_rewrite;
mod onnx;
mod protobuf;
mod shareable;
mod static_cost;
mod zero_copy;

pub use loader::{Loader, Model};
