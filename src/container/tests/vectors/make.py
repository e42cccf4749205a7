#!/usr/bin/env python3
"""Writes v1.sealed: the format of docs/file-format.md, made a second time from
its text alone, with Python's `cryptography` for AES-GCM and nothing of ours.
Every random value is fixed, so the file is always the same."""

import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"sealserve/v1/"
CHUNK = 16 * 1024


def expand(key, info, length):
    """HKDF-Expand with SHA-512 (RFC 5869)."""
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha512).digest()
        out += block
        counter += 1
    return out[:length]


def cobblestone(key, salt, context, plaintext):
    """c2sp.org/chunked-encryption with AES-256-GCM."""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    derived = expand(key, info, 76)
    aead, nonce, commitment = AESGCM(derived[:32]), derived[32:44], derived[44:]
    out = salt + commitment
    for i in range(len(plaintext) // CHUNK + 1):
        chunk_nonce = (int.from_bytes(nonce, "big") ^ i).to_bytes(12, "big")
        out += aead.encrypt(chunk_nonce, plaintext[i * CHUNK : (i + 1) * CHUNK], None)
    return out


def prefixed(data):
    return struct.pack(">H", len(data)) + data


kek = bytes(range(32))
dek = bytes(range(32, 64))
plaintext = bytes(i * 7 % 251 for i in range(CHUNK + 5))
slot = 8192

p = b"\x89SEALED\n" + struct.pack(">HHI", 1, 1, 0) + bytes(range(64, 80))
p += struct.pack(">II", slot, 4096 + 2 * slot)
p = p.ljust(64, b"\0")

key_id = expand(kek, LABEL + b"key-id", 16)
wrap = LABEL + b"wrap\0" + p + struct.pack(">H", 1) + key_id
recipients = struct.pack(">H", 1) + key_id + prefixed(cobblestone(kek, b"w" * 24, wrap, dek))
recipients += struct.pack(">H", 4) + b"e" * 16 + prefixed(b"opaque to this version")
metadata = {
    "name": "vector",
    "version": "1",
    "media_type": "application/x-onnx",
    "created": "2026-01-02T03:04:05Z",
    "size": len(plaintext),
    "sha256": hashlib.sha256(plaintext).hexdigest(),
    "unknown_to_version_1": None,
}
body = struct.pack(">QH", 5, 2) + recipients
body += prefixed(cobblestone(dek, b"m" * 24, LABEL + b"meta\0" + p, json.dumps(metadata).encode()))
body += prefixed(b"s" * 16 + b"S" * 64)
framed = struct.pack(">I", len(body)) + body
mac = hmac.new(expand(dek, LABEL + b"header-mac", 32), p + framed, hashlib.sha256).digest()
content = (framed + mac).ljust(slot - 32, b"\0")
header = content + hashlib.sha256(p + content).digest()

payload = cobblestone(dek, b"p" * 24, LABEL + b"payload\0" + p, plaintext)
file = pathlib.Path(__file__).with_name("v1.sealed")
file.write_bytes(p.ljust(4096, b"\0") + header + header + payload)
