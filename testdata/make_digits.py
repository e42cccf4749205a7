# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "numpy==2.4.6",
#     "onnx==1.23.2",
#     "onnxruntime==1.29.0",
#     "scikit-learn==1.9.1",
#     "scipy==1.17.1",
#     "threadpoolctl==3.8.0",
# ]
# ///
"""Makes digits.onnx, digits-heldout.csv and digits-request.json in this folder.

A small network is trained on the handwritten digits that scikit-learn ships and
written as a plain ONNX graph:

    pixels FP32 [batch, 64], raw values 0 to 16
      -> Mul 1/16 -> Gemm 64x96 -> Relu -> Gemm 96x10 -> Softmax
      -> probabilities FP32 [batch, 10]
      -> ArgMax -> label INT64 [batch]

Run it with `uv run make_digits.py`, or install the versions above and run
`python make_digits.py`. The seeds are fixed, and training uses one thread, so
that the same machine writes the same bytes; another linear-algebra kernel may
round the weights differently.
"""

import csv
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

HERE = Path(__file__).resolve().parent
SEED = 20_240_229
HELD_OUT = 360
HIDDEN = 96
FULL_SCALE = 16.0
REQUIRED_ACCURACY = 0.97


def train(pixels, labels):
    network = MLPClassifier(
        hidden_layer_sizes=(HIDDEN,),
        alpha=0.01,
        batch_size=64,
        learning_rate_init=0.003,
        max_iter=80,
        n_iter_no_change=80,
        random_state=SEED,
    )
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops at max_iter on purpose
        network.fit(pixels / FULL_SCALE, labels)
    return network


def to_onnx(network):
    def constant(name, value):
        return numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name)

    (w0, w1), (b0, b1) = network.coefs_, network.intercepts_
    graph = helper.make_graph(
        nodes=[
            helper.make_node("Mul", ["pixels", "scale"], ["scaled"], name="scale_pixels"),
            helper.make_node("Gemm", ["scaled", "w0", "b0"], ["hidden"], name="hidden_layer"),
            helper.make_node("Relu", ["hidden"], ["active"], name="activation"),
            helper.make_node("Gemm", ["active", "w1", "b1"], ["scores"], name="output_layer"),
            helper.make_node("Softmax", ["scores"], ["probabilities"], name="softmax", axis=1),
            helper.make_node("ArgMax", ["probabilities"], ["label"], name="argmax", axis=1, keepdims=0),
        ],
        name="digits",
        inputs=[helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 64])],
        outputs=[
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
        ],
        initializer=[
            constant("scale", 1.0 / FULL_SCALE),
            constant("w0", w0),
            constant("b0", b0),
            constant("w1", w1),
            constant("b1", b1),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="sealserve-testdata",
        producer_version="1",
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        model_version=1,
        doc_string="Handwritten digits, 8x8 pixels of 0 to 16, to ten probabilities.",
    )
    helper.set_model_props(
        model,
        {
            "dataset": "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI",
            "dataset_doi": "10.24432/C50P49",
            "dataset_licence": "CC BY 4.0",
            "made_by": "testdata/make_digits.py",
        },
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def write_rows(path, pixels, labels):
    with path.open("w", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow([f"p{i}" for i in range(64)] + ["label"])
        rows.writerows([*map(int, row), int(label)] for row, label in zip(pixels, labels))


def write_request(path, row):
    tensor = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [int(v) for v in row]}
    path.write_text(json.dumps({"inputs": [tensor]}) + "\n")


def main():
    digits = load_digits()
    train_x, held_x, train_y, held_y = train_test_split(
        digits.data, digits.target, test_size=HELD_OUT, stratify=digits.target, random_state=SEED
    )
    model_path = HERE / "digits.onnx"
    model_path.write_bytes(to_onnx(train(train_x, train_y)).SerializeToString(deterministic=True))
    write_rows(HERE / "digits-heldout.csv", held_x, held_y)
    write_request(HERE / "digits-request.json", held_x[0])

    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    probabilities, labels = session.run(
        ["probabilities", "label"], {"pixels": held_x.astype(np.float32)}
    )
    assert probabilities.shape == (HELD_OUT, 10) and labels.dtype == np.int64
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (labels == probabilities.argmax(axis=1)).all()
    accuracy = float((labels == held_y).mean())
    print(f"accuracy on {HELD_OUT} held-out rows: {accuracy:.4f}")
    for name in ("digits.onnx", "digits-heldout.csv", "digits-request.json"):
        data = (HERE / name).read_bytes()
        print(f"{hashlib.sha256(data).hexdigest()}  {name}  ({len(data)} bytes)")
    assert accuracy >= REQUIRED_ACCURACY, f"accuracy {accuracy} is below {REQUIRED_ACCURACY}"


if __name__ == "__main__":
    main()
