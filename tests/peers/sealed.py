#!/usr/bin/env python3
"""Reads and writes sealed model files, after docs/file-format.md and nothing else.

An independent implementation, to hold the document and the program to each other. AES-GCM
and Ed25519 come from the package `cryptography`, HKDF, HMAC and SHA-256 from the standard
library; the format is written down here once more.

    sealed.py seal IN -o OUT --kek FILE... --name NAME [--sign FILE...] [--slot BYTES]
    sealed.py open IN [-o OUT] --kek FILE [--trusted FILE...]
    sealed.py rewrite FILE --kek FILE [--add FILE...] [--remove KEY_ID...] [--sign FILE...]
    sealed.py vectors DIRECTORY

Key-encryption keys are files of 64 hexadecimal digits, signer keys PKCS#8 in PEM, trusted
signers public keys in PEM. One JSON document is printed. A file that is refused is exit 3,
with {"refused": CODE, "why": TEXT}; the codes are those of the document.
"""

import argparse
import hashlib
import hmac
import json
import os
import struct
import sys
import unicodedata
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"sealserve/v1/"
MAGIC = b"\x89SEALED\n"
CHUNK, TAG, SALT, PREFIX = 16384, 16, 24, 56
REGION = 4096
SLOTS = range(8192, 65537, 4096)
KEK, PASSPHRASE, AGE, EXTERNAL = 1, 2, 3, 4

# Replaced by the generator of the vectors, which must give the same bytes in every run.
random_bytes = os.urandom


class Refused(Exception):
    """What is wrong with a file: a code of the document, and words."""

    def __init__(self, code, why=""):
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code


# Primitive


def expand(key, info, length):
    """HKDF-Expand with SHA-512 (RFC 5869)."""
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha512).digest()
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


def key_id(kek):
    return expand(kek, LABEL + b"key-id", 16)


def wrap_context(p, kind, identifier):
    return LABEL + b"wrap\0" + p + struct.pack(">H", kind) + identifier


def signer_id(public):
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public.public_bytes(*form)).digest()[:16]


# Header


def preamble(artifact_id, slot):
    head = MAGIC + struct.pack(">HHI", 1, 1, 0) + artifact_id
    return (head + struct.pack(">II", slot, REGION + 2 * slot)).ljust(64, b"\0")


def parse_preamble(region):
    """Returns P and the slot length."""
    if not region.startswith(MAGIC):
        raise Refused("not-sealed")
    if len(region) < REGION:
        raise Refused("header-truncated")
    version, suite, flags = struct.unpack(">HHI", region[8:16])
    for code, value, known in (("version", version, 1), ("suite", suite, 1), ("flags", flags, 0)):
        if value != known:
            raise Refused(code, str(value))
    slot, payload = struct.unpack(">II", region[32:40])
    if slot not in SLOTS:
        raise Refused("preamble", "slot length")
    if payload != REGION + 2 * slot:
        raise Refused("preamble", "payload offset")
    if any(region[40:REGION]):
        raise Refused("preamble", "reserved bytes")
    return region[:64], slot


class Fields:
    """What is left of a body."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        if count > len(self.data):
            raise Refused("slot-malformed", "fields longer than the body")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def prefixed(self):
        return self.take(self.number(2))


class Body:
    """What a slot says."""

    def __init__(self, generation, recipients, metadata, signatures=()):
        self.generation, self.metadata = generation, metadata
        self.recipients, self.signatures = list(recipients), list(signatures)

    def encode(self):
        def prefixed(data):
            return struct.pack(">H", len(data)) + data

        out = struct.pack(">QH", self.generation, len(self.recipients))
        for kind, identifier, blob in self.recipients:
            out += struct.pack(">H", kind) + identifier + prefixed(blob)
        out += prefixed(self.metadata)
        return out + prefixed(b"".join(signer + made for signer, made in self.signatures))

    @classmethod
    def parse(cls, data):
        fields = Fields(data)
        generation, recipients = fields.number(8), []
        for _ in range(fields.number(2)):
            kind = fields.number(2)
            if kind not in (KEK, PASSPHRASE, AGE, EXTERNAL):
                raise Refused("recipient-type", str(kind))
            identifier, blob = fields.take(16), fields.prefixed()
            if kind == KEK and len(blob) != PREFIX + 32 + TAG:
                raise Refused("slot-malformed", "length of a wrapped key")
            recipients.append((kind, identifier, blob))
        if not recipients:
            raise Refused("slot-malformed", "no recipient")
        if len(recipients) > 1 and any(kind == PASSPHRASE for kind, _, _ in recipients):
            raise Refused("slot-malformed", "a passphrase is not alone")
        metadata = fields.prefixed()
        if not PREFIX + TAG <= len(metadata) <= PREFIX + CHUNK + 2 * TAG:
            raise Refused("slot-malformed", "length of the metadata")
        records = fields.prefixed()
        if len(records) % 80:
            raise Refused("slot-malformed", "a signature record is cut short")
        signatures = [(records[i : i + 16], records[i + 16 : i + 80]) for i in range(0, len(records), 80)]
        if fields.data:
            raise Refused("slot-malformed", "the body is longer than its fields")
        return cls(generation, recipients, metadata, signatures)


def mac_of(p, framed, dek):
    return hmac.new(expand(dek, LABEL + b"header-mac", 32), p + framed, hashlib.sha256).digest()


def frame(p, body):
    return struct.pack(">I", len(body)) + body


def make_slot(p, slot, framed, mac):
    content = framed + mac
    if len(content) > slot - 32:
        raise SystemExit("error: the header does not fit into its slot")
    content = content.ljust(slot - 32, b"\0")
    return content + hashlib.sha256(p + content).digest()


class Slot:
    """A slot whose checksum is right."""

    def __init__(self, name, content):
        self.name = name
        length = int.from_bytes(content[:4], "big")
        if 4 + length + 32 > len(content):
            raise Refused("slot-malformed", f"{name}: its body is too long")
        self.framed, self.mac = content[: 4 + length], content[4 + length : 4 + length + 32]
        if any(content[4 + length + 32 :]):
            raise Refused("slot-malformed", f"{name}: unused bytes are not zero")
        self.body = Body.parse(self.framed[4:])

    @classmethod
    def parse(cls, p, name, data):
        """None where the checksum is wrong."""
        right = hashlib.sha256(p + data[:-32]).digest() == data[-32:]
        return cls(name, data[:-32]) if right else None


class Sealed:
    """An open file whose header has been read."""

    def __init__(self, stream):
        self.stream = stream
        self.p, self.slot = parse_preamble(stream.read(REGION))
        data = stream.read(2 * self.slot)
        if len(data) < 2 * self.slot:
            raise Refused("header-truncated")
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

    def unlock(self, keks):
        by_id = {key_id(kek): kek for kek in keks}
        found = [r for r in self.body.recipients if r[0] == KEK and r[1] in by_id]
        if not found:
            raise Refused("no-key")
        kind, identifier, blob = found[0]
        self.dek = open_message(by_id[identifier], wrap_context(self.p, kind, identifier), blob)
        if self.dek is None or len(self.dek) != 32:
            raise Refused("wrapping")
        for slot in self.whole:
            if not hmac.compare_digest(mac_of(self.p, slot.framed, self.dek), slot.mac):
                raise Refused("slot-forged", slot.name)
        self.json = open_message(self.dek, LABEL + b"meta\0" + self.p, self.body.metadata)
        if self.json is None:
            raise Refused("metadata-forged")
        self.metadata = parse_metadata(self.json)

    def payload_length(self):
        """That of the plaintext, where the file's length is one that a file can have."""
        length = os.fstat(self.stream.fileno()).st_size - REGION - 2 * self.slot
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
        self.stream.seek(REGION + 2 * self.slot)
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


def statement(p, metadata, payload):
    return LABEL + b"sign\0" + p + hashlib.sha256(metadata).digest() + payload


def parse_metadata(text):
    def once(pairs):
        names = [name for name, _ in pairs]
        for name in ("name", "version", "media_type", "created", "size", "sha256"):
            if names.count(name) > 1:
                raise Refused("metadata-malformed", f"{name} is there twice")
        return dict(pairs)

    try:
        metadata = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except ValueError as error:
        raise Refused("metadata-malformed", str(error)) from None
    if not isinstance(metadata, dict):
        raise Refused("metadata-malformed", "no object")
    for name in ("name", "version", "media_type", "created"):
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
    return metadata


# Writing


def smallest_slot(body_length):
    """The smallest that stays half free."""
    wanted = 2 * (body_length + 68)
    return next((slot for slot in SLOTS if slot >= wanted), SLOTS[-1])


def write_file(out, source, keks, metadata, signers=(), slot=None, others=(), generation=1):
    """Seals all of `source` to `out`, which can be sought in."""
    artifact_id, dek = random_bytes(16), random_bytes(32)
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()

    def body_for(p, signatures):
        recipients = []
        for kek in keks:
            identifier = key_id(kek)
            blob = seal_message(kek, wrap_context(p, KEK, identifier), dek)
            recipients.append((KEK, identifier, blob))
        message = seal_message(dek, LABEL + b"meta\0" + p, text)
        return Body(generation, recipients + list(others), message, signatures)

    if slot is None:
        empty = [(bytes(16), bytes(64))] * len(signers)
        slot = smallest_slot(len(body_for(preamble(artifact_id, 8192), empty).encode()))
    p = preamble(artifact_id, slot)
    out.seek(REGION + 2 * slot)
    payload = hashlib.sha256()

    def put(data):
        payload.update(data)
        out.write(data)

    machine = Cobblestone(dek, LABEL + b"payload\0" + p, random_bytes(SALT))
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


def rewrite(path, keks, change, slots="BA"):
    """Writes what `change` makes of the current body as the next generation, into the
    slot that does not count first. `slots` cuts it short, as a kill would."""
    with open(path, "r+b") as file:
        sealed = Sealed(file)
        sealed.unlock(keks)
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
    for kek in add:
        identifier = key_id(kek)
        blob = seal_message(kek, wrap_context(sealed.p, KEK, identifier), sealed.dek)
        body.recipients.append((KEK, identifier, blob))
    if signers:
        sealed.read(lambda chunk: None)
    for key in signers:
        identifier = signer_id(key.public_key())
        body.signatures = [record for record in body.signatures if record[0] != identifier]
        body.signatures.append((identifier, key.sign(sealed.statement)))


# Command line


def describe(sealed, signed_by, count):
    return {
        "artifact_id": sealed.p[16:32].hex(),
        "generation": sealed.body.generation,
        "slot_bytes": sealed.slot,
        "slots": sealed.states(),
        "recipients": [{"type": kind, "key_id": i.hex()} for kind, i, _ in sealed.body.recipients],
        "signers": [signer.hex() for signer, _ in sealed.body.signatures],
        "signed_by": [signer.hex() for signer in signed_by],
        "metadata": sealed.metadata,
        "bytes": count,
    }


def open_file(path, keks, trusted=None, out=None):
    """Opens all of the file at `path`, or raises Refused."""
    count = 0

    def write(chunk):
        nonlocal count
        count += len(chunk)
        if out:
            out.write(chunk)

    with open(path, "rb") as file:
        sealed = Sealed(file)
        sealed.unlock(keks)
        return describe(sealed, sealed.read(write, trusted), count)


class HashingWriter:
    def __init__(self):
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)


def check_vectors(directory):
    """Opens every vector of index.json; an assertion fails where one is not as it says."""
    index = json.loads((directory / "index.json").read_text())
    keks = {name: bytes.fromhex(digits) for name, digits in index["keys"].items()}
    publics = {name: load_public(pem.encode()) for name, pem in index["signers"].items()}

    def trusted_of(vector):
        if "trusted" not in vector:
            return None
        return {signer_id(publics[name]): publics[name] for name in vector["trusted"]}

    for vector in index["valid"]:
        for name in vector["opens_with"]:
            content = HashingWriter()
            said = open_file(directory / vector["file"], [keks[name]], trusted_of(vector), content)
            for member, value in vector["says"].items():
                assert said[member] == value, (vector["file"], member, said[member], value)
            assert content.hash.hexdigest() == vector["plaintext_sha256"], vector["file"]
    for vector in index["invalid"]:
        try:
            open_file(directory / vector["file"], [keks[vector["key"]]], trusted_of(vector))
        except Refused as refused:
            assert refused.code == vector["refused"], (vector["file"], str(refused), vector["refused"])
        else:
            raise AssertionError(f"{vector['file']} is not refused: {vector['reason']}")
    return {"valid": len(index["valid"]), "invalid": len(index["invalid"])}


def load_public(pem):
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, Ed25519PublicKey)
    return key


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name, *arguments):
        sub = verbs.add_parser(name)
        sub.add_argument("path", type=Path)
        for argument in arguments:
            many = argument in ("--kek", "--sign", "--trusted", "--add", "--remove")
            sub.add_argument(argument, **({"action": "append", "default": []} if many else {}))

    verb("seal", "--output", "--kek", "--name", "--version", "--sign", "--slot")
    verb("open", "--output", "--kek", "--trusted")
    verb("rewrite", "--kek", "--add", "--remove", "--sign", "--slots")
    verb("vectors")
    args = parser.parse_args()

    def read(paths):
        return [bytes.fromhex(Path(path).read_text().strip()) for path in paths]

    def signing(paths):
        return [serialization.load_pem_private_key(Path(path).read_bytes(), None) for path in paths]

    try:
        if args.verb == "seal":
            metadata = {
                "name": args.name or "model",
                "version": args.version or "1",
                "media_type": "application/x-onnx",
                "created": "2026-01-02T03:04:05Z",
                "size": args.path.stat().st_size,
            }
            with open(args.path, "rb") as source, open(args.output, "wb") as out:
                slot = int(args.slot) if args.slot else None
                said = write_file(out, source, read(args.kek), metadata, signing(args.sign), slot)
        elif args.verb == "open":
            publics = [load_public(Path(path).read_bytes()) for path in args.trusted]
            trusted = {signer_id(key): key for key in publics} or None
            with open(args.output or os.devnull, "wb") as out:
                said = open_file(args.path, read(args.kek), trusted, out)
        elif args.verb == "rewrite":
            remove = {bytes.fromhex(text) for text in args.remove}
            add, signers = read(args.add), signing(args.sign)
            said = rewrite(
                args.path,
                read(args.kek),
                lambda sealed: change_body(sealed, add, remove, signers),
                args.slots or "BA",
            )
        else:
            said = check_vectors(args.path)
    except Refused as refused:
        print(json.dumps({"refused": refused.code, "why": str(refused)}))
        sys.exit(3)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
