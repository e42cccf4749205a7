"""Cobblestone-256, HKDF-Expand, and what every part of the format shares."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"sealserve/v1/"
CHUNK, TAG, SALT, PREFIX = 16384, 16, 24, 56

# Replaced by the generator of the vectors, which must give the same bytes in every run.
random_bytes = os.urandom


class Refused(Exception):
    """What is wrong with a file: a code of the document, and words."""

    def __init__(self, code, why=""):
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code


def expand(key, info, length, digest=hashlib.sha512):
    """HKDF-Expand (RFC 5869)."""
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), digest).digest()
        out += block
        counter += 1
    return out[:length]


class Cobblestone:
    """The keys of one message."""

    def __init__(self, key, context, salt):
        info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
        derived = expand(key, info, 76)
        self.aead, self.base = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big")
        self.prefix = salt + derived[44:]

    @classmethod
    def opened(cls, key, context, prefix):
        """None where the commitment is another."""
        machine = cls(key, context, prefix[:SALT])
        return machine if hmac.compare_digest(machine.prefix, prefix) else None

    def nonce(self, index):
        return (self.base ^ index).to_bytes(12, "big")

    def seal(self, index, chunk):
        return self.aead.encrypt(self.nonce(index), chunk, None)

    def open(self, index, sealed):
        return self.aead.decrypt(self.nonce(index), sealed, None)


def seal_message(key, context, plaintext):
    machine = Cobblestone(key, context, random_bytes(SALT))
    pieces = range(len(plaintext) // CHUNK + 1)
    chunks = (machine.seal(i, plaintext[i * CHUNK : (i + 1) * CHUNK]) for i in pieces)
    return machine.prefix + b"".join(chunks)


def open_message(key, context, message):
    """None where the message does not authenticate."""
    machine = Cobblestone.opened(key, context, message[:PREFIX])
    if len(message) < PREFIX or machine is None:
        return None
    body, out = message[PREFIX:], b""
    for i in range(len(body) // (CHUNK + TAG) + 1):
        try:
            out += machine.open(i, body[i * (CHUNK + TAG) : (i + 1) * (CHUNK + TAG)])
        except InvalidTag:
            return None
    return out
