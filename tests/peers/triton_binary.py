"""Talks to a running server with tritonclient.http in the binary tensor extension, over TLS.

What tritonclient 2.73 does beyond triton_json.py, read from its source:

* A binary input has `parameters: {"binary_data_size": N}` and its bytes behind the JSON;
  the request then carries Inference-Header-Content-Length, and no Content-Type. BYTES is
  a length of four bytes, little-endian, before each element. BF16 is an ml_dtypes array
  and can be sent in binary only; FP16 as well.
* Without requested outputs it asks for `binary_data_output: true`; a requested output
  says `binary_data` true or false for itself.
* The request is compressed with gzip, or with zlib as "deflate", after the JSON was
  measured. An answer is decompressed by Content-Encoding first and divided by
  Inference-Header-Content-Length then; where that header is missing all of it is JSON.
* It writes Content-Encoding, Accept-Encoding and the length into the caller's own headers,
  where the next call finds them: each call here gets a copy.
* A BYTES tensor that has no elements has `binary_data_size: 0` and no bytes.

    triton_binary.py --url localhost:8443 --ca ca.pem --token-file token \
        --onnx testdata/digits.onnx --rows testdata/digits-heldout.csv

The server has the models digits, echo and bf16. Every answer must have the bits of the
JSON answer, and those of Python's onnxruntime where that is the build that serves.
"""

import argparse
import http.client
import itertools
import json
import ssl

import ml_dtypes
import numpy as np
import onnxruntime
import tritonclient.http as triton

import digits_reference as digits
from echo_values import VALUES, finite, same

CODINGS = (None, "gzip", "deflate")


def tensor(name, datatype, values, binary):
    sent = triton.InferInput(name, list(values.shape), datatype)
    sent.set_data_from_numpy(values, binary_data=binary)
    return sent


def check_echo(client, headers):
    """Every data type there and back; how many answers were compared."""
    compared = 0
    forms = itertools.product((True, False), (None, True, False), (False, True))
    for binary_in, binary_out, empty in forms:
        inputs, sent = [], {}
        for name, (datatype, values) in VALUES.items():
            values = values[:0] if empty else values
            if not binary_in or binary_out is False:
                values = finite(values)
            sent[name] = values
            # The client has no FP16 in JSON.
            inputs.append(tensor(f"{name}_in", datatype, values, binary_in or name == "fp16"))
        wanted = None
        if binary_out is not None:
            wanted = [triton.InferRequestedOutput(f"{name}_out", binary_data=binary_out) for name in VALUES]
        answer = client.infer("echo", inputs, outputs=wanted, headers=dict(headers))
        for name, values in sent.items():
            output = answer.get_output(f"{name}_out")
            assert ("data" in output) == (binary_out is False), output
            got = answer.as_numpy(f"{name}_out")
            assert same(got, values), f"{name}: {got} is not {values}"
            compared += 1
    return compared


def check_bf16(client, headers):
    values = np.array([1.5, -np.inf, np.nan, 3.38953139e38], ml_dtypes.bfloat16)
    sent = [tensor("bf16_in", "BF16", values, True)]
    got = client.infer("bf16", sent, headers=dict(headers)).as_numpy("bf16_out")
    assert got.dtype == values.dtype and got.tobytes() == values.tobytes(), got


def infer_digits(client, headers, pixels, binary, named, request_coding, response_coding):
    wanted = None
    if named:
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary)
            for name in ("probabilities", "label")
        ]
    answer = client.infer(
        "digits",
        [tensor("pixels", "FP32", pixels, binary)],
        outputs=wanted,
        headers=dict(headers),
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )
    return answer.as_numpy("probabilities"), answer.as_numpy("label")


def check_digits(client, headers, pixels, truth, onnx):
    """All held-out rows, in every form and coding; every answer must have the same bits."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    want = session.run(["probabilities", "label"], {"pixels": pixels})
    reference, exchanges = None, 0
    for binary, named, sent, wanted in itertools.product((False, True), (True, False), CODINGS, CODINGS):
        got = infer_digits(client, headers, pixels, binary, named, sent, wanted)
        reference = reference or got
        for mine, first in zip(got, reference):
            assert same(mine, first), f"binary {binary}, named {named}, {sent}, {wanted}"
        exchanges += 1
    report = digits.compare(*reference, pixels, truth, onnx)
    report["exchanges"] = exchanges
    # Python 3.10 has an older onnxruntime, whose last bits may differ.
    if onnxruntime.__version__ == "1.29.0":
        assert all(same(mine, theirs) for mine, theirs in zip(reference, want)), "other bits"
        report["same_bits_as_onnxruntime"] = True
    return report


def exchange(url, ca, headers, body):
    """One POST by hand; returns the response and its body."""
    host, port = url.split(":")
    trust = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(host, int(port), context=trust, timeout=60)
    connection.request("POST", "/v2/models/digits/infer", body, headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:500]
    connection.close()
    return response, content


def check_bodies_by_hand(url, ca, headers, pixels):
    """The client's own body, sent by hand, and a raw one; both answers read by the client."""
    body, length = triton.InferenceServerClient.generate_request_body(
        [tensor("pixels", "FP32", pixels, True)]
    )
    for body, length in ((body, length), (pixels.tobytes(), 0)):
        sent = {**headers, "Inference-Header-Content-Length": str(length)}
        sent["Content-Type"] = "application/octet-stream"
        response, content = exchange(url, ca, sent, body)
        assert response.headers["Content-Type"] == "application/octet-stream", response.headers
        answer = triton.InferenceServerClient.parse_response_body(
            content, header_length=int(response.headers["Inference-Header-Content-Length"])
        )
        yield answer.as_numpy("probabilities")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="HOST:PORT, without a scheme")
    digits.add_arguments(parser)
    args = parser.parse_args()

    headers = {"Authorization": f"Bearer {digits.read_token(args.token_file)}"}
    pixels, truth = digits.read_rows(args.rows)
    client = triton.InferenceServerClient(args.url, ssl=True, ssl_options={"ca_certs": args.ca})
    assert client.get_server_metadata(headers=headers)["extensions"] == ["binary_tensor_data"]
    report = check_digits(client, headers, pixels, truth, args.onnx)
    report["echoed"] = check_echo(client, headers)
    check_bf16(client, headers)
    expected = infer_digits(client, headers, pixels, True, True, None, None)[0]
    by_hand = list(check_bodies_by_hand(args.url, args.ca, headers, pixels))
    assert len(by_hand) == 2 and all(same(got, expected) for got in by_hand)
    client.close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
