"""What Python's HTTP clients see of refusals: refusals.py CLIENT 1|2 CA PLAN.

PLAN is a JSON list of {"url", "method", "headers", "size", "text", "pause", "status", "times"}:
a body of `size` bytes is the text and blanks after it; `pause` is milliseconds between its
halves. Prints a JSON list of what was not as planned.
"""

import json
import ssl
import sys
import time


def halves(case, body):
    middle = len(body) // 2
    yield body[:middle]
    time.sleep(case["pause"] / 1000)
    yield body[middle:]


def requests_client(_, ca):
    import requests

    def ask(case, body):
        data = halves(case, body) if case["pause"] else body
        return requests.request(
            case["method"], case["url"], headers=case["headers"], data=data, verify=ca, timeout=120
        ).status_code

    return ask


def httpx_client(version, ca):
    import httpx

    context = ssl.create_default_context(cafile=ca)

    def pieces(case, body):
        # Of a body that is given at once, httpcore copies all the rest for each HTTP/2 frame.
        for half in halves(case, body):
            for start in range(0, len(half), 1 << 16):
                yield half[start : start + (1 << 16)]

    def ask(case, body):
        headers = {**case["headers"], "content-length": str(len(body))}
        with httpx.Client(http2=version == "2", http1=version == "1", verify=context, timeout=120) as client:
            return client.request(case["method"], case["url"], headers=headers, content=pieces(case, body)).status_code

    return ask


def tritonclient_client(_, ca):
    import gevent.ssl
    import numpy
    import tritonclient.http as triton

    def ask(case, body):
        host, model = case["url"].removeprefix("https://").split("/v2/models/")
        client = triton.InferenceServerClient(
            host,
            ssl=True,
            ssl_context_factory=lambda: gevent.ssl.create_default_context(cafile=ca),
            network_timeout=120,
            connection_timeout=120,
        )
        pixels = triton.InferInput("pixels", [len(body)], "UINT8")
        pixels.set_data_from_numpy(numpy.frombuffer(body, dtype=numpy.uint8), binary_data=True)
        try:
            client.infer(model.removesuffix("/infer"), [pixels], headers=dict(case["headers"]))
        except triton.InferenceServerException as refusal:
            return int(refusal.status())
        finally:
            client.close()
        return 200

    return ask


def main():
    name, version, ca, plan = sys.argv[1:]
    ask = {"requests": requests_client, "httpx": httpx_client, "tritonclient": tritonclient_client}[name](version, ca)
    failures = []
    with open(plan) as file:
        cases = json.load(file)
    for case in cases:
        body = case["text"].encode().ljust(case["size"])
        for attempt in range(case["times"]):
            try:
                seen = ask(case, body)
            except Exception as error:  # what a user would see instead of the status
                seen = f"{type(error).__name__}: {error}"
            if seen != case["status"]:
                failures.append({"case": case, "attempt": attempt, "seen": seen})
    print(json.dumps(failures))


main()
