//! Which operators have a static cost: the time that they take and the size of their
//! results follow from the shapes of their inputs alone, not from the values.

use super::onnx::text;
use super::protobuf::Malformed;

/// Operators of ONNX with a static cost. Operators that read a size from a value
/// (`Expand`, `Range`, `Tile`, `Resize`, …), loops and branches are not listed; an
/// operator that is not listed counts as one with a dynamic cost.
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

/// Whether the operator of `node` is listed, and in ONNX's own domain.
pub(super) fn has_static_cost(node: &[u8]) -> Result<bool, Malformed> {
    let (operator, domain) = (text(node, 4)?, text(node, 7)?);
    let own = domain.is_empty() || domain == b"ai.onnx";
    Ok(own && OPERATORS.iter().any(|known| known.as_bytes() == operator))
}
