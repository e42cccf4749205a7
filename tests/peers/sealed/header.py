"""What stands before the payload: preamble and slots."""

import hashlib
import hmac
import struct

from .primitive import CHUNK, LABEL, PREFIX, TAG, Refused, expand
from .recipients import AGE, EXTERNAL, KEK, KEY_BLOB, PASSPHRASE, passphrase_cost

MAGIC = b"\x89SEALED\n"
REGION = 4096
SLOTS = range(8192, 65537, 4096)
DETACHED = 1


def preamble(artifact_id, slot, detached=False):
    head = MAGIC + struct.pack(">HHI", 1, 1, DETACHED if detached else 0) + artifact_id
    return (head + struct.pack(">II", slot, 0 if detached else REGION + 2 * slot)).ljust(64, b"\0")


def parse_preamble(region):
    """Returns P, the slot length, and whether the payload is in another file."""
    if not region.startswith(MAGIC):
        raise Refused("not-sealed")
    if len(region) < REGION:
        raise Refused("header-truncated")
    version, suite, flags = struct.unpack(">HHI", region[8:16])
    for code, value, known in (
        ("version", version, [1]),
        ("suite", suite, [1]),
        ("flags", flags, [0, DETACHED]),
    ):
        if value not in known:
            raise Refused(code, str(value))
    slot, payload = struct.unpack(">II", region[32:40])
    if slot not in SLOTS:
        raise Refused("preamble", "slot length")
    if payload != (0 if flags & DETACHED else REGION + 2 * slot):
        raise Refused("preamble", "payload offset")
    if any(region[40:REGION]):
        raise Refused("preamble", "reserved bytes")
    return region[:64], slot, bool(flags & DETACHED)


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
            if kind == KEK and len(blob) != KEY_BLOB:
                raise Refused("slot-malformed", "length of a wrapped key")
            if kind == PASSPHRASE:
                passphrase_cost(blob)
            recipients.append((kind, identifier, blob))
        if not recipients:
            raise Refused("slot-malformed", "no recipient")
        if len(recipients) > 1 and any(kind == PASSPHRASE for kind, _, _ in recipients):
            raise Refused("slot-malformed", "a passphrase is not alone")
        if len({identifier for _, identifier, _ in recipients}) < len(recipients):
            raise Refused("slot-malformed", "two recipients have one key id")
        metadata = fields.prefixed()
        if not PREFIX + TAG <= len(metadata) <= PREFIX + CHUNK + 2 * TAG:
            raise Refused("slot-malformed", "length of the metadata")
        records = fields.prefixed()
        if len(records) % 80:
            raise Refused("slot-malformed", "a signature record is cut short")
        signatures = [(records[i : i + 16], records[i + 16 : i + 80]) for i in range(0, len(records), 80)]
        if len({signer for signer, _ in signatures}) < len(signatures):
            raise Refused("slot-malformed", "two records of one signer")
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
