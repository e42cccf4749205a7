"""One key-encryption key or several, one file: every part of it, right and wrong."""

import hashlib
import json
import struct

from common import (
    CHUNK,
    CHUNKS,
    KEYS,
    PAYLOAD,
    REGION,
    SEALED_CHUNK,
    SIGNERS,
    SLOT,
    SLOT_B,
    Parts,
    flipped,
    invalid,
    make,
    metadata,
    patched,
    plaintext,
    valid,
)
from sealed import recipients as wrapping
from sealed.header import frame
from sealed.primitive import LABEL, seal_message


def valid_vectors():
    for length in (0, 1, 16383, 16384, 16385):
        valid(f"length-{length}", f"{length} bytes of plaintext", make(f"length-{length}", length))
    digest = hashlib.sha256(plaintext(100)).hexdigest()
    said = metadata(size=100, sha256=digest, licence={"unknown": [1, None]})
    valid("metadata-all", "size, SHA-256, and a member that no reader knows", make("metadata-all", said=said))
    known = json.dumps(metadata())[:-1]
    unknown = [
        '"x": 1, "x": 2',
        '"y": {"name": 1, "name": 2, "text": "\\ud800"}',
        '"z": %s%s' % ("[" * 63, "]" * 63),
        '"é": ["[[[\\"{{", 1e999, -0, 123456789012345678901234567890]',
    ]
    said = ", ".join([known.replace("2026-01-02T03:04:05Z", "yesterday"), *unknown]) + "}"
    text = "a time that is none, and unknown members: two of one name, 64 deep, numbers of any size"
    valid("metadata-unknown", text, make("metadata-unknown", said=said.encode()))
    valid("metadata-least", "neither size nor SHA-256", make("metadata-least", said=metadata()))
    longest = {name: "é" * 127 + "x" for name in ("name", "version", "media_type", "created")}
    valid("metadata-longest", "each field has 255 bytes", make("metadata-longest", said=longest))
    valid(
        "recipients-3", "three keys, each of which opens it", make("recipients-3", keys="abc"), tuple("abc")
    )
    opaque = [(kind, bytes([kind]) * 16, b"opaque") for kind in (wrapping.AGE, wrapping.EXTERNAL)]
    mixed = make("recipients-other", others=opaque)
    valid("recipients-other", "recipients of types 3 and 4, which need not be understood", mixed)
    for slot in (12288, 65536):
        valid(f"slot-{slot}", f"slots of {slot} bytes", make(f"slot-{slot}", slot=slot))
    for names in (("one",), ("one", "two")):
        name = f"signed-{len(names)}"
        data = make(name, signers=[SIGNERS[n] for n in names])
        valid(name, f"signed by {' and '.join(names)}", data, trusted=names)
    name = "signed-stranger"
    data = make(name, signers=[SIGNERS["two"], SIGNERS["one"]])
    valid(name, "of two signatures only that of one is asked for", data, trusted=("one",))

    parts = Parts("rewritten", make("rewritten", keys="ab", signers=[SIGNERS["one"]]))
    old = parts.slot()
    parts.body.generation = 7
    parts.body.recipients.pop()
    parts.body.recipients.append(KEYS["c"].wrap(parts.p, parts.dek))
    text = json.dumps(metadata(size=100)).encode()
    parts.body.metadata = seal_message(parts.dek, LABEL + b"meta\0" + parts.p, text)
    new = parts.slot()
    whole = parts.with_slots(new)
    valid("rewritten", "generation 7: key b went, c came; the signature holds", whole, ("a", "c"), ("one",))
    what = "interrupted between the slots: {} is newer and counts"
    valid("stale-a", what.format("B"), parts.with_slots(old, new), ("a", "c"), ("one",))
    valid("stale-b", what.format("A"), parts.with_slots(new, old), ("a", "c"), ("one",))
    torn = new[:700] + bytes(SLOT - 700)
    valid("torn-a", "interrupted inside slot A: B counts", parts.with_slots(torn, new), ("a", "c"))
    valid(
        "torn-b",
        "interrupted inside slot B: A, which is older, counts",
        parts.with_slots(old, torn),
        tuple("ab"),
    )


def invalid_preambles():
    data = make("preamble")
    invalid("empty", "not-sealed", "there is nothing", b"")
    invalid("magic", "not-sealed", "the magic is another", flipped(data, 0))
    invalid("cut-preamble", "header-truncated", "it ends inside the preamble", data[:4095])
    invalid("cut-slot", "header-truncated", "it ends inside slot B", data[: PAYLOAD - 1])
    invalid("version", "version", "version 2", patched(data, 8, b"\0\2"))
    cut = patched(data, 8, b"\0\2")[: PAYLOAD - 1]
    invalid("version-cut", "version", "version 2, and it ends inside slot B", cut)
    cut = patched(data, 8, b"\0\2")[:4095]
    invalid("version-cut-preamble", "header-truncated", "version 2, and it ends inside the preamble", cut)
    invalid("suite", "suite", "suite 2", patched(data, 10, b"\0\2"))
    invalid("flags", "flags", "a flag that is not defined", patched(data, 12, b"\x80\0\0\0"))
    for slot in (0, 4096, 8193, 69632):
        lengths = struct.pack(">II", slot, REGION + 2 * slot)
        invalid(f"slot-{slot}", "preamble", f"slots of {slot} bytes", patched(data, 32, lengths))
    invalid("offset", "preamble", "the payload's offset does not follow", flipped(data, 39))
    invalid("reserved-40", "preamble", "the first reserved byte is not zero", flipped(data, 40))
    invalid("reserved-4095", "preamble", "the last reserved byte is not zero", flipped(data, 4095))
    invalid("artifact-id", "slots-damaged", "the checksums are of another artifact id", flipped(data, 16))
    invalid("slots", "slots-damaged", "both checksums are wrong", flipped(data, REGION + 100, SLOT_B + 100))


def invalid_slots():
    def parts():
        return Parts("slots", make("slots"))

    def slot(name, refused, reason, change):
        """`change` makes a body; checksum and MAC are right."""
        one = parts()
        invalid(name, refused, reason, one.with_slots(one.slot(change(one.body) or one.body)))

    def malformed(name, reason, change):
        slot(name, "slot-malformed", reason, change)

    def recipients(change):
        def apply(body):
            body.recipients = change(body.recipients)

        return apply

    malformed("no-recipient", "no recipient", recipients(lambda _: []))
    malformed("blob-short", "a wrapped key of 103 bytes", recipients(lambda r: [(1, r[0][1], r[0][2][:-1])]))
    malformed("blob-long", "a wrapped key of 105 bytes", recipients(lambda r: [(1, r[0][1], r[0][2] + b"x")]))
    mixed = recipients(lambda r: [*r, (2, bytes(16), b"passphrase")])
    malformed("passphrase-mixed", "a passphrase beside a key", mixed)
    twice = recipients(lambda r: [*r, KEYS["a"].wrap(parts().p, bytes(32))])
    malformed("recipient-twice", "one key twice", twice)
    for kind, name in ((wrapping.AGE, "age"), (wrapping.EXTERNAL, "command")):
        labelled = recipients(lambda r, kind=kind: [*r, (kind, r[0][1], b"opaque")])
        malformed(f"recipient-twice-{name}", "another recipient under the key id of a key", labelled)
    several = recipients(lambda r: [*r, *[(wrapping.EXTERNAL, bytes(16), b"%d" % i) for i in range(20)]])
    malformed("recipient-twice-many", "a command's key twenty times", several)
    malformed("metadata-short", "metadata of 71 bytes", lambda body: setattr(body, "metadata", bytes(71)))
    long = lambda body: setattr(body, "metadata", bytes(16473))  # noqa: E731
    one = Parts("metadata-long", make("metadata-long", slot=65536))
    long(one.body)
    invalid("metadata-long", "slot-malformed", "metadata of 16473 bytes", one.with_slots(one.slot()))
    record = lambda body: setattr(body, "signatures", [(bytes(16), bytes(63))])  # noqa: E731
    malformed("signature-short", "79 bytes of signature records", record)
    malformed("body-long", "a byte behind the last field", lambda body: body.encode() + b"\0")
    malformed("body-short", "the last field is cut", lambda body: body.encode()[:-1])
    malformed("recipient-missing", "the promised recipient is missing", lambda body: body.encode()[:10])
    for kind in (0, 5, 65535):
        unknown = recipients(lambda r, kind=kind: [*r, (kind, bytes(16), b"")])
        slot(f"type-{kind}", "recipient-type", f"a recipient of type {kind}", unknown)

    one = parts()
    checksum = lambda content: content + hashlib.sha256(one.p + content).digest()  # noqa: E731
    content = one.slot()[:-32]
    for name, length in (("length-largest", 0xFFFFFFFF), ("length-no-mac", SLOT - 32 - 4 - 31)):
        bad = checksum(patched(content, 0, struct.pack(">I", length)))
        invalid(name, "slot-malformed", "the body leaves no room for a MAC", one.with_slots(bad))
    for name, place in (("gap-begin", 4 + len(one.body.encode()) + 32), ("gap-end", SLOT - 33)):
        bad = checksum(flipped(content, place))
        invalid(name, "slot-malformed", "a byte between MAC and checksum is not zero", one.with_slots(bad))
    end = 4 + len(one.body.encode())
    for name, place in (("mac-first", end), ("mac-last", end + 31), ("generation", 11)):
        bad = checksum(flipped(content, place))
        invalid(name, "slot-forged", "the MAC does not fit, the checksum does", one.with_slots(bad))

    old = one.slot()
    one.body.generation = 2
    new = one.slot()
    forged = one.slot(framed=frame(one.p, one.body.encode()), mac=bytes(32))
    one.body.generation = 1
    stale = one.slot(mac=bytes(32))
    invalid("stale-forged", "slot-forged", "the older slot's MAC is wrong", one.with_slots(new, stale))
    invalid("newer-forged", "slot-forged", "the newer slot's MAC is wrong", one.with_slots(forged, old))
    one.body.recipients.append((4, bytes(16), b"x"))
    invalid("disagree", "slots-disagree", "one generation, two contents", one.with_slots(old, one.slot()))
    invalid("disagree-mac", "slots-disagree", "one generation, two MACs", one.with_slots(old, stale))

    invalid("no-key", "no-key", "no recipient has the key", make("no-key"), key="stranger")
    for name, place in (("wrap-salt", 0), ("wrap-commitment", 30), ("wrap-key", 60), ("wrap-tag", 103)):
        change = recipients(lambda r, place=place: [(1, r[0][1], flipped(r[0][2], place))])
        slot(name, "wrapping", "a bit of the wrapped key is flipped; the MAC is right", change)
    moved = Parts("moved", make("moved")).body.recipients[0]
    slot("wrap-moved", "wrapping", "another file's wrapped key", recipients(lambda _: [moved]))


def invalid_metadata():
    def parts():
        return Parts("metadata", make("metadata"))

    for name, place in (("salt", 0), ("commitment", 30), ("text", 60), ("tag", -1)):
        one = parts()
        place = place % len(one.body.metadata)
        one.body.metadata = flipped(one.body.metadata, place)
        reason = "a bit of the metadata is flipped; the MAC is right"
        invalid(f"metadata-{name}", "metadata-forged", reason, one.with_slots(one.slot()))
    one = parts()
    one.body.metadata = Parts("moved", make("moved")).body.metadata
    invalid("metadata-moved", "metadata-forged", "another file's metadata", one.with_slots(one.slot()))
    text = json.dumps(metadata())
    for name, reason, said in (
        ("empty", "no text", b""),
        ("array", "an array", ["vector", "1", "application/x-onnx", "2026-01-02T03:04:05Z"]),
        ("utf8", "not UTF-8", text.encode().replace(b"vector", b"vect\xff")),
        ("trailing", "text behind the object", text.encode() + b"{}"),
        ("twice", "two names", text.replace('"name"', '"name": "x", "name"').encode()),
        ("no-name", "no name", metadata(name=None)),
        ("no-created", "no time", metadata(created=None)),
        ("name-empty", "an empty name", metadata(name="")),
        ("name-long", "a name of 256 bytes", metadata(name="x" * 256)),
        ("name-control", "a control character", metadata(name="a\u0085b")),
        ("version-number", "a version that is a number", metadata(version=1)),
        ("unknown-utf8", "an unknown member that is not UTF-8", text[:-1].encode() + b', "x": "\xff"}'),
        ("unknown-nan", "an unknown member that is not a number", text[:-1].encode() + b', "x": NaN}'),
        ("unknown-infinity", "infinity", text[:-1].encode() + b', "x": -Infinity}'),
        ("unknown-surrogate", "half a character in a name", text[:-1].encode() + b', "\\ud800": 1}'),
        ("unknown-deep", "65 deep", text[:-1].encode() + b', "x": ' + b"[" * 64 + b"]" * 64 + b"}"),
        ("unknown-deepest", "3,000 deep", text[:-1].encode() + b', "x": ' + b"[" * 2999 + b"]" * 2999 + b"}"),
        ("name-surrogate", "half a character", text.encode().replace(b"vector", b"\\ud800")),
        ("size-minus-0", "a size of -0", text[:-1].encode() + b', "size": -0}'),
        ("size-negative", "a negative size", metadata(size=-1)),
        ("size-float", "a size with a fraction", metadata(size=100.0)),
        ("sha256-short", "a SHA-256 of 62 digits", metadata(sha256="0" * 62)),
        ("sha256-upper", "a SHA-256 in capitals", metadata(sha256="A" * 64)),
    ):
        invalid(f"json-{name}", "metadata-malformed", reason, parts().with_metadata(said))
    invalid("size", "size", "the size is another", parts().with_metadata(metadata(size=99)))
    other = metadata(sha256=hashlib.sha256(b"other").hexdigest())
    invalid("sha256", "digest", "the SHA-256 is another", parts().with_metadata(other))


def invalid_payloads():
    length = CHUNK + 100
    data = make("payload", length, said=metadata())
    for name, place in (("salt", 0), ("commitment", 24), ("commitment-end", 55)):
        invalid(f"payload-{name}", "commitment", "a bit is flipped", flipped(data, PAYLOAD + place))
    for name, place in (
        ("first", CHUNKS),
        ("first-tag", CHUNKS + SEALED_CHUNK - 1),
        ("last", CHUNKS + SEALED_CHUNK),
        ("last-tag", len(data) - 1),
    ):
        invalid(f"chunk-{name}", "chunk", "a bit is flipped", flipped(data, place))
    for name, cut in (
        ("all", PAYLOAD),
        ("prefix", CHUNKS - 1),
        ("no-chunk", CHUNKS),
        ("in-tag", CHUNKS + 15),
        ("last", CHUNKS + SEALED_CHUNK),
        ("last-tag", CHUNKS + SEALED_CHUNK + 15),
    ):
        invalid(f"cut-{name}", "payload-truncated", "no file can end there", data[:cut])
    invalid("cut-byte", "chunk", "the last byte is missing", data[:-1])
    invalid("appended", "chunk", "a byte is appended", data + b"\0")
    moved = Parts("moved", make("moved")).data[PAYLOAD:]
    invalid("payload-moved", "commitment", "another file's payload", data[:PAYLOAD] + moved)
    data = make("chunks", 2 * CHUNK, said=metadata())
    first, second = data[CHUNKS : CHUNKS + SEALED_CHUNK], data[CHUNKS + SEALED_CHUNK :][:SEALED_CHUNK]
    swapped = data[:CHUNKS] + second + first + data[CHUNKS + 2 * SEALED_CHUNK :]
    invalid("chunks-swapped", "chunk", "the first two chunks are swapped", swapped)
    removed = data[:CHUNKS] + second + data[CHUNKS + 2 * SEALED_CHUNK :]
    invalid("chunk-removed", "chunk", "the first chunk is missing", removed)


def invalid_signatures():
    def parts():
        return Parts("signed", make("signed", signers=[SIGNERS["one"]]))

    def signature(name, refused, reason, data):
        invalid(f"signature-{name}", refused, reason, data, trusted=("one",))

    signature("none", "unsigned", "nobody signed it", make("unsigned"))
    stranger = make("stranger", signers=[SIGNERS["two"]])
    signature("stranger", "untrusted", "only a stranger signed it", stranger)
    one = parts()
    one.body.signatures = []
    signature("removed", "unsigned", "the record was removed", one.with_slots(one.slot()))
    for place in (0, 63):
        one = parts()
        signer, made = one.body.signatures[0]
        one.body.signatures = [(signer, flipped(made, place))]
        signature(f"bit-{place}", "signature-forged", "a bit is flipped", one.with_slots(one.slot()))
    one = parts()
    one.body.signatures = Parts("moved", make("moved", signers=[SIGNERS["one"]])).body.signatures
    signature("moved", "signature-forged", "another file's signature", one.with_slots(one.slot()))
    one = parts()
    one.body.signatures *= 2
    signature("twice", "slot-malformed", "one record twice", one.with_slots(one.slot()))
    one.body.signatures[1] = (one.body.signatures[0][0], bytes(64))
    signature("second", "slot-malformed", "a second record of one signer", one.with_slots(one.slot()))
    changed = parts().with_metadata(metadata(size=100, version="2"))
    signature("metadata", "signature-forged", "the metadata are others", changed)
    same = parts().with_payload(plaintext(100))
    signature("payload", "signature-forged", "the same plaintext, encrypted anew", same)


def write():
    valid_vectors()
    invalid_preambles()
    invalid_slots()
    invalid_metadata()
    invalid_payloads()
    invalid_signatures()
