"""Mints tokens with PyJWT's signature algorithms: good ones, and every kind of bad one.

The defaults make a good at+jwt; only --jwk is needed. Everything can be overridden:

* --header and --claims are JSON objects laid over the defaults; null removes a member.
  A claim "now", "now+60" or "now-60" becomes that time in seconds.
* --header-text and --claims-text replace the whole JSON text, so that duplicate members
  or broken JSON can be sent.
* --alg names the algorithm that signs and, unless --header says otherwise, the header's
  `alg`. HS256 and its kin take their secret from --hmac-key-file, any bytes at all (a
  public key in PEM, an empty file); none leaves the signature empty.
* --mutate changes the finished token.

    mint_token.py --jwk private.jwk --claims '{"exp": "now-1"}'
    mint_token.py --jwk private.jwk --header '{"alg": "ES256", "crit": ["x"], "x": 1}'
    mint_token.py --jwk private.jwk --alg HS256 --hmac-key-file public.pem
"""

import argparse
import json
import re
import secrets
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jwk import JWKRegistry
from jwt.algorithms import get_default_algorithms

RELATIVE_TIME = re.compile(r"now([+-]\d+)?")


def encode(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def resolve_time(value, now):
    match = RELATIVE_TIME.fullmatch(value) if isinstance(value, str) else None
    return now + int(match[1] or 0) if match else value


def overlay(defaults, changes):
    merged = {**defaults, **json.loads(changes)}
    return {name: value for name, value in merged.items() if value is not None}


def make_header(args, jwk):
    kid = jwk.get("kid") or JWKRegistry.import_key(jwk).thumbprint()
    return overlay({"alg": args.alg, "typ": "at+jwt", "kid": kid}, args.header)


def make_claims(args):
    now = int(time.time())
    defaults = {
        "iss": args.issuer,
        "sub": "tester",
        "aud": args.audience,
        "client_id": "tester",
        "iat": now,
        "exp": now + 300,
        "jti": secrets.token_urlsafe(16),
        "scope": args.scope,
    }
    claims = overlay(defaults, args.claims)
    return {name: resolve_time(value, now) for name, value in claims.items()}


def sign(args, jwk, message):
    if args.alg == "none":
        return b""
    algorithm = get_default_algorithms()[args.alg]
    if args.alg.startswith("HS"):
        return algorithm.sign(message, Path(args.hmac_key_file).read_bytes())
    return algorithm.sign(message, algorithm.from_jwk(json.dumps(jwk)))


def set_unused_bits(text):
    """Another spelling of the same bytes: the last character's unused bits set."""
    unused = {2: 4, 3: 2}[len(text) % 4]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = text[:-1] + alphabet[alphabet.index(text[-1]) | ((1 << unused) - 1)]
    assert changed != text and decode(changed) == decode(text)
    return changed


def der_signature(text):
    raw = decode(text)
    half = len(raw) // 2
    r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    return encode(encode_dss_signature(r, s))


def flip_first_bit(text):
    raw = bytearray(decode(text))
    raw[0] ^= 0x80
    return encode(bytes(raw))


MUTATIONS = {
    "flip-signature": lambda h, c, s: f"{h}.{c}.{flip_first_bit(s)}",
    "zero-signature": lambda h, c, s: f"{h}.{c}.{encode(bytes(len(decode(s))))}",
    "der-signature": lambda h, c, s: f"{h}.{c}.{der_signature(s)}",
    "truncate-signature": lambda h, c, s: f"{h}.{c}.{encode(decode(s)[:-1])}",
    "extend-signature": lambda h, c, s: f"{h}.{c}.{encode(decode(s) + bytes(1))}",
    "empty-signature": lambda h, c, s: f"{h}.{c}.",
    "no-signature": lambda h, c, s: f"{h}.{c}",
    "extra-segment": lambda h, c, s: f"{h}.{c}.{s}.{c}",
    "padding": lambda h, c, s: f"{h}.{c}.{s}{'=' * (-len(s) % 4)}",
    "unused-bits": lambda h, c, s: f"{h}.{c}.{set_unused_bits(s)}",
    "inner-newline": lambda h, c, s: f"{h}.{c}.\n{s}",
    "inner-space": lambda h, c, s: f"{h}.{c} .{s}",
    "other-claims": lambda h, c, s: f"{h}.{encode(decode(c)[:-1] + b' }')}.{s}",
    "flattened-json": lambda h, c, s: json.dumps({"protected": h, "payload": c, "signature": s}),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jwk", required=True, help="file with the private key (EC, RSA or OKP)")
    parser.add_argument("--alg", default="ES256")
    parser.add_argument("--hmac-key-file", help="secret of HS256, HS384, HS512")
    parser.add_argument("--issuer", default="https://localhost")
    parser.add_argument("--audience", default="sealserve")
    parser.add_argument("--scope", default="model:digits:infer model:digits:metadata")
    parser.add_argument("--header", default="{}", help="JSON laid over the default header")
    parser.add_argument("--claims", default="{}", help="JSON laid over the default claims")
    parser.add_argument("--header-text", help="the whole text of the header")
    parser.add_argument("--claims-text", help="the whole text of the claims")
    parser.add_argument("--mutate", choices=sorted(MUTATIONS))
    parser.add_argument("--print-claims", action="store_true", help="claims to stderr")
    args = parser.parse_args()
    if args.alg.startswith("HS") and not args.hmac_key_file:
        parser.error(f"--alg {args.alg} needs --hmac-key-file")

    jwk = json.loads(Path(args.jwk).read_text(encoding="utf-8"))
    header = args.header_text or json.dumps(make_header(args, jwk), separators=(",", ":"))
    claims = args.claims_text or json.dumps(make_claims(args), separators=(",", ":"))
    first, second = encode(header.encode()), encode(claims.encode())
    third = encode(sign(args, jwk, f"{first}.{second}".encode("ascii")))
    token = f"{first}.{second}.{third}"
    if args.mutate:
        token = MUTATIONS[args.mutate](first, second, third)
    if args.print_claims:
        print(claims, file=sys.stderr)
    print(token)


if __name__ == "__main__":
    main()
