# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "numpy==2.4.6",
#     "onnx==1.23.2",
#     "onnxruntime==1.29.0",
# ]
# ///
"""Makes models/aliased/: models whose outputs may share memory with something else.

That is an input, another output, or a weight. Each takes one input `x` of [n]. The name
of an output tells what it holds, its shape aside:

    x, same...     the elements of `x`
    negated...     the elements of `x`, negated
    weight...      0, 1, 2, ... as many as the shape has, FP32

Run it with `uv run make_aliased.py`. Nothing is random: the same versions write the same
bytes. It runs each model in Python's onnxruntime, for several sizes, and fails where an
output is not bit by bit what its name tells.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent / "models" / "aliased"
FLOAT, INT64, BOOL, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING
SIZES = [0, 1, 5, 4096, 300_000]
node = helper.make_node


def info(name, dtype=FLOAT, shape=None):
    if shape is None:
        return helper.make_tensor_value_info(name, dtype, None)
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, value):
    return numpy_helper.from_array(np.array(value), name)


def graph(outputs, nodes, weights=(), dtype=FLOAT):
    """Outputs are names of the type of `x`, or of FP32 where they are weights."""
    described = [
        info(n, FLOAT if n.startswith("weight") else dtype, ["n"] if n == "x" else None) for n in outputs
    ]
    return helper.make_model(
        helper.make_graph(list(nodes), "aliased", [info("x", dtype, ["n"])], described, list(weights)),
        producer_name="sealserve-testdata",
        producer_version="1",
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )


def branch(name, nodes, output):
    return helper.make_graph(nodes, name, [], [info(output)])


def loop(rounds):
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Identity", ["before"], ["after"])],
        "body",
        [info("round", INT64, []), info("go", BOOL, []), info("before")],
        [info("on", BOOL, []), info("after")],
    )
    return graph(
        ["same", "x"],
        [node("Loop", ["rounds", "", "x"], ["same"], body=body)],
        [constant("rounds", np.int64(rounds))],
    )


def scan():
    """One round, over all of `x`."""
    body = helper.make_graph([node("Identity", ["one"], ["given"])], "body", [info("one")], [info("given")])
    return graph(
        ["same", "x"],
        [
            node("Unsqueeze", ["x", "axis"], ["row"]),
            node("Scan", ["row"], ["same"], body=body, num_scan_inputs=1),
        ],
        [AXIS],
    )


def choice(yes, no):
    size = [node("Size", ["x"], ["size"]), node("GreaterOrEqual", ["size", "least"], ["which"])]
    return graph(
        ["same", "x"],
        [*size, node("If", ["which"], ["same"], then_branch=yes, else_branch=no)],
        [constant("least", np.int64(0))],
    )


def reshaped(first):
    shape = ["one", "shape"] if first else ["shape", "one"]
    return graph(
        ["same"],
        [node("Shape", ["x"], ["shape"]), node("Concat", shape, ["to"], axis=0), node("Reshape", ["x", "to"], ["same"], allowzero=1)],
        [constant("one", np.array([1], np.int64))],
    )


NEG = node("Neg", ["x"], ["negated"])
AXIS = constant("axis", np.array([0], np.int64))
WEIGHT = constant("weight", np.arange(64, dtype=np.float32))
LARGE = constant("weight", np.arange(1 << 12, dtype=np.float32))

MODELS = {
    "output-is-input": graph(["negated", "x"], [NEG]),
    "output-is-input-first": graph(["x", "negated"], [NEG]),
    "output-is-input-int64": graph(["negated", "x"], [NEG], dtype=INT64),
    "output-is-input-bool": graph(["same", "x"], [node("Identity", ["x"], ["same"])], dtype=BOOL),
    "output-is-input-string": graph(["same", "x"], [node("Identity", ["x"], ["same"])], dtype=STRING),
    "identity": graph(["same"], [node("Identity", ["x"], ["same"])]),
    "identity-twice": graph(["same_a", "same_b"], [node("Identity", ["x"], ["same_a"]), node("Identity", ["x"], ["same_b"])]),
    "identity-chain": graph(
        ["same_a", "same_b", "x"], [node("Identity", ["x"], ["same_a"]), node("Identity", ["same_a"], ["same_b"])]
    ),
    "reshape-row": reshaped(True),
    "reshape-column": reshaped(False),
    "unsqueeze": graph(["same", "x"], [node("Unsqueeze", ["x", "axis"], ["same"])], [AXIS]),
    "squeeze": graph(
        ["same", "same_row"],
        [node("Unsqueeze", ["x", "axis"], ["same_row"]), node("Squeeze", ["same_row", "axis"], ["same"])],
        [AXIS],
    ),
    "flatten": graph(["same", "x"], [node("Flatten", ["x"], ["same"], axis=1)]),
    "transpose": graph(
        ["same"],
        [node("Unsqueeze", ["x", "axis"], ["row"]), node("Transpose", ["row"], ["same"], perm=[1, 0])],
        [AXIS],
    ),
    "if-outer": choice(
        branch("yes", [node("Identity", ["x"], ["yes"])], "yes"), branch("no", [node("Neg", ["x"], ["no"])], "no")
    ),
    "if-reshaped": choice(
        branch("yes", [node("Constant", [], ["at"], value_ints=[0]), node("Unsqueeze", ["x", "at"], ["yes"])], "yes"),
        branch("no", [node("Neg", ["x"], ["no"])], "no"),
    ),
    "loop-never": loop(0),
    "loop-thrice": loop(3),
    "scan": scan(),
    "optional": graph(
        ["same", "x"], [node("Optional", ["x"], ["perhaps"]), node("OptionalGetElement", ["perhaps"], ["same"])]
    ),
    "sequence": graph(
        ["same", "x"],
        [node("SequenceConstruct", ["x"], ["all"]), node("SequenceAt", ["all", "first"], ["same"])],
        [constant("first", np.int64(0))],
    ),
    "dropout": graph(["same", "x"], [node("Dropout", ["x"], ["same"])]),
    "cast": graph(["same", "x"], [node("Cast", ["x"], ["same"], to=FLOAT)]),
    "concat": graph(["same", "x"], [node("Concat", ["x"], ["same"], axis=0)]),
    "negated-twice": graph(["same", "negated", "x"], [NEG, node("Neg", ["negated"], ["same"])]),
    "weight": graph(["weight", "negated"], [NEG], [WEIGHT]),
    "weight-large": graph(["weight", "x", "negated"], [NEG], [LARGE]),
    "weight-identity": graph(["weight_a", "weight", "x"], [node("Identity", ["weight"], ["weight_a"])], [LARGE]),
    "weight-reshaped": graph(
        ["weight_row", "negated"], [node("Unsqueeze", ["weight", "axis"], ["weight_row"]), NEG], [LARGE, AXIS]
    ),
}


def sent(dtype, size):
    if dtype == STRING:
        return np.array([f"text {n} that is too long to be kept in place" for n in range(min(size, 5000))], object)
    if dtype == BOOL:
        return np.arange(size) % 3 == 0
    return (np.arange(size) * 3 + 1).astype(np.int64 if dtype == INT64 else np.float32)


def check(name):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    data = (OUT / f"{name}.onnx").read_bytes()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    dtype = MODELS[name].graph.input[0].type.tensor_type.elem_type
    for size in SIZES:
        x = sent(dtype, size)
        names = [o.name for o in session.get_outputs()]
        for output, value in zip(names, session.run(None, {"x": x})):
            expected = x
            if output.startswith("negated"):
                expected = -x
            elif output.startswith("weight"):
                expected = np.arange(value.size, dtype=np.float32)
                assert value.size
            assert value.dtype == expected.dtype and value.ravel().tolist() == expected.tolist(), (name, size, output)


def main():
    OUT.mkdir(exist_ok=True)
    for name, made in MODELS.items():
        (OUT / f"{name}.onnx").write_bytes(made.SerializeToString(deterministic=True))
        check(name)
    print(f"{len(MODELS)} models, all as their outputs' names tell")


if __name__ == "__main__":
    main()
