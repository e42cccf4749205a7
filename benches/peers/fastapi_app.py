"""The peer of our benchmarks: FastAPI + PyJWT + onnxruntime, doing what our server does.

It answers POST /v2/models/digits/infer in the JSON of the Open Inference Protocol, over
TLS, and verifies an ES256 access token with PyJWT on every request: signature, issuer,
audience, times, type and scope. It is written as one would write it for speed: uvloop and
httptools, orjson both ways, raw request and response objects, one thread for ONNX Runtime
and the model called from the event loop (it takes some 20 microseconds, less than handing
it to a thread).

    export PEER_MODEL=testdata/digits.onnx PEER_JWKS=jwks.json \
           PEER_ISSUER=https://localhost PEER_AUDIENCE=sealserve
    uvicorn --app-dir benches/peers fastapi_app:app --host 127.0.0.1 --port 8443 \
        --ssl-keyfile key.pem --ssl-certfile cert.pem \
        --loop uvloop --http httptools --workers 1 --no-access-log --log-level warning

GET /v2/health/ready answers 200 once it serves.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import jwt
import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

MODEL = "digits"
SCOPES = {f"model:{MODEL}:infer", "model:*:infer"}
DTYPES = {"tensor(float)": ("FP32", np.float32), "tensor(int64)": ("INT64", np.int64)}
REQUIRED = ["iss", "sub", "aud", "iat", "exp", "jti"]


def load_session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
    )


session = load_session()
inputs = {i.name: (*DTYPES[i.type], i.shape) for i in session.get_inputs()}
outputs = [(o.name, DTYPES[o.type][0]) for o in session.get_outputs()]
output_names = [name for name, _ in outputs]
jwks = json.loads(Path(os.environ["PEER_JWKS"]).read_text(encoding="utf-8"))
keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(jwks).keys}
issuer, audience = os.environ["PEER_ISSUER"], os.environ["PEER_AUDIENCE"]
app = FastAPI(openapi_url=None)


class Refused(Exception):
    def __init__(self, status, message):
        self.status, self.message = status, message


def authenticate(request):
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(401, "no bearer token")
    try:
        found = jwt.decode_complete(
            token,
            keys.get(jwt.get_unverified_header(token).get("kid")),
            algorithms=["ES256"],
            issuer=issuer,
            audience=audience,
            options={"require": REQUIRED},
        )
    except (jwt.PyJWTError, TypeError) as error:
        raise Refused(401, "the token is not valid") from error
    if found["header"].get("typ") != "at+jwt":
        raise Refused(401, "the token is not an access token")
    if SCOPES.isdisjoint(found["payload"].get("scope", "").split()):
        raise Refused(403, "the token does not allow this")


def read_request(body):
    try:
        document = orjson.loads(body)
        tensors = document["inputs"]
        if {tensor["name"] for tensor in tensors} != inputs.keys():
            raise Refused(400, f"the inputs are {sorted(inputs)}")
        feed = {}
        for tensor in tensors:
            datatype, dtype, _ = inputs[tensor["name"]]
            if tensor["datatype"] != datatype:
                raise Refused(400, f"{tensor['name']} is {datatype}")
            feed[tensor["name"]] = np.array(tensor["data"], dtype).reshape(tensor["shape"])
        return feed, document.get("id")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused(400, f"not a valid request: {error}") from error


def run(feed):
    try:
        return session.run(output_names, feed)
    except Exception as error:  # onnxruntime's own classes have no public common base
        raise Refused(400, str(error)) from error


@app.get("/v2/health/ready")
async def ready():
    return Response(b'{"ready":true}', media_type="application/json")


@app.post(f"/v2/models/{MODEL}/infer")
async def infer(request: Request):
    try:
        authenticate(request)
        feed, request_id = read_request(await request.body())
        values = run(feed)
    except Refused as error:
        body = orjson.dumps({"error": error.message})
        return Response(body, error.status, media_type="application/json")
    answer = {
        "model_name": MODEL,
        "model_version": "1",
        "outputs": [
            {"name": name, "datatype": datatype, "shape": value.shape, "data": value.ravel()}
            for (name, datatype), value in zip(outputs, values)
        ],
    }
    if request_id is not None:
        answer["id"] = request_id
    body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")
