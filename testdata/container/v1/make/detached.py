"""Headers whose payload is a file of its own."""

import io
import struct

from common import (
    CHUNK,
    SIGNERS,
    Parts,
    flipped,
    invalid,
    make,
    metadata,
    patched,
    plaintext,
    valid,
)
from sealed.primitive import LABEL, seal_message


def pair(name, length=100, **more):
    """Header and payload."""
    out = io.BytesIO()
    return make(name, length, payload_out=out, **more), out.getvalue()


def write():
    for length in (0, CHUNK, CHUNK + 1):
        name = f"detached-{length}"
        header, payload = pair(name, length)
        valid(name, f"payload in another file, {length} bytes of plaintext", header, payload=payload)
    header, payload = pair("detached-signed", keys=("a", "alice"), signers=[SIGNERS["one"]])
    what = "payload in another file, for a key and age, signed"
    valid("detached-signed", what, header, ("a", "alice"), ("one",), payload)
    header, payload = pair("detached-slot", slot=12288)
    valid("detached-slot", "payload in another file, slots of 12288 bytes", header, payload=payload)

    header, payload = pair("detached", CHUNK + 100, said=metadata())
    other_header, other = pair("other", CHUNK + 100, said=metadata())

    def bad(name, refused, reason, header=header, payload=payload, **more):
        invalid(f"detached-{name}", refused, reason, header, payload=payload, **more)

    bad("missing", "payload-elsewhere", "no payload is given", payload=None)
    whole = make("whole")
    bad("unneeded", "payload-here", "the file holds its payload itself", whole, payload)
    bad("swapped", "commitment", "another file's payload, under the same key", payload=other)
    bad("swapped-header", "commitment", "the header of another file, for the same key", other_header)
    bad("of-whole", "commitment", "the payload that stood in another file", payload=whole[4096 + 2 * 8192 :])
    bad("joined", "header-trailing", "the payload stands behind the header, too", header + payload)
    bad("trailing", "header-trailing", "a byte stands behind the header", header + b"\0")
    bad("cut-header", "header-truncated", "the header ends inside slot B", header[:-1])
    bad(
        "offset",
        "preamble",
        "a payload offset where the payload is elsewhere",
        patched(header, 36, struct.pack(">I", 4096 + 2 * 8192)),
    )
    bad("flags", "flags", "a flag that is not defined beside bit 0", patched(header, 15, b"\3"))
    bad("flag-2", "flags", "bit 1 in place of bit 0", patched(header, 15, b"\2"))
    bent = patched(patched(header, 15, b"\0"), 36, struct.pack(">I", 4096 + 2 * 8192)) + payload
    bad(
        "flag-removed", "slots-damaged", "the flag was removed, the payload put behind the header", bent, None
    )
    bent = patched(patched(whole[: 4096 + 2 * 8192], 15, b"\1"), 36, bytes(4))
    bad(
        "flag-added",
        "slots-damaged",
        "the flag was added, the payload cut off",
        bent,
        whole[4096 + 2 * 8192 :],
    )
    bad("empty", "payload-truncated", "a payload of no bytes", payload=b"")
    bad("cut", "payload-truncated", "the payload ends after its first chunk", payload=payload[: 56 + 16400])
    bad("cut-byte", "chunk", "the payload's last byte is missing", payload=payload[:-1])
    bad("appended", "chunk", "a byte is appended to the payload", payload=payload + b"\0")
    bad("first", "chunk", "a bit of the first chunk is flipped", payload=flipped(payload, 56))
    bad("last", "chunk", "a bit of the last tag is flipped", payload=flipped(payload, len(payload) - 1))
    bad("prefix", "commitment", "a bit of the commitment is flipped", payload=flipped(payload, 24))
    header, payload = pair("detached-size", said=metadata(size=99))
    bad("size", "size", "the size is another", header, payload)

    name = "detached-resealed"
    header, payload = pair(name, signers=[SIGNERS["one"]])
    parts = Parts(name, header)
    again = seal_message(parts.dek, LABEL + b"payload\0" + parts.p, plaintext(100))
    reason = "the same plaintext, encrypted anew, under the old signature"
    bad("resealed", "signature-forged", reason, header, again, trusted=("one",))
