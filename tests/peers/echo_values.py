"""What the clients send to the model echo: elements of each data type, and how to compare them."""

import numpy as np

# What the protocol calls the type of the inputs bool_in to string_in, and values for it.
VALUES = {
    "bool": ("BOOL", np.array([True, False, True])),
    "int8": ("INT8", np.array([-128, 0, 127], np.int8)),
    "int16": ("INT16", np.array([-(2**15), 0, 2**15 - 1], np.int16)),
    "int32": ("INT32", np.array([-(2**31), 0, 2**31 - 1], np.int32)),
    "int64": ("INT64", np.array([-(2**63), 0, 2**63 - 1], np.int64)),
    "uint8": ("UINT8", np.array([0, 1, 255], np.uint8)),
    "uint16": ("UINT16", np.array([0, 1, 2**16 - 1], np.uint16)),
    "uint32": ("UINT32", np.array([0, 1, 2**32 - 1], np.uint32)),
    "uint64": ("UINT64", np.array([0, 1, 2**64 - 1], np.uint64)),
    "fp16": ("FP16", np.array([1.5, -np.inf, np.nan], np.float16)),
    "fp32": ("FP32", np.array([np.inf, -0.0, np.nan], np.float32)),
    "fp64": ("FP64", np.array([5e-324, -np.inf, np.nan], np.float64)),
    "string": ("BYTES", np.array(["", "Grüße", "a\nb"], dtype=object)),
}


def finite(values):
    """The same without what JSON does not know: NaN and infinities."""
    if values.dtype.kind != "f":
        return values
    return np.where(np.isfinite(values), values, 2).astype(values.dtype)


def same(got, sent):
    """Whether two arrays have the same bits; strings may come back as their bytes."""
    if sent.dtype == object:
        return [as_bytes(x) for x in got.ravel()] == [as_bytes(x) for x in sent.ravel()]
    return got.dtype == sent.dtype and got.shape == sent.shape and got.tobytes() == sent.tobytes()


def as_bytes(element):
    return element.encode() if isinstance(element, str) else bytes(element)
