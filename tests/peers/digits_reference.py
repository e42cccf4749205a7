"""What the digits scripts share: the held-out rows, the plain model's own answers, the comparison."""

import csv
import os
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime

TOLERANCE = 1e-6


def add_arguments(parser):
    """The options that accuracy.py and triton_json.py have in common."""
    parser.add_argument("--model", default="digits", help="name of the model on the server")
    parser.add_argument("--ca", required=True, help="PEM file of the authority to trust")
    parser.add_argument("--token-file", required=True, help="file with the bearer token")
    parser.add_argument("--onnx", required=True, help="the same model, not encrypted")
    parser.add_argument("--rows", required=True, help="CSV: p0 to p63, label")
    parser.add_argument("--batch", type=int, default=32, help="rows in each request")


def read_token(path):
    return Path(path).read_text(encoding="ascii").strip()


def read_rows(path):
    """Returns pixels, FP32 [rows, 64], and labels, INT64 [rows]."""
    with open(path, newline="", encoding="ascii") as file:
        header, *rows = csv.reader(file)
    assert header == [f"p{i}" for i in range(64)] + ["label"], f"{path}: unexpected header"
    table = np.array(rows, dtype=np.int64)
    return table[:, :64].astype(np.float32), table[:, 64]


def expected(onnx_path, pixels):
    """Returns probabilities and labels of the plain model in Python's onnxruntime."""
    session = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "label"], {"pixels": pixels})


def batches(pixels, size):
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]


def compare(probabilities, labels, pixels, truth, onnx_path):
    """Asserts that the server's answers are the plain model's; returns the figures."""
    want_probabilities, want_labels = expected(onnx_path, pixels)
    assert probabilities.shape == want_probabilities.shape, probabilities.shape
    mismatches = np.flatnonzero(labels != want_labels)
    max_abs_diff = float(np.abs(probabilities - want_probabilities).max())
    assert mismatches.size == 0, f"labels differ from onnxruntime in rows {mismatches.tolist()}"
    assert max_abs_diff <= TOLERANCE, f"probabilities differ by {max_abs_diff}"
    assert (probabilities.argmax(axis=1) == labels).all(), "label is not the largest probability"
    return {
        "rows": len(truth),
        "accuracy": float((labels == truth).mean()),
        "accuracy_onnxruntime": float((want_labels == truth).mean()),
        "max_abs_diff": max_abs_diff,
        "label_mismatches": int(mismatches.size),
    }
