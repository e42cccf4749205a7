# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "ml_dtypes==0.6.0",
#     "numpy==2.4.6",
#     "onnx==1.23.2",
#     "onnxruntime==1.29.0",
# ]
# ///
"""Makes the tiny models of models/, one for each case that the tests need.

Good models:

    echo.onnx      one Identity for each dtype that JSON can carry, 1-D, free size `n`
    bf16.onnx      Identity of BF16, which the clients send in the binary form only
    text.onnx      Identity of one string, [1]
    grid.onnx      Identity of FP32 [rows, columns], both of any size
    grow.onnx      `shape` INT64 [n] -> `value` FP32 of that shape, all 1.5: a short request
                   with an answer of any size
    slow.onnx      `iterations` INT64 [1] -> `value` FP32 [1]; each iteration multiplies
                   two 512 x 512 matrices (1 to 10 milliseconds on one core)
    stuck.onnx     `boxes` INT64 [1] -> `value` INT64 [1]: how many of so many boxes do not
                   overlap, found by one operation that nothing interrupts and that takes
                   as many steps as there are pairs of them

Models to refuse:

    complex64.onnx         its input has a dtype that the protocol has no name for
    float8.onnx            the same, with a dtype that ONNX Runtime does load
    sequence.onnx          its input is a sequence, not a tensor
    external.onnx          the data of an initializer lies in ../secret.bin
    external-cwd.onnx      the same with the location secret.bin, which ONNX Runtime
                           itself would read from the working directory
    external-subgraph.onnx as external.onnx, but in a Constant inside both branches of an If
    external-memory.onnx   an initializer whose location is the library's own marker for
                           "at this address in memory"

Run it with `uv run make_models.py`. Nothing is random: the same versions write
the same bytes.
"""

import hashlib
import math
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

OUT = Path(__file__).resolve().parent / "models"

DTYPES = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "fp16": TensorProto.FLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}
SIDE = 512
FLOAT = TensorProto.FLOAT
info = helper.make_tensor_value_info
node = helper.make_node


def model(name, nodes, inputs, outputs, initializers=(), opset=17, ir_version=8):
    return helper.make_model(
        helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(initializers)),
        producer_name="sealserve-testdata",
        producer_version="1",
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=ir_version,
    )


def echo():
    return model(
        "echo",
        [node("Identity", [f"{n}_in"], [f"{n}_out"], name=f"echo_{n}") for n in DTYPES],
        [info(f"{n}_in", t, ["n"]) for n, t in DTYPES.items()],
        [info(f"{n}_out", t, ["n"]) for n, t in DTYPES.items()],
    )


def identity(name, dtype, shape=("n",)):
    return model(
        name,
        [node("Identity", [f"{name}_in"], [f"{name}_out"])],
        [info(f"{name}_in", dtype, shape)],
        [info(f"{name}_out", dtype, shape)],
    )


def float8():
    return model(
        "float8",
        [node("Cast", ["float8_in"], ["fp32_out"], to=FLOAT)],
        [info("float8_in", TensorProto.FLOAT8E4M3FN, ["n"])],
        [info("fp32_out", FLOAT, ["n"])],
        opset=19,
        ir_version=9,
    )


def sequence():
    return model(
        "sequence",
        [node("SequenceLength", ["sequence_in"], ["length_out"])],
        [helper.make_tensor_sequence_value_info("sequence_in", FLOAT, ["n"])],
        [info("length_out", TensorProto.INT64, [])],
    )


def external_tensor(name, dims, location):
    tensor = TensorProto(name=name, data_type=FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    length = str(4 * math.prod(dims))
    for key, value in {"location": location, "offset": "0", "length": length}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def external(location):
    return model(
        "external",
        [node("MatMul", ["x", "secret"], ["y"])],
        [info("x", FLOAT, ["n", 4])],
        [info("y", FLOAT, ["n", 4])],
        [external_tensor("secret", [4, 4], location)],
    )


def external_subgraph(location):
    def branch(name):
        constant = node("Constant", [], [f"{name}_secret"], value=external_tensor("", [4], location))
        return helper.make_graph([constant], name, [], [info(f"{name}_secret", FLOAT, [4])])

    return model(
        "external_subgraph",
        [node("If", ["which"], ["y"], then_branch=branch("yes"), else_branch=branch("no"))],
        [info("which", TensorProto.BOOL, [])],
        [info("y", FLOAT, [4])],
    )


def grow():
    one = helper.make_tensor("one", FLOAT, [1], [1.5])
    return model(
        "grow",
        [node("ConstantOfShape", ["shape"], ["value"], value=one)],
        [info("shape", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("value", FLOAT, None)],
    )


def slow():
    """value = max of x after `iterations` rounds of x = tanh(x W + W), all made inside."""

    def scalar(name, dtype, value):
        return helper.make_tensor(name, dtype, [], [value])

    body = helper.make_graph(
        [
            node("MatMul", ["x_before", "weights"], ["product"], name="multiply"),
            node("Add", ["product", "weights"], ["sum"], name="keep_away_from_zero"),
            node("Tanh", ["sum"], ["x_after"], name="squash"),
            node("Identity", ["go_before"], ["go_after"], name="go_on"),
        ],
        "round",
        [
            info("round_number", TensorProto.INT64, []),
            info("go_before", TensorProto.BOOL, []),
            info("x_before", FLOAT, [SIDE, SIDE]),
        ],
        [info("go_after", TensorProto.BOOL, []), info("x_after", FLOAT, [SIDE, SIDE])],
    )
    return model(
        "slow",
        [
            node("Range", ["zero", "count", "one"], ["ramp"], name="ramp"),
            node("Cos", ["ramp"], ["wave"], name="wave"),
            node("Mul", ["wave", "gain"], ["scaled"], name="scale"),
            node("Reshape", ["scaled", "square"], ["weights"], name="shape"),
            node("Squeeze", ["iterations"], ["rounds"], name="rounds"),
            node("Loop", ["rounds", "go", "weights"], ["x"], name="loop", body=body),
            node("ReduceMax", ["x"], ["max"], name="max", keepdims=0),
            node("Reshape", ["max", "vector"], ["value"], name="vector"),
        ],
        [info("iterations", TensorProto.INT64, [1])],
        [info("value", FLOAT, [1])],
        [
            scalar("zero", FLOAT, 0.0),
            scalar("one", FLOAT, 1.0),
            scalar("count", FLOAT, float(SIDE * SIDE)),
            scalar("gain", FLOAT, 2.0 / SIDE),
            scalar("go", TensorProto.BOOL, True),
            helper.make_tensor("square", TensorProto.INT64, [2], [SIDE, SIDE]),
            helper.make_tensor("vector", TensorProto.INT64, [1], [1]),
        ],
    )


def stuck():
    """value = boxes; NonMaxSuppression compares each of them with every one before it."""

    def scalar(name, value):
        return helper.make_tensor(name, FLOAT, [], [value])

    def vector(name, values):
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)

    return model(
        "stuck",
        [
            node("Squeeze", ["boxes"], ["count"], name="count"),
            node("Cast", ["count"], ["end"], name="end", to=FLOAT),
            node("Range", ["zero", "end", "one"], ["ramp"], name="ramp"),
            node("Add", ["ramp", "half"], ["other_side"], name="other_side"),
            node("Reshape", ["ramp", "column"], ["low"], name="low"),
            node("Reshape", ["other_side", "column"], ["high"], name="high"),
            node("Concat", ["low", "low", "high", "high"], ["corners"], name="corners", axis=2),
            node("Reshape", ["ramp", "row"], ["scores"], name="scores"),
            node("NonMaxSuppression", ["corners", "scores", "boxes"], ["kept"], name="suppress"),
            node("Shape", ["kept"], ["value"], name="value", end=1),
        ],
        [info("boxes", TensorProto.INT64, [1])],
        [info("value", TensorProto.INT64, [1])],
        [
            scalar("zero", 0.0),
            scalar("one", 1.0),
            scalar("half", 0.5),
            vector("column", [1, -1, 1]),
            vector("row", [1, 1, -1]),
        ],
    )


MODELS = {
    "echo": echo(),
    "bf16": identity("bf16", TensorProto.BFLOAT16),
    "text": identity("text", TensorProto.STRING, [1]),
    "grid": identity("grid", FLOAT, ["rows", "columns"]),
    "grow": grow(),
    "slow": slow(),
    "stuck": stuck(),
    "complex64": identity("complex64", TensorProto.COMPLEX64),
    "float8": float8(),
    "sequence": sequence(),
    "external": external("../secret.bin"),
    "external-cwd": external("secret.bin"),
    "external-subgraph": external_subgraph("../secret.bin"),
    "external-memory": external("*/_ORT_MEM_ADDR_/*"),
}


GOOD = {"echo", "bf16", "text", "grid", "grow", "slow", "stuck"}


def open_session(name):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = (OUT / f"{name}.onnx").read_bytes()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def check_echo():
    sent = {}
    for name, dtype in DTYPES.items():
        if name == "string":
            sent["string_in"] = np.array(["", "Grüße", "a\nb"], dtype=object)
        else:
            sent[f"{name}_in"] = np.array([0, 1, 1], helper.tensor_dtype_to_np_dtype(dtype))
    session = open_session("echo")
    for output, value in zip(session.get_outputs(), session.run(None, sent)):
        assert (value == sent[output.name.replace("_out", "_in")]).all(), output.name


def check_bf16():
    inputs = [i.type for i in open_session("bf16").get_inputs()]
    assert inputs == ["tensor(bfloat16)"], inputs
    assert np.dtype(ml_dtypes.bfloat16).itemsize == 2


def check_slow():
    session = open_session("slow")
    session.run(None, {"iterations": np.array([1], np.int64)})
    started = time.perf_counter()
    (value,) = session.run(None, {"iterations": np.array([50], np.int64)})
    assert value.shape == (1,) and np.isfinite(value).all()
    print(f"slow: {(time.perf_counter() - started) / 50 * 1000:.1f} ms for each iteration")


def check_stuck():
    session = open_session("stuck")
    started = time.perf_counter()
    (value,) = session.run(None, {"boxes": np.array([20_000], np.int64)})
    assert value == [20_000], value
    print(f"stuck: {time.perf_counter() - started:.1f} s for 20,000 boxes")


def main():
    OUT.mkdir(exist_ok=True)
    for name, made in MODELS.items():
        data = made.SerializeToString(deterministic=True)
        (OUT / f"{name}.onnx").write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  models/{name}.onnx  ({len(data)} bytes)")
    for name in sorted(GOOD - {"grow"} | {"complex64", "float8", "sequence"}):
        onnx.checker.check_model(MODELS[name])
    check_echo()
    check_bf16()
    check_slow()
    check_stuck()
    for name in sorted(MODELS.keys() - GOOD):
        try:
            types = [i.type for i in open_session(name).get_inputs()]
            print(f"{name}: ONNX Runtime loads it, inputs {types}")
        except Exception as error:
            print(f"{name}: ONNX Runtime refuses it: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
