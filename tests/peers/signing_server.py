"""An HTTPS server that verifies signed requests and signs its answers, with http_message_signatures.

    signing_server.py --certificate C --key K --sign-key HEX-FILE --ready FILE [--client-ca CA] [--plain]

It answers on 127.0.0.1, port 0, writes its port to FILE, and what it answers follows from the
path: see `Handler.answer`. An answer to a signed request is signed, unless the path says otherwise.
Each request that it has seen is a line of FILE.log: method, target, header fields, body length.
"""

import argparse
import json
import math
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import HMAC_SHA256


class Message:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    keys, seen, log, scheme = None, None, None, "https"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_GET

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        record = {
            "method": self.command,
            "target": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "length": len(body),
        }
        with self.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
        request = Message(
            method=self.command,
            url=f"{self.scheme}://{self.headers['Host']}{self.path}",
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        signed = "signature" in request.headers
        if signed:
            verifier = HTTPMessageVerifier(signature_algorithm=HMAC_SHA256, key_resolver=self.keys)
            required = ["@method", "@authority", "@path", "@query"]
            for name in ("authorization", "x-api-key", "content-type"):
                if name in request.headers:
                    required.append(name)
            try:
                [result] = verifier.verify(
                    request, expect_tag="sealserve", require_components=required, body=body
                )
            except InvalidSignature as error:
                return self.reply(401, {"error": str(error), "code": "bad_signature"}, {})
            if result.nonce in self.seen:
                return self.reply(401, {"error": "replayed", "code": "replayed"}, {})
            self.seen.add(result.nonce)
        self.answer(request, body, signed)

    def answer(self, request, body, signed):
        path = self.path.split("?")[0].strip("/")
        status, headers = 200, {"Content-Type": "application/json"}
        document = {"echo": body.decode("utf-8", "replace"), "signed": signed}
        if path.startswith("false_"):
            # A refusal, signed, and then changed as the first word says.
            _, path, status = path.split("_")
            status, document = int(status), {"error": "as forged", "code": "forged"}
            headers["Retry-After"] = "0"
        if path.startswith("status-"):
            status = int(path[7:])
            document = {"error": f"as asked \x1b[31m{status}", "code": f"code_{status}"}
        if path.startswith("busy-"):
            # Busy for the first so many requests.
            _, status, count = path.split("-")
            self.server.visits += 1
            if self.server.visits <= int(count):
                headers["Retry-After"] = "0"
                return self.reply(int(status), {"error": "busy", "code": "busy"}, headers)
            status = 200
        if path.startswith("starting-"):
            # Until so many seconds after the first request, each is too early.
            now = time.monotonic()
            self.server.started = self.server.started or now
            left = self.server.started + int(path.split("-")[1]) - now
            if left > 0:
                status, headers["Retry-After"] = 503, str(math.ceil(left))
                document = {"error": "just started", "code": "just_started"}
        if path == "later":
            return self.reply(503, {"error": "busy"}, {"Retry-After": "3600"})
        if path == "redirect":
            status, headers["Location"] = 302, "/"
        if path == "slow":
            time.sleep(30)
        raw = b"" if path == "empty" else json.dumps(document).encode()
        if path == "binary":
            raw, headers["Content-Type"] = bytes(range(256)), "application/octet-stream"
        message = Message(status_code=status, headers=headers, request=request)
        if path == "other-path":
            request.url = request.url.replace("other-path", "another-path")
        if path == "other-status":
            message.status_code = 201
        keys = self.keys
        if path == "other-key":
            keys = MappingKeyResolver(public_keys={}, private_keys={"ci": bytes(32)})
        if signed and path not in ("unsigned", "unsigned-empty"):
            label = request.headers["signature-input"].split("=")[0]
            covered = ["@status", "content-type", f'"signature";req;key="{label}"', '"@method";req', '"@path";req']
            if "content-digest" in request.headers:
                covered.append('"content-digest";req')
            HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=keys).sign(
                message,
                key_id="ci",
                tag="sealserve-response",
                covered_component_ids=covered,
                body=raw or None,
            )
        if path == "other-body":
            raw = raw.replace(b"signed", b"forged").replace(b"as forged", b"As forged")
        if path == "other-type":
            headers["Content-Type"] = "text/plain"
        if path == "no-digest":
            del headers["Content-Digest"]
        self.reply(status, raw, headers)

    def reply(self, status, body, headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def main():
    parser = argparse.ArgumentParser()
    for name in ("certificate", "key", "sign-key", "ready", "client-ca"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--plain", action="store_true")
    arguments = parser.parse_args()
    secret = bytes.fromhex(arguments.sign_key.read_text())
    Handler.keys = MappingKeyResolver(public_keys={"ci": secret}, private_keys={"ci": secret})
    Handler.seen = set()
    Handler.log = arguments.ready.with_suffix(".log")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.visits, server.started = 0, None
    if arguments.plain:
        Handler.scheme = "http"
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        if arguments.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(arguments.client_ca)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    partial = arguments.ready.with_suffix(".partial")
    partial.write_text(str(server.server_address[1]))
    partial.rename(arguments.ready)
    server.serve_forever()


main()
