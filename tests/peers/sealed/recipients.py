"""The four ways in which a data key is wrapped."""

import hashlib
import hmac
import os
import struct
import subprocess

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from . import age, primitive
from .primitive import LABEL, PREFIX, TAG, Refused, expand, open_message, seal_message

KEK, PASSPHRASE, AGE, EXTERNAL = 1, 2, 3, 4
KEY_BLOB = PREFIX + 32 + TAG
MOST_MEMORY, MOST_WRITTEN, MOST_ANSWER = 1 << 20, 1 << 22, 8192


def wrap_context(p, kind, identifier):
    return LABEL + b"wrap\0" + p + struct.pack(">H", kind) + identifier


def bound(p, dek):
    return dek + hashlib.sha256(p).digest()


def unbound(p, data):
    if len(data) != 64 or not hmac.compare_digest(data[32:], hashlib.sha256(p).digest()):
        raise Refused("wrapping", "what was wrapped is not of this file")
    return data[:32]


def passphrase_cost(blob):
    """Memory, passes and lanes, which are looked at as soon as the slot is parsed."""
    if len(blob) != 12 + KEY_BLOB:
        raise Refused("slot-malformed", "length of a passphrase's blob")
    memory, passes, lanes = cost = struct.unpack(">III", blob[:12])
    allowed = 1 <= lanes <= 16 and 8 * lanes <= memory <= MOST_MEMORY
    if not allowed or passes < 1 or memory * passes > MOST_WRITTEN:
        raise Refused("slot-malformed", f"cost of a passphrase: {cost}")
    return cost


class Kek:
    """Type 1: a key of 32 bytes."""

    kind = KEK

    def __init__(self, key):
        self.key, self.key_id = key, expand(key, LABEL + b"key-id", 16)

    def wrap(self, p, dek):
        blob = seal_message(self.key, wrap_context(p, KEK, self.key_id), dek)
        return KEK, self.key_id, blob

    def unwrap(self, p, identifier, blob):
        if identifier != self.key_id:
            return None
        dek = open_message(self.key, wrap_context(p, KEK, identifier), blob)
        if dek is None or len(dek) != 32:
            raise Refused("wrapping")
        return dek


class Passphrase:
    """Type 2, which writes at `cost`: memory, passes, lanes."""

    kind = PASSPHRASE

    def __init__(self, phrase, cost=(65536, 3, 4)):
        self.phrase, self.cost = phrase, cost

    def key(self, salt, cost):
        memory, passes, lanes = cost
        how = {"salt": salt, "length": 32, "iterations": passes, "lanes": lanes, "memory_cost": memory}
        return Argon2id(**how).derive(self.phrase)

    def wrap(self, p, dek):
        salt = primitive.random_bytes(16)
        context = wrap_context(p, PASSPHRASE, salt)
        blob = struct.pack(">III", *self.cost) + seal_message(self.key(salt, self.cost), context, dek)
        return PASSPHRASE, salt, blob

    def unwrap(self, p, identifier, blob):
        cost = passphrase_cost(blob)
        dek = open_message(self.key(identifier, cost), wrap_context(p, PASSPHRASE, identifier), blob[12:])
        if dek is None or len(dek) != 32:
            raise Refused("wrapping")
        return dek


class Age:
    """Type 3: a recipient, age1…, to write for, or identities to read with."""

    kind = AGE

    def __init__(self, recipient=None, identities=()):
        self.identities = list(identities)
        self.text = recipient and recipient.strip().lower()

    @property
    def key_id(self):
        return hashlib.sha256(self.text.encode()).digest()[:16]

    def wrap(self, p, dek):
        return AGE, self.key_id, age.encrypt(age.decode_text("age", self.text), bound(p, dek))

    def unwrap(self, p, identifier, blob):
        try:
            opened = age.decrypt(blob, self.identities)
        except age.Broken as broken:
            raise Refused("wrapping", str(broken)) from None
        return None if opened is None else unbound(p, opened)


class External:
    """Type 4: `ask(operation, data)` answers for the key that its user calls `name`."""

    kind = EXTERNAL

    def __init__(self, name, ask):
        self.ask = ask
        self.key_id = hashlib.sha256(LABEL + b"external\0" + name.encode()).digest()[:16]

    @classmethod
    def command(cls, name, program):
        def ask(operation, data):
            said = {"SEALSERVE_OPERATION": operation, "SEALSERVE_KEY_NAME": name}
            return subprocess.run([program], input=data, env=os.environ | said, stdout=-1, check=True).stdout

        return cls(name, ask)

    def wrap(self, p, dek):
        blob = self.ask("wrap", bound(p, dek))
        if not 1 <= len(blob) <= MOST_ANSWER:
            raise SystemExit("error: the command's answer has an impossible length")
        return EXTERNAL, self.key_id, blob

    def unwrap(self, p, identifier, blob):
        if identifier != self.key_id:
            return None
        if not 1 <= len(blob) <= MOST_ANSWER:
            raise Refused("wrapping", "length of a command's blob")
        return unbound(p, self.ask("unwrap", blob))


def unwrap(p, recipients, identities):
    """The data key, by the first recipient that one of `identities` is for: a key first, a
    passphrase, age, a command."""
    for kind in (KEK, PASSPHRASE, AGE, EXTERNAL):
        for _, identifier, blob in (r for r in recipients if r[0] == kind):
            for identity in (o for o in identities if o.kind == kind):
                dek = identity.unwrap(p, identifier, blob)
                if dek is not None:
                    return dek
    raise Refused("no-key")
