"""Talks to a running server with KServe's own client, InferenceRESTClient, over TLS.

What kserve 0.21 does, read from its source:

* httpx, HTTP/1.1, with its Accept-Encoding (gzip, deflate): answers come compressed
  and are undone by httpx, so that Inference-Header-Content-Length counts what is left.
* Health answers must be JSON with "live" and "ready"; a model is ready when the status
  is 2xx. Any other status becomes httpx.HTTPStatusError with the body's "error", if the
  Content-Type is exactly application/json.
* POST v2/models/NAME/infer: {"id", "model_name", "inputs", "outputs"?, "parameters"?}. A
  binary input is sent as in Triton, with the type application/octet-stream; one without
  elements has `"data": null` and `binary_data_size: 0`, and where all are so the request
  is JSON. FP16 can be sent in binary only; BF16 is unknown.
* An answer needs "model_name", and for each output "data" or `binary_data_size`.

The package imports all of its server and of Kubernetes when it is imported; what is
loaded here is its client alone, file by file as it was installed.

    kserve_client.py --url https://localhost:8443 --ca ca.pem --token-file token \
        --rows testdata/digits-heldout.csv

The server has the models digits and echo.
"""

import argparse
import asyncio
import csv
import importlib.util
import itertools
import json
import ssl
import sys
import types
from pathlib import Path

import numpy as np


def client_without_server():
    """Puts `kserve` in place without running its __init__.py."""
    package = types.ModuleType("kserve")
    package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
    sys.modules["kserve"] = package


client_without_server()

import httpx
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import InferInput, InferRequest, RequestedOutput

from echo_values import VALUES, finite, same


def tensor(name, datatype, values, binary):
    sent = InferInput(name, list(values.shape), datatype)
    sent.set_data_from_numpy(values, binary_data=binary)
    return sent


def read_rows(path):
    with open(path, newline="", encoding="ascii") as file:
        table = np.array(list(csv.reader(file))[1:], dtype=np.int64)
    return table[:, :64].astype(np.float32), table[:, 64]


async def check_health(client, url, headers):
    assert await client.is_server_live(url) is True
    assert await client.is_server_ready(url) is True
    assert await client.is_model_ready(url, "digits", headers=headers) is True
    assert await client.is_model_ready(url, "digits") is False
    assert await client.is_model_ready(url, "no-such-model", headers=headers) is False


async def infer_digits(client, url, headers, pixels, binary, named):
    """Returns probabilities, labels and the headers of the answer."""
    outputs = parameters = None
    if named:
        outputs = [
            RequestedOutput(name, {"binary_data": binary}) for name in ("probabilities", "label")
        ]
    else:
        parameters = {"binary_data_output": binary}
    request = InferRequest(
        "digits",
        [tensor("pixels", "FP32", pixels, binary)],
        request_id="seven",
        parameters=parameters,
        request_outputs=outputs,
    )
    received = {}
    answer = await client.infer(
        url, request, model_name="digits", headers=dict(headers), response_headers=received
    )
    assert answer.model_name == "digits" and answer.id == "seven", answer.id
    by_name = {output.name: output.as_numpy() for output in answer.outputs}
    return by_name["probabilities"], by_name["label"], received


async def check_digits(client, url, headers, pixels, truth):
    reference = None
    for binary, named in itertools.product((False, True), (True, False)):
        probabilities, labels, received = await infer_digits(
            client, url, headers, pixels, binary, named
        )
        assert received["content-encoding"] == "gzip", received
        assert ("inference-header-content-length" in received) == binary, received
        found = (probabilities.tobytes(), labels.tobytes())
        reference = reference or found
        assert found == reference, f"binary {binary}, named {named}"
    return {"rows": len(truth), "accuracy": float((labels == truth).mean())}


async def check_echo(client, url, headers):
    compared = 0
    for binary, empty in itertools.product((True, False), (False, True)):
        form = (lambda values: values) if binary else finite
        sent = {n: (t, form(v[:0] if empty else v)) for n, (t, v) in VALUES.items()}
        # The client has no FP16 in JSON.
        inputs = [tensor(f"{n}_in", t, v, binary or n == "fp16") for n, (t, v) in sent.items()]
        request = InferRequest("echo", inputs, parameters={"binary_data_output": binary})
        answer = await client.infer(url, request, model_name="echo", headers=dict(headers))
        assert len(answer.outputs) == len(VALUES)
        for output in answer.outputs:
            datatype, values = sent[output.name.removesuffix("_out")]
            got = output.as_numpy()
            assert output.datatype == datatype and list(output.shape) == list(values.shape)
            assert same(got, values), f"{output.name}: {got} is not {values}"
            compared += 1
    return compared


async def refusal(call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        return {"status": error.response.status_code, "message": str(error)}
    raise AssertionError("a call that must be refused succeeded")


async def run(args):
    headers = {"Authorization": f"Bearer {Path(args.token_file).read_text().strip()}"}
    pixels, truth = read_rows(args.rows)
    trust = ssl.create_default_context(cafile=args.ca)
    async with InferenceRESTClient(RESTConfig(protocol="v2", verify=trust)) as client:
        await check_health(client, args.url, headers)
        report = await check_digits(client, args.url, headers, pixels, truth)
        report["echoed"] = await check_echo(client, args.url, headers)
        report["without_token"] = await refusal(
            infer_digits(client, args.url, {}, pixels, True, True)
        )
        report["wrong_shape"] = await refusal(
            infer_digits(client, args.url, headers, pixels[:, :63].copy(), True, True)
        )
    return report


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="https://HOST:PORT")
    parser.add_argument("--ca", required=True, help="PEM file of the authority to trust")
    parser.add_argument("--token-file", required=True, help="file with the bearer token")
    parser.add_argument("--rows", required=True, help="CSV: p0 to p63, label")
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
