"""Talks to a running server with NVIDIA's own client, tritonclient.http, in JSON over TLS.

What tritonclient 2.73 (on geventhttpclient 2.6) does, read from its source:

* TLS. `ssl=True` and `ssl_options={"ca_certs": FILE}` trust that file and nothing
  else, with host name check. A `ssl_context_factory` is called with `cafile=` that
  same file; without `ca_certs` it is given the system's bundle. `server_hostname` among
  the options replaces the name to check; `insecure=True` only stops that check. `url` is HOST:PORT without a scheme.
* HTTP/1.1, keep-alive. Requests carry Host, User-Agent, the caller's headers (here
  Authorization) and, with a body, Content-Length. There is no Content-Type and, unless
  asked for, no Accept-Encoding. `Transfer-Encoding` among the headers is an error.
* GET v2/health/live, v2/health/ready, v2/models/NAME[/versions/V]/ready: only the
  status counts; 200 is True, anything else False.
* GET v2, v2/models/NAME[/versions/V]: the body is parsed as JSON and handed out.
* POST v2/models/NAME[/versions/V]/infer: {"id"?, "inputs": [{"name", "shape",
  "datatype", "parameters"?, "data"}], "outputs": [{"name", "parameters":
  {"binary_data": false}}], "parameters"?}. Data is flat, in row-major order. Without
  requested outputs it sends "parameters": {"binary_data_output": true}. With binary
  inputs it adds Inference-Header-Content-Length.
* The answer must be exactly 200. Its JSON needs "outputs" with "name", "datatype",
  "shape" and "data"; `parameters.binary_data_size` and the response header
  Inference-Header-Content-Length mean binary data. Content-Encoding gzip or deflate is
  undone. Any other status becomes InferenceServerException with the body's "error" as
  message and the status as text; a body without "error" gives a decoding message.

    triton_json.py --url localhost:8443 --ca ca.pem --token-file token \
        --onnx testdata/digits.onnx --rows testdata/digits-heldout.csv
"""

import argparse
import json
import ssl

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

import digits_reference as digits


def connect(url, **ssl_options):
    return triton.InferenceServerClient(url, ssl=True, ssl_options=ssl_options)


def check_tls_is_verified(url, ca):
    """The system's bundle does not hold our authority; the host name must match as well."""
    for options in ({}, {"ca_certs": ca, "server_hostname": "other.localhost"}):
        try:
            connect(url, **options).is_server_live()
        except ssl.SSLCertVerificationError as error:
            yield error.verify_message
        else:
            raise AssertionError(f"{url}: the certificate was accepted with {options}")


def check_metadata(client, model, headers):
    server = client.get_server_metadata(headers=headers)
    assert isinstance(server["name"], str) and isinstance(server["version"], str), server
    assert isinstance(server["extensions"], list), server
    found = client.get_model_metadata(model, headers=headers)
    assert found["name"] == model and isinstance(found["platform"], str), found
    inputs = [(t["name"], t["datatype"], t["shape"]) for t in found["inputs"]]
    outputs = [(t["name"], t["datatype"], t["shape"]) for t in found["outputs"]]
    assert inputs == [("pixels", "FP32", [-1, 64])], inputs
    assert outputs == [("probabilities", "FP32", [-1, 10]), ("label", "INT64", [-1])], outputs
    return server, found


def infer(client, model, headers, pixels, request_id):
    sent = triton.InferInput("pixels", list(pixels.shape), "FP32")
    sent.set_data_from_numpy(pixels, binary_data=False)
    wanted = [
        triton.InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "label")
    ]
    answer = client.infer(model, [sent], outputs=wanted, request_id=request_id, headers=headers)
    got = answer.get_response()
    assert got["model_name"] == model, got["model_name"]
    assert got["id"] == request_id, got.get("id")
    return answer.as_numpy("probabilities"), answer.as_numpy("label")


def refusal(call):
    """Runs a call that must fail; returns the status and message that the client shows."""
    try:
        call()
    except InferenceServerException as error:
        assert "while decoding the response" not in error.message(), error.message()
        return {"status": error.status(), "message": error.message()}
    raise AssertionError("a call that must be refused succeeded")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="HOST:PORT, without a scheme")
    digits.add_arguments(parser)
    args = parser.parse_args()

    headers = {"Authorization": f"Bearer {digits.read_token(args.token_file)}"}
    pixels, truth = digits.read_rows(args.rows)
    tls_refusals = list(check_tls_is_verified(args.url, args.ca))

    client = connect(args.url, ca_certs=args.ca)
    assert client.is_server_live(), "live without a token"
    assert client.is_server_ready(), "ready without a token"
    assert client.is_model_ready(args.model, headers=headers), "model ready"
    assert not client.is_model_ready(args.model), "model ready without a token"
    assert not client.is_model_ready("no-such-model", headers=headers), "unknown model"
    server, model = check_metadata(client, args.model, headers)

    probabilities, labels = [], []
    for number, batch in enumerate(digits.batches(pixels, args.batch)):
        got = infer(client, args.model, headers, batch, f"batch-{number}")
        probabilities.append(got[0])
        labels.append(got[1])
    report = digits.compare(
        np.concatenate(probabilities), np.concatenate(labels), pixels, truth, args.onnx
    )

    report["tls_refusals"] = tls_refusals
    report["without_token"] = refusal(lambda: client.get_model_metadata(args.model))
    assert report["without_token"]["status"] == "401", report["without_token"]
    wrong = pixels[:1, :63].copy()
    report["wrong_shape"] = refusal(lambda: infer(client, args.model, headers, wrong, "wrong"))
    assert report["wrong_shape"]["status"] == "400", report["wrong_shape"]
    report["server"], report["model"] = server, model
    client.close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
