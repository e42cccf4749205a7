"""Signs and verifies single messages with http_message_signatures and requests-http-signature.

One JSON document in, one out:

    {"url", "method", "headers": [[name, value], …], "body": base64, "key_id", "key": hex}

and for a response also {"status", "response_headers", "response_body": base64}.

    signatures.py verify           # the request, by both libraries
    signatures.py sign             # the request, by http_message_signatures: prints its headers
    signatures.py sign-requests    # the same by requests-http-signature
    signatures.py sign-response    # a response to the signed request
    signatures.py verify-response  # the response, by both libraries
"""

import datetime
import io
import json
import secrets
import sys
from base64 import b64decode

import requests
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import HMAC_SHA256
from requests_http_signature import HTTPSignatureAuth

ALWAYS = ["@method", "@authority", "@path", "@query"]
IF_PRESENT = [
    "content-type",
    "content-encoding",
    "content-digest",
    "inference-header-content-length",
    "authorization",
    "x-api-key",
    "dpop",
]


def covered(headers):
    return ALWAYS + [name for name in IF_PRESENT if name in headers and name != "content-digest"]


def of_response(message):
    """What a response covers, as docs/request-signing.md lists it."""
    request, label = message.request, message.request.headers["Signature-Input"].split("=")[0]
    names = ["content-digest", "content-type", "content-encoding", "inference-header-content-length"]
    components = ["@status"] + [name for name in names if name in message.headers]
    components += [f'"signature";req;key="{label}"', '"@method";req', '"@path";req']
    if "content-digest" in request.headers:
        components.append('"content-digest";req')
    return components


def prepared(document):
    request = requests.Request(
        document["method"],
        document["url"],
        headers=dict(document["headers"]),
        data=b64decode(document["body"]),
    ).prepare()
    # What requests adds is not part of the message under test.
    for name in ("Content-Length",):
        request.headers.pop(name, None)
    return request


def response(document, request):
    answer = requests.Response()
    answer.request = request
    answer.status_code = document["status"]
    answer.headers = requests.structures.CaseInsensitiveDict(document["response_headers"])
    answer.raw = io.BytesIO(b64decode(document["response_body"]))
    return answer


def main():
    action, document = sys.argv[1], json.load(sys.stdin)
    key_id, key = document["key_id"], bytes.fromhex(document["key"])
    keys = MappingKeyResolver(public_keys={key_id: key}, private_keys={key_id: key})
    common = {"signature_algorithm": HMAC_SHA256, "key_resolver": keys}
    signer, verifier = HTTPMessageSigner(**common), HTTPMessageVerifier(**common)
    request, body = prepared(document), b64decode(document["body"])
    now = datetime.datetime.now()
    expires = now + datetime.timedelta(seconds=60)

    if action == "verify":
        required = ALWAYS + [name for name in IF_PRESENT if name in request.headers]
        [result] = verifier.verify(
            request, expect_tag="sealserve", require_components=required, body=body
        )
        HTTPSignatureAuth.verify(request, require_components=required, expect_tag="sealserve", **common)
        out = {"label": result.label, "parameters": result.parameters, "covered": result.covered_components}
    elif action == "sign":
        signer.sign(
            request,
            key_id=key_id,
            created=now,
            expires=expires,
            nonce=secrets.token_hex(16),
            label="peer",
            tag="sealserve",
            covered_component_ids=document.get("covered") or covered(request.headers),
            include_alg=document.get("include_alg", True),
            body=body or None,
        )
        out = {"headers": list(request.headers.items())}
    elif action == "sign-requests":
        auth = HTTPSignatureAuth(
            signature_algorithm=HMAC_SHA256,
            key=key,
            key_id=key_id,
            tag="sealserve",
            use_nonce=True,
            expires_in=datetime.timedelta(seconds=60),
            covered_component_ids=[*covered(request.headers), "@target-uri"],
        )
        out = {"headers": list(auth(request).headers.items())}
    elif action == "sign-response":
        answer = response(document, request)
        answer_body = b64decode(document["response_body"])
        if answer_body:
            HTTPMessageSigner.content_digest_class.add(answer.headers, answer_body)
        signer.sign(
            answer,
            key_id=key_id,
            created=now,
            tag="sealserve-response",
            covered_component_ids=of_response(answer),
            use_existing_digest=bool(answer_body),
        )
        out = {"headers": list(answer.headers.items())}
    elif action == "verify-response":
        answer = response(document, request)
        required = of_response(answer)
        answer_body = b64decode(document["response_body"])
        [result] = verifier.verify(
            answer, expect_tag="sealserve-response", require_components=required, body=answer_body
        )
        HTTPSignatureAuth.verify(answer, require_components=required, expect_tag="sealserve-response", **common)
        out = {"label": result.label, "parameters": result.parameters, "covered": result.covered_components}
    else:
        sys.exit(f"no such action: {action}")
    json.dump(out, sys.stdout)


main()
