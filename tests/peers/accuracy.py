"""Sends the held-out digits through a running server and compares with Python's onnxruntime.

The client is Python's own http.client over TLS: Open Inference Protocol v2 in
JSON, one keep-alive connection, the given authority and no other. Labels must
be equal row by row, probabilities within 1e-6.

    accuracy.py --url https://localhost:8443 --ca ca.pem --token-file token \
        --onnx testdata/digits.onnx --rows testdata/digits-heldout.csv

prints {"rows": 360, "accuracy": ..., "max_abs_diff": ..., "label_mismatches": 0, ...}.
"""

import argparse
import http.client
import json
import ssl
from urllib.parse import quote, urlsplit

import numpy as np

import digits_reference as digits


def infer(connection, path, token, pixels):
    tensor = {
        "name": "pixels",
        "shape": list(pixels.shape),
        "datatype": "FP32",
        "data": pixels.ravel().tolist(),
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps({"inputs": [tensor]}), headers)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, f"{response.status} {body[:500]!r}"
    content_type = response.headers.get_content_type()
    assert content_type == "application/json", content_type
    return {output["name"]: output for output in json.loads(body)["outputs"]}


def tensor(output, dtype, datatype, shape):
    assert output["datatype"] == datatype, output["datatype"]
    assert output["shape"] == shape, output["shape"]
    return np.array(output["data"], dtype).reshape(shape)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="https://HOST:PORT")
    digits.add_arguments(parser)
    args = parser.parse_args()

    url = urlsplit(args.url)
    assert url.scheme == "https" and url.port, f"--url {args.url}: need https://HOST:PORT"
    pixels, truth = digits.read_rows(args.rows)
    token = digits.read_token(args.token_file)
    path = f"/v2/models/{quote(args.model, safe='')}/infer"
    trust = ssl.create_default_context(cafile=args.ca)
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=trust, timeout=60)

    probabilities, labels = [], []
    for batch in digits.batches(pixels, args.batch):
        outputs = infer(connection, path, token, batch)
        rows = len(batch)
        probabilities.append(tensor(outputs["probabilities"], np.float32, "FP32", [rows, 10]))
        labels.append(tensor(outputs["label"], np.int64, "INT64", [rows]))
    connection.close()

    report = digits.compare(
        np.concatenate(probabilities), np.concatenate(labels), pixels, truth, args.onnx
    )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
