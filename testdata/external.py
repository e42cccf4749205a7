#!/usr/bin/env python3
"""Makes models whose weights lie in files of their own. Needs nothing but Python.

    external.py split MODEL.onnx DIR [LOCATION]
        DIR/MODEL.onnx with the raw data of its initializers moved to DIR/LOCATION
        (default: weights.bin)

    external.py mlp DIR MIB
        DIR/model.onnx, `x` FP32 [n, 1024] to `y` FP32 [n, 1024] by layers of
        4 MiB, and DIR/model.onnx.data with MIB MiB of weights

    external.py inline DIR MIB
        the same model in one file, DIR/model.onnx
"""

import random
import sys
from pathlib import Path

SIDE = 1024
LAYER = 4 * SIDE * SIDE
RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 9, 13, 14


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def fields(message):
    """The fields of a message: number, wire type, value, and the bytes of all that."""
    at = 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        start = at
        key = read_varint()
        match key & 7:
            case 0:
                value = read_varint()
            case 1:
                value = message[at : at + 8]
                at += 8
            case 2:
                length = read_varint()
                value = message[at : at + length]
                at += length
            case 5:
                value = message[at : at + 4]
                at += 4
            case other:
                raise SystemExit(f"wire type {other}")
        yield key >> 3, key & 7, value, message[start:at]


def external(location, offset, length):
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    out = b"".join(data(EXTERNAL_DATA, data(1, k) + data(2, v)) for k, v in entries.items())
    return out + number(DATA_LOCATION, 1)


def split(model, directory, location="weights.bin"):
    weights = bytearray()

    def tensor(message):
        raw = next((value for field, _, value, _ in fields(message) if field == RAW_DATA), None)
        if raw is None:
            return message
        # Where most exporters align to.
        weights.extend(bytes(-len(weights) % 64))
        kept = b"".join(whole for field, _, _, whole in fields(message) if field != RAW_DATA)
        moved = kept + external(location, len(weights), len(raw))
        weights.extend(raw)
        return moved

    def children(message, wanted, change):
        return b"".join(
            data(field, change(value)) if field == wanted else whole
            for field, _, value, whole in fields(message)
        )

    model = Path(model)
    made = children(model.read_bytes(), 7, lambda graph: children(graph, 5, tensor))
    assert weights, "the model has no raw data"
    out = Path(directory)
    (out / location).parent.mkdir(parents=True, exist_ok=True)
    (out / model.name).write_bytes(made)
    (out / location).write_bytes(weights)


def layers_of(mib):
    return int(mib) // 4


def weights(mib):
    """The bytes of each layer."""
    # Small enough that no layer lets the values grow.
    block = random.Random(1).randbytes(LAYER)
    floats = bytearray(block)
    for at in range(3, LAYER, 4):
        floats[at] = floats[at] & 0x80 | 0x3C
    for layer in range(layers_of(mib)):
        shift = 4096 * (layer % 1024)
        yield bytes(floats[shift:] + floats[:shift])


def dense(mib):
    """The model's graph but for its weights, in two parts, around those."""
    layers = layers_of(mib)
    dimension = lambda n: data(1, number(1, n))
    shape = data(1, data(2, "n")) + dimension(SIDE)
    value = lambda name: data(1, name) + data(2, data(1, number(1, 1) + data(2, shape)))
    nodes = b""
    for layer in range(layers):
        before = f"h{layer}" if layer else "x"
        after = "y" if layer == layers - 1 else f"h{layer + 1}"
        product = f"product{layer}"
        nodes += data(1, data(1, before) + data(1, f"w{layer}") + data(2, product) + data(4, "MatMul"))
        nodes += data(1, data(1, product) + data(2, after) + data(4, "Tanh"))
    return nodes + data(2, "mlp"), data(11, value("x")) + data(12, value("y"))


def matrix(layer):
    return number(1, SIDE) + number(1, SIDE) + number(2, 1) + data(8, f"w{layer}")


def mlp(directory, mib):
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "model.onnx.data").open("wb") as file:
        file.writelines(weights(mib))
    before, after = dense(mib)
    tensors = (
        data(5, matrix(layer) + external("model.onnx.data", LAYER * layer, LAYER))
        for layer in range(layers_of(mib))
    )
    graph = before + b"".join(tensors) + after
    (out / "model.onnx").write_bytes(number(1, 8) + data(7, graph) + data(8, number(2, 17)))


def inline(directory, mib):
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    before, after = dense(mib)

    def head(layer):
        own = matrix(layer) + varint(RAW_DATA << 3 | 2) + varint(LAYER)
        return varint(5 << 3 | 2) + varint(len(own) + LAYER) + own

    length = len(before) + len(after) + sum(len(head(n)) + LAYER for n in range(layers_of(mib)))
    with (out / "model.onnx").open("wb") as file:
        file.write(number(1, 8) + varint(7 << 3 | 2) + varint(length) + before)
        for layer, block in enumerate(weights(mib)):
            file.write(head(layer) + block)
        file.write(after + data(8, number(2, 17)))


if __name__ == "__main__":
    commands = {"split": split, "mlp": mlp, "inline": inline}
    if len(sys.argv) < 4 or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
