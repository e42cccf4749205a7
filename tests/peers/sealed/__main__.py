#!/usr/bin/env python3
"""Reads and writes sealed model files, after docs/file-format.md and nothing else.

An independent implementation, to hold the document and the program to each other. AES-GCM,
ChaCha20-Poly1305, X25519, Ed25519 and argon2id come from the package `cryptography`, HMAC and
SHA-2 from the standard library; the formats are written down here once more, age's as well.

    sealed seal IN --output OUT --for RECIPIENT... --name NAME [--sign FILE...] [--slot BYTES]
    sealed open IN [--output OUT | --restore DIRECTORY] --with IDENTITY... [--trusted FILE...]
    sealed rewrite FILE --with IDENTITY... [--add RECIPIENT...] [--remove KEY_ID...] [--sign FILE...]
    sealed vectors DIRECTORY

`sealed` is `python3 tests/peers/sealed`, with Python 3.11 and `cryptography` 50.

`--payload FILE` is the other file of a header that stands alone. IN may be a directory, whose
`--model` is then named. Recipients and identities are

    kek:FILE                  a key-encryption key, 64 hexadecimal digits
    passphrase:FILE[:M,T,P]   the passphrase in a file, and its cost
    age:RECIPIENT             to write for; age:FILE, identities to read with
    command:NAME=PROGRAM      the key NAME of a command

Signer keys are PKCS#8 in PEM, trusted signers public keys in PEM. One JSON document is
printed. A file that is refused is exit 3, with {"refused": CODE, "why": TEXT}; the codes are
those of the document.
"""

import argparse
import io
import json
import os
import re
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sealed import age, archive, container, vectors  # noqa: E402
from sealed.primitive import Refused  # noqa: E402
from sealed.recipients import Age, External, Kek, Passphrase  # noqa: E402


def recipient(text, reads):
    """What `kind:value` is, as an identity where `reads`."""
    kind, _, value = text.partition(":")
    if kind == "kek":
        return Kek(bytes.fromhex(Path(value).read_text().strip()))
    if kind == "passphrase":
        path, _, cost = value.partition(":")
        line = re.sub(rb"\r?\n\Z", b"", Path(path).read_bytes())
        return Passphrase(line, *([tuple(map(int, cost.split(",")))] if cost else []))
    if kind == "age":
        return Age(identities=age.read_identities(Path(value).read_text())) if reads else Age(value)
    name, _, program = value.partition("=")
    return External.command(name, program)


def seal(args):
    metadata = {
        "name": args.name or "model",
        "version": "1",
        "media_type": "application/x-onnx",
        "created": "2026-01-02T03:04:05Z",
    }
    if args.path.is_dir():
        plain = archive.write(archive.collect(args.path), args.model)
        source, metadata["media_type"], metadata["size"] = io.BytesIO(plain), archive.MEDIA_TYPE, len(plain)
    else:
        source, metadata["size"] = open(args.path, "rb"), args.path.stat().st_size
    recipients = [recipient(text, False) for text in args.recipients]
    payload = open(args.payload, "wb") if args.payload else None
    with source, open(args.output, "wb") as out:
        slot = int(args.slot) if args.slot else None
        said = container.write_file(out, source, recipients, metadata, signing(args.sign), slot, (), payload)
    if payload:
        payload.close()
    return said


def open_(args):
    publics = [vectors.load_public(Path(path).read_bytes()) for path in args.trusted]
    trusted = {container.signer_id(key): key for key in publics} or None
    identities = [recipient(text, True) for text in args.identities]
    if args.restore:
        out = io.BytesIO()
        said = container.open_file(args.path, identities, trusted, out, args.payload)
        archive.restore(archive.read(out.getvalue()), args.restore)
        return said
    with open(args.output or os.devnull, "wb") as out:
        return container.open_file(args.path, identities, trusted, out, args.payload)


def rewrite(args):
    remove = {bytes.fromhex(text) for text in args.remove}
    add, signers = [recipient(text, False) for text in args.add], signing(args.sign)

    def change(sealed):
        container.change_body(sealed, add, remove, signers)

    identities = [recipient(text, True) for text in args.identities]
    return container.rewrite(args.path, identities, change, args.slots or "BA", args.payload)


def signing(paths):
    return [serialization.load_pem_private_key(Path(path).read_bytes(), None) for path in paths]


def main():
    parser = argparse.ArgumentParser(
        prog="sealed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name, *options, many=()):
        sub = verbs.add_parser(name)
        sub.add_argument("path", type=Path)
        for option in options:
            sub.add_argument(option)
        for option, destination in many:
            sub.add_argument(option, action="append", default=[], dest=destination)

    sign, identities = ("--sign", "sign"), ("--with", "identities")
    writing = ("--output", "--payload", "--model", "--name", "--slot")
    verb("seal", *writing, many=[("--for", "recipients"), sign])
    verb("open", "--output", "--payload", "--restore", many=[identities, ("--trusted", "trusted")])
    verb("rewrite", "--payload", "--slots", many=[identities, ("--add", "add"), ("--remove", "remove"), sign])
    verb("vectors")
    args = parser.parse_args()
    try:
        does = {
            "seal": seal,
            "open": open_,
            "rewrite": rewrite,
            "vectors": lambda args: vectors.check(args.path),
        }
        said = does[args.verb](args)
    except Refused as refused:
        print(json.dumps({"refused": refused.code, "why": str(refused)}))
        sys.exit(3)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
