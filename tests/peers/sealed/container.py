"""Whole files: read, written, their headers rewritten."""

import hashlib
import hmac
import json
import os
import re
import unicodedata

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization

from . import archive, primitive
from .header import (
    REGION,
    SLOTS,
    Body,
    Slot,
    frame,
    mac_of,
    make_slot,
    parse_preamble,
    preamble,
)
from .primitive import (
    CHUNK,
    LABEL,
    PREFIX,
    SALT,
    TAG,
    Cobblestone,
    Refused,
    open_message,
    seal_message,
)
from .recipients import unwrap

MOST_DEPTH = 64
KNOWN = ("name", "version", "media_type", "created", "size", "sha256")


class Sealed:
    """An open file whose header has been read; `payload` is open too where it is another."""

    def __init__(self, stream, payload=None):
        self.p, self.slot, self.detached = parse_preamble(stream.read(REGION))
        self.stream, self.offset = (payload, 0) if self.detached else (stream, REGION + 2 * self.slot)
        self.unneeded = payload is not None and not self.detached
        data = stream.read(2 * self.slot)
        if len(data) < 2 * self.slot:
            raise Refused("header-truncated")
        if self.detached and stream.read(1):
            raise Refused("header-trailing")
        a = Slot.parse(self.p, "A", data[: self.slot])
        b = Slot.parse(self.p, "B", data[self.slot :])
        self.whole = [slot for slot in (a, b) if slot]
        if not self.whole:
            raise Refused("slots-damaged")
        if a and b and a.body.generation == b.body.generation and (a.framed, a.mac) != (b.framed, b.mac):
            raise Refused("slots-disagree", str(a.body.generation))
        # Of two alike, A.
        self.current = max(self.whole, key=lambda slot: slot.body.generation)
        self.body = self.current.body

    def states(self):
        def state(name):
            found = [slot for slot in self.whole if slot.name == name]
            if not found:
                return "damaged"
            return "current" if found[0].body.generation == self.body.generation else "stale"

        return [state("A"), state("B")]

    def unlock(self, identities):
        self.dek = unwrap(self.p, self.body.recipients, identities)
        for slot in self.whole:
            if not hmac.compare_digest(mac_of(self.p, slot.framed, self.dek), slot.mac):
                raise Refused("slot-forged", slot.name)
        self.json = open_message(self.dek, LABEL + b"meta\0" + self.p, self.body.metadata)
        if self.json is None:
            raise Refused("metadata-forged")
        self.metadata = parse_metadata(self.json)

    def payload_length(self):
        """That of the plaintext, where the file's length is one that a file can have."""
        if self.stream is None or self.unneeded:
            raise Refused("payload-elsewhere" if self.detached else "payload-here")
        length = os.fstat(self.stream.fileno()).st_size - self.offset
        rest = (length - PREFIX) % (CHUNK + TAG)
        if length < PREFIX + TAG or rest < TAG:
            raise Refused("payload-truncated")
        plain = (length - PREFIX) // (CHUNK + TAG) * CHUNK + rest - TAG
        if self.metadata.get("size") not in (None, plain):
            raise Refused("size", f"{plain} bytes")
        return plain

    def chunks(self, digest):
        """Every chunk of the plaintext, in order; `digest` hears of the payload."""
        plain = self.payload_length()
        self.stream.seek(self.offset)
        prefix = self.stream.read(PREFIX)
        digest.update(prefix)
        machine = Cobblestone.opened(self.dek, LABEL + b"payload\0" + self.p, prefix)
        if machine is None:
            raise Refused("commitment")
        for index in range(plain // CHUNK + 1):
            sealed = self.stream.read(CHUNK + TAG)
            digest.update(sealed)
            try:
                yield machine.open(index, sealed)
            except InvalidTag:
                raise Refused("chunk", str(index)) from None

    def read(self, write, trusted=None):
        """Reads everything; returns the signers of `trusted`, one of whom must have
        signed where it is not None."""
        if trusted is not None:
            if not self.body.signatures:
                raise Refused("unsigned")
            if not any(signer in trusted for signer, _ in self.body.signatures):
                raise Refused("untrusted")
        payload, content = hashlib.sha256(), hashlib.sha256()
        for chunk in self.chunks(payload):
            content.update(chunk)
            write(chunk)
        if self.metadata.get("sha256") not in (None, content.hexdigest()):
            raise Refused("digest")
        self.statement = statement(self.p, self.json, payload.digest())
        signed_by = []
        for signer, signature in self.body.signatures:
            if signer in (trusted or {}):
                try:
                    trusted[signer].verify(signature, self.statement)
                except InvalidSignature:
                    raise Refused("signature-forged", signer.hex()) from None
                signed_by.append(signer)
        return signed_by


def signer_id(public):
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public.public_bytes(*form)).digest()[:16]


def statement(p, metadata, payload):
    return LABEL + b"sign\0" + p + hashlib.sha256(metadata).digest() + payload


class Members(list):
    """Those of an object, in order."""


def constant(text):
    raise ValueError(f"{text} is no JSON")


def integer(digits):
    """What is no size is none of its own kind."""
    return int(digits) if digits.isdigit() and len(digits) <= 20 else float(digits)


def require_shallow(text):
    depth = 0
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL):
        depth += (character in "[{") - (character in "]}")
        if depth > MOST_DEPTH:
            raise ValueError("nested too deep")


def parse_metadata(text):
    try:
        text = text.decode("utf-8")
        require_shallow(text)
        hooks = {"object_pairs_hook": Members, "parse_constant": constant, "parse_int": integer}
        members = json.loads(text, **hooks)
        if not isinstance(members, Members):
            raise ValueError("no object")
        names = [name for name, _ in members]
        # A surrogate alone cannot be encoded, neither in a name nor in a value below.
        "".join(names).encode()
        check_metadata(names, metadata := dict(members))
        return {name: metadata[name] for name in KNOWN if name in metadata}
    except ValueError as error:
        raise Refused("metadata-malformed", str(error)) from None


def check_metadata(names, metadata):
    for name in KNOWN:
        if names.count(name) > 1:
            raise Refused("metadata-malformed", f"{name} is there twice")
    for name in KNOWN[:4]:
        value = metadata.get(name)
        fits = isinstance(value, str) and 1 <= len(value.encode()) <= 255
        if not fits or any(unicodedata.category(c) == "Cc" for c in value):
            raise Refused("metadata-malformed", name)
    size, sha256 = metadata.get("size"), metadata.get("sha256")
    if size is not None and (type(size) is not int or not 0 <= size < 1 << 64):
        raise Refused("metadata-malformed", "size")
    digits = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    if sha256 is not None and not digits:
        raise Refused("metadata-malformed", "sha256")


# Writing


def smallest_slot(body_length):
    """The smallest that stays half free."""
    wanted = 2 * (body_length + 68)
    return next((slot for slot in SLOTS if slot >= wanted), SLOTS[-1])


def write_file(out, source, recipients, metadata, signers=(), slot=None, others=(), payload_out=None):
    """Seals all of `source` to `out`, which can be sought in, or its payload elsewhere."""
    artifact_id, dek = primitive.random_bytes(16), primitive.random_bytes(32)
    detached = payload_out is not None
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()

    def body_for(p, signatures):
        stanzas = [recipient.wrap(p, dek) for recipient in recipients]
        message = seal_message(dek, LABEL + b"meta\0" + p, text)
        return Body(1, stanzas + list(others), message, signatures)

    if slot is None:
        empty = [(bytes(16), bytes(64))] * len(signers)
        slot = smallest_slot(len(body_for(preamble(artifact_id, 8192, detached), empty).encode()))
    p = preamble(artifact_id, slot, detached)
    if not detached:
        out.seek(REGION + 2 * slot)
    payload = hashlib.sha256()

    def put(data):
        payload.update(data)
        (payload_out or out).write(data)

    machine = Cobblestone(dek, LABEL + b"payload\0" + p, primitive.random_bytes(SALT))
    put(machine.prefix)
    index, chunk = 0, read_whole(source)
    put(machine.seal(index, chunk))
    while len(chunk) == CHUNK:
        index, chunk = index + 1, read_whole(source)
        put(machine.seal(index, chunk))
    said = statement(p, text, payload.digest())
    body = body_for(p, [(signer_id(key.public_key()), key.sign(said)) for key in signers])
    framed = frame(p, body.encode())
    header = make_slot(p, slot, framed, mac_of(p, framed, dek))
    out.seek(0)
    out.write(p.ljust(REGION, b"\0") + header + header)
    return {"artifact_id": artifact_id.hex(), "slot_bytes": slot, "bytes": index * CHUNK + len(chunk)}


def read_whole(source):
    """A chunk that is short only at the end."""
    out = source.read(CHUNK)
    while 0 < len(out) < CHUNK and (more := source.read(CHUNK - len(out))):
        out += more
    return out


def rewrite(path, identities, change, slots="BA", payload=None):
    """Writes what `change` makes of the current body as the next generation, into the
    slot that does not count first. `slots` cuts it short, as a kill would."""
    with open(path, "r+b") as file, open(payload or os.devnull, "rb") as other:
        sealed = Sealed(file, other if payload else None)
        sealed.unlock(identities)
        sealed.body.generation += 1
        change(sealed)
        framed = frame(sealed.p, sealed.body.encode())
        data = make_slot(sealed.p, sealed.slot, framed, mac_of(sealed.p, framed, sealed.dek))
        other = {"A": "B", "B": "A"}[sealed.current.name]
        for name in [other, sealed.current.name][: len(slots)]:
            file.seek(REGION + (0 if name == "A" else sealed.slot))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    return {"generation": sealed.body.generation}


def change_body(sealed, add, remove, signers):
    body = sealed.body
    body.recipients = [r for r in body.recipients if r[1] not in remove]
    body.recipients += [recipient.wrap(sealed.p, sealed.dek) for recipient in add]
    if signers:
        sealed.read(lambda chunk: None)
    for key in signers:
        identifier = signer_id(key.public_key())
        body.signatures = [record for record in body.signatures if record[0] != identifier]
        body.signatures.append((identifier, key.sign(sealed.statement)))


# Reading all of it


def describe(sealed, signed_by, count):
    return {
        "artifact_id": sealed.p[16:32].hex(),
        "generation": sealed.body.generation,
        "slot_bytes": sealed.slot,
        "detached": sealed.detached,
        "slots": sealed.states(),
        "recipients": [{"type": kind, "key_id": i.hex()} for kind, i, _ in sealed.body.recipients],
        "signers": [signer.hex() for signer, _ in sealed.body.signatures],
        "signed_by": [signer.hex() for signer in signed_by],
        "metadata": sealed.metadata,
        "bytes": count,
    }


def open_file(path, identities, trusted=None, out=None, payload=None):
    """Opens all of the file at `path`, or raises Refused. An archive is one in the form
    of the document, and what is in it is said."""
    count = 0

    def write(chunk):
        nonlocal count
        count += len(chunk)
        if out:
            out.write(chunk)

    with open(path, "rb") as file, open(payload or os.devnull, "rb") as other:
        sealed = Sealed(file, other if payload else None)
        sealed.unlock(identities)
        if sealed.metadata["media_type"] != archive.MEDIA_TYPE:
            return describe(sealed, sealed.read(write, trusted), count)
        plain = bytearray()
        signed_by = sealed.read(lambda chunk: (plain.extend(chunk), write(chunk)), trusted)
        said = describe(sealed, signed_by, count)
        return said | {"archive": archive.describe(archive.read(bytes(plain)))}


class HashingWriter:
    def __init__(self):
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
