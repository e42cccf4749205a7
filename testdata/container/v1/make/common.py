"""What all the vectors are made with: keys, files taken apart, the index."""

import hashlib
import io
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sealed import age, primitive
from sealed.container import HashingWriter, Sealed, open_file, signer_id, write_file
from sealed.header import frame, mac_of, make_slot
from sealed.primitive import LABEL, seal_message
from sealed.recipients import Age, Kek
from sealed.vectors import Index

REGION, SLOT, CHUNK, SEALED_CHUNK = 4096, 8192, 16384, 16400
SLOT_B, PAYLOAD = REGION + SLOT, REGION + 2 * SLOT
CHUNKS = PAYLOAD + 56

HERE = Path(__file__).resolve().parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent

KEK_BYTES = {name: hashlib.sha256(b"kek " + name.encode()).digest() for name in ("a", "b", "c", "stranger")}
KEYS = {name: Kek(key) for name, key in KEK_BYTES.items()}
SIGNERS = {
    name: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"signer " + name.encode()).digest())
    for name in ("one", "two")
}

# By what opens them: a line of ASCII, one of other bytes, the longest.
PHRASES = {
    "phrase": b"correct horse battery staple",
    "phrase-utf8": "vier zufällige Wörter".encode(),
    "phrase-longest": b" ~" * 512,
    "phrase-wrong": b"correct horse battery stapl",
}
AGE_IDENTITIES = {
    name: hashlib.sha256(b"identity " + name.encode()).digest() for name in ("alice", "bob", "nobody")
}
COMMANDS = ("kms/1", "kms/2")

index = {
    "format": 1,
    "keys": {name: key.hex() for name, key in KEK_BYTES.items()},
    "passphrases": {name: phrase.hex() for name, phrase in PHRASES.items()},
    "identities": {name: age.encode_text("age-secret-key-", key).upper() for name, key in AGE_IDENTITIES.items()},
    "commands": list(COMMANDS),
    "signers": {
        name: key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
        for name, key in SIGNERS.items()
    },
    "valid": [],
    "invalid": [],
    "archives": {"valid": [], "invalid": []},
}
IDENTITIES = Index(index).identities


def seed(name):
    """Makes all that is random follow from `name`."""
    count = 0

    def deterministic(length):
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{name} {count}".encode()).digest(length)

    primitive.random_bytes = deterministic


def plaintext(length):
    return bytes(i * 7 % 251 for i in range(length))


def metadata(**changes):
    base = {
        "name": "vector",
        "version": "1",
        "media_type": "application/x-onnx",
        "created": "2026-01-02T03:04:05Z",
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def recipient(name):
    """What wraps for the identity that the index calls `name`."""
    return Age(age.recipient_of(AGE_IDENTITIES[name])) if name in AGE_IDENTITIES else IDENTITIES[name]


def make(name, length=100, keys=("a",), said=None, **more):
    """The bytes of a file as a writer makes it, for identities by name or other recipients."""
    seed(name)
    out = io.BytesIO()
    said = metadata(size=length) if said is None else said
    recipients = [recipient(key) if isinstance(key, str) else key for key in keys]
    write_file(out, io.BytesIO(plaintext(length)), recipients, said, **more)
    return out.getvalue()


class Parts:
    """A file taken apart by the holder of a key."""

    def __init__(self, name, data, key="a"):
        path = OUT / "scratch"
        path.write_bytes(data)
        with open(path, "rb") as file:
            self.sealed = Sealed(file)
            self.sealed.unlock([IDENTITIES[key]])
        path.unlink()
        self.data, self.p, self.body, self.dek = data, self.sealed.p, self.sealed.body, self.sealed.dek
        self.slot_length = self.sealed.slot
        seed(name + " changed")

    def slot(self, body=None, framed=None, mac=None):
        """A slot with a right checksum, and, unless another is given, a right MAC."""
        if framed is None:
            framed = frame(self.p, (body or self.body).encode() if not isinstance(body, bytes) else body)
        mac = mac_of(self.p, framed, self.dek) if mac is None else mac
        return make_slot(self.p, self.slot_length, framed, mac)

    def with_slots(self, a, b=None):
        return self.data[:REGION] + a + (a if b is None else b) + self.data[REGION + 2 * self.slot_length :]

    def with_metadata(self, text):
        text = text if isinstance(text, bytes) else json.dumps(text).encode()
        self.body.metadata = seal_message(self.dek, LABEL + b"meta\0" + self.p, text)
        return self.with_slots(self.slot())

    def with_payload(self, plain):
        message = seal_message(self.dek, LABEL + b"payload\0" + self.p, plain)
        return self.data[: REGION + 2 * self.slot_length] + message


def flipped(data, *places):
    data = bytearray(data)
    for place in places:
        data[place] ^= 1
    return bytes(data)


def patched(data, place, new):
    return data[:place] + new + data[place + len(new) :]


def valid(name, what, data, opens_with=("a",), trusted=None, payload=None):
    entry = {"file": f"{name}.sealed", "what": what, "opens_with": list(opens_with)}
    put(entry, data, payload)
    publics = {n: SIGNERS[n].public_key() for n in trusted or ()}
    by_id = {signer_id(key): key for key in publics.values()} or None
    content = HashingWriter()
    beside = OUT / entry["payload"] if payload is not None else None
    entry["says"] = open_file(OUT / entry["file"], [IDENTITIES[opens_with[0]]], by_id, content, beside)
    entry["plaintext_sha256"] = content.hash.hexdigest()
    if trusted is not None:
        entry["trusted"] = list(trusted)
    index["valid"].append(entry)


def invalid(name, refused, reason, data, key="a", trusted=None, payload=None):
    entry = {"file": f"bad-{name}.sealed", "refused": refused, "reason": reason, "key": key}
    put(entry, data, payload)
    if trusted is not None:
        entry["trusted"] = list(trusted)
    index["invalid"].append(entry)


def put(entry, data, payload):
    """Writes the file of a vector, and its payload where that is another."""
    (OUT / entry["file"]).write_bytes(data)
    if payload is not None:
        entry["payload"] = entry["file"].removesuffix("sealed") + "payload"
        (OUT / entry["payload"]).write_bytes(payload)
