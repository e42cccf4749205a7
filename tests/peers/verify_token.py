"""Verifies one of our access tokens with PyJWT and, independently, with joserfc.

Both read the public keys from a JWKS file, take the one that the token's `kid`
names, allow ES256 only, and demand issuer, audience, times and the claims of RFC 9068.
Both must find the same claims; `typ` must be at+jwt and `kid` the RFC 7638 thumbprint
of its key.

    verify_token.py --token-file token --jwks jwks.json --issuer I --audience A

prints {"header": {...}, "claims": {...}}.
"""

import argparse
import json
from pathlib import Path

import jwt
from joserfc import jwt as jose_jwt
from joserfc.jwk import KeySet

REQUIRED = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"]


def with_pyjwt(token, jwks, issuer, audience):
    header = jwt.get_unverified_header(token)
    keys = [key for key in jwt.PyJWKSet.from_dict(jwks).keys if key.key_id == header["kid"]]
    assert len(keys) == 1, f"{len(keys)} keys in the JWKS with kid {header['kid']}"
    claims = jwt.decode(
        token,
        keys[0],
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        options={"require": REQUIRED},
    )
    return header, claims


def with_joserfc(token, jwks, issuer, audience):
    keys = KeySet.import_key_set(jwks)
    found = jose_jwt.decode(token, keys, algorithms=["ES256"])
    registry = jose_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        **{name: {"essential": True} for name in REQUIRED if name not in ("iss", "aud")},
    )
    registry.validate(found.claims)
    thumbprint = keys.get_by_kid(found.header["kid"]).thumbprint()
    assert found.header["kid"] == thumbprint, f"kid is not the thumbprint {thumbprint}"
    return found.header, found.claims


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--jwks", required=True, help="file with the public keys")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    args = parser.parse_args()

    token = Path(args.token_file).read_text(encoding="ascii").strip()
    jwks = json.loads(Path(args.jwks).read_text(encoding="utf-8"))
    private = [key.get("kid") for key in jwks["keys"] if key["kty"] == "oct" or "d" in key]
    assert not private, f"secret keys in the JWKS: {private}"

    first = with_pyjwt(token, jwks, args.issuer, args.audience)
    second = with_joserfc(token, jwks, args.issuer, args.audience)
    assert first == second, f"PyJWT and joserfc differ: {first} {second}"
    header, claims = first
    assert header.get("typ", "").lower() == "at+jwt", header
    assert header["alg"] == "ES256", header
    print(json.dumps({"header": header, "claims": claims}))


if __name__ == "__main__":
    main()
