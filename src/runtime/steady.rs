//! Which models take a time, and give results of a size, that do not depend on the
//! values of their inputs.

use super::onnx::text;
use super::wire::Malformed;

/// Operators of ONNX whose cost follows from the shapes of their inputs. Those that
/// read a size from a value (`Expand`, `Range`, `Tile`, `Resize`, …), loops and
/// branches are not among them; one that is not known here is taken for such a one.
const OPERATORS: [&str; 62] = [
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pow",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Selu",
    "Shape",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Sub",
    "Tanh",
    "Transpose",
];

/// Whether `node` is one of those, in ONNX's own domain.
pub(super) fn is_steady(node: &[u8]) -> Result<bool, Malformed> {
    let (operator, domain) = (text(node, 4)?, text(node, 7)?);
    let own = domain.is_empty() || domain == b"ai.onnx";
    Ok(own && OPERATORS.iter().any(|known| known.as_bytes() == operator))
}
