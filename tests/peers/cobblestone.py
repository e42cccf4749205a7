"""Encrypts or decrypts one Cobblestone-256 message with the package `cryptography` >= 50.

An independent implementation of C2SP chunked-encryption, to check ours against:

    from cryptography.cobblestone import Cobblestone256Encryptor, Cobblestone256Decryptor

    Cobblestone256Encryptor.generate_key() -> 32 bytes
    Cobblestone256Encryptor(key, context), Cobblestone256Decryptor(key, context)
        .update(data) -> bytes         any number of times
        .update_into(data, buffer) -> bytes written
        .finalize() -> bytes           once

The salt is random and cannot be given. A wrong key or context, a changed byte, a missing
end or an extra byte raises cryptography.exceptions.InvalidTag, from update() as soon as a
whole chunk is there or from finalize(); a key that is not 32 bytes raises ValueError.

    cobblestone.py encrypt --key-hex-file key.hex --context-hex 00ff IN OUT

reads and writes streams (`-` is standard input or output). OUT appears only when all of
the message has been verified. One JSON document is printed, unless OUT is `-`.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

PIECE = 1 << 20


def convert(machine, source, sink):
    read = written = 0
    while piece := source.read(PIECE):
        read += len(piece)
        written += sink.write(machine.update(piece))
    written += sink.write(machine.finalize())
    return read, written


def run(machine, source, target):
    """Converts into an unnamed temporary file first: no output from a bad message."""
    with tempfile.TemporaryFile(dir=None if target == "-" else Path(target).parent) as whole:
        counts = convert(machine, source, whole)
        whole.seek(0)
        if target == "-":
            shutil.copyfileobj(whole, sys.stdout.buffer)
        else:
            with open(target, "wb") as sink:
                shutil.copyfileobj(whole, sink)
    return counts


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["encrypt", "decrypt"])
    parser.add_argument("--key-hex-file", required=True, help="file with 64 hex digits")
    parser.add_argument("--context-hex", required=True)
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT")
    args = parser.parse_args()

    key = bytes.fromhex(Path(args.key_hex_file).read_text(encoding="ascii").strip())
    kind = Cobblestone256Encryptor if args.action == "encrypt" else Cobblestone256Decryptor
    machine = kind(key, bytes.fromhex(args.context_hex))
    source = sys.stdin.fileno() if args.source == "-" else os.open(args.source, os.O_RDONLY)
    with open(source, "rb") as opened:
        try:
            read, written = run(machine, opened, args.target)
        except InvalidTag:
            sys.exit(f"error: {args.source} is not a whole message under this key and context")
    if args.target != "-":
        print(json.dumps({"action": args.action, "bytes_in": read, "bytes_out": written}))


if __name__ == "__main__":
    main()
