"""Recipients of the types 2 (passphrase), 3 (age) and 4 (external command)."""

import base64
import struct

from common import PHRASES, SIGNERS, Parts, flipped, invalid, make, recipient, valid
from sealed import age
from sealed.recipients import AGE, PASSPHRASE, Passphrase, bound
from sealed.vectors import double

CHEAP = (8, 1, 1)
ALICE = age.decode_text("age", recipient("alice").text)


def phrase(name, cost=CHEAP):
    return Passphrase(PHRASES[name], cost)


def valid_vectors():
    for name, cost in (("phrase", CHEAP), ("phrase-utf8", (100, 3, 2)), ("phrase-longest", (128, 2, 16))):
        what = "passphrase: {} KiB, {} passes, {} lanes".format(*cost)
        valid(name, what, make(name, keys=[phrase(name, cost)]), (name,))
    for keys in (
        ("alice",),
        ("alice", "bob"),
        ("kms/1",),
        ("kms/1", "kms/2"),
        ("a", "alice"),
        ("a", "kms/1"),
        ("alice", "kms/1"),
        ("kms/2", "bob", "b", "kms/1", "alice", "a"),
    ):
        name = "for-" + "-".join(keys).replace("/", "")
        valid(name, f"recipients: {', '.join(keys)}", make(name, keys=keys), keys)
    name = "for-alice-signed"
    data = make(name, 16384, keys=("alice", "kms/1"), signers=[SIGNERS["one"]])
    valid(name, "for age and a command, and signed", data, ("alice", "kms/1"), ("one",))

    def rewrapped(name, what, before, after):
        parts = Parts(name, make(name, keys=[before]), "phrase" if isinstance(before, Passphrase) else before)
        parts.body.generation = 2
        parts.body.recipients = [
            (recipient(a) if isinstance(a, str) else a).wrap(parts.p, parts.dek) for a in after
        ]
        opens = ["phrase" if isinstance(a, Passphrase) else a for a in after]
        valid(name, what, parts.with_slots(parts.slot()), opens)

    rewrapped("rewrapped-age", "from a key to age and a command", "a", ["alice", "kms/1"])
    rewrapped("rewrapped-key", "from age to a key", "alice", ["a"])
    rewrapped("rewrapped-phrase", "from a key to a passphrase", "a", [phrase("phrase")])
    rewrapped("rewrapped-phrase-away", "from a passphrase to age and a key", phrase("phrase"), ["alice", "a"])

    # Blobs that a reader understands, though another writer made them.
    one = Parts("age-id", make("age-id", keys=["alice"]), "alice")
    kind, identifier, blob = one.body.recipients[0]
    one.body.recipients = [(kind, flipped(identifier, 0), blob)]
    valid("age-id", "age, under a key id that says nothing", one.with_slots(one.slot()), ("alice",))

    def grease(file_key, own):
        stranger = age.x25519_stanza(file_key, age.decode_text("age", recipient("bob").text))
        return age.stanza([b"x-grease", b"a", b"b"], bytes(48)) + stranger + own + age.stanza([b"last"], b"")

    for name, what, stanzas in (
        ("age-stanzas-32", "age, with 32 stanzas", lambda _, own: filler(0) * 31 + own),
        ("age-header-16384", "age, whose header has 16,384 bytes", long_header(16384)),
    ):
        one = Parts(name, make(name, keys=["alice"], slot=65536), "alice")
        one.body.recipients = [(kind, identifier, age.encrypt(ALICE, bound(one.p, one.dek), stanzas))]
        valid(name, what, one.with_slots(one.slot()), ("alice",))

    one = Parts("age-stanzas", make("age-stanzas", keys=["alice"]), "alice")
    one.body.recipients = [(kind, identifier, age.encrypt(ALICE, bound(one.p, one.dek), grease))]
    valid(
        "age-stanzas",
        "age, with a stanza for bob and two of unknown types",
        one.with_slots(one.slot()),
        ("alice", "bob"),
    )


def filler(length):
    """A stanza that nobody knows, with an argument of this length."""
    return age.stanza([b"filler", *([b"x" * length] if length else [])], b"")


def long_header(length):
    """Stanzas that give a header of this length."""

    def stanzas(_, own):
        rest = len(age.VERSION + b"\n" + own + filler(1) + b"--- " + age.b64(bytes(32)) + b"\n") - 1
        return filler(length - rest) + own

    return stanzas


def changed(name, refused, reason, of, change, key=None, slot=None):
    """A file for `of` whose recipient gets the id and the blob that `change` makes;
    checksum and MAC are right."""
    one = Parts(name, make(name, keys=[phrase(of) if of in PHRASES else of], slot=slot), of)
    kind, identifier, blob = one.body.recipients[0]
    one.body.recipients = [(kind, *change(one, identifier, blob))]
    invalid(name, refused, reason, one.with_slots(one.slot()), key=key or of)


def invalid_passphrases():
    def blob(name, refused, reason, change, key="phrase"):
        changed(f"phrase-{name}", refused, reason, "phrase", lambda _, i, b: (i, change(b)), key=key)

    blob("short", "slot-malformed", "a blob of 115 bytes", lambda b: b[:-1])
    blob("long", "slot-malformed", "a blob of 117 bytes", lambda b: b + b"\0")
    blob("empty", "slot-malformed", "a blob of no bytes", lambda b: b"")
    for name, cost in (
        ("lanes-0", (8, 1, 0)),
        ("lanes-most", (8, 1, 0xFFFFFFFF)),
        ("memory-0", (0, 1, 1)),
        ("memory-7", (7, 1, 1)),
        ("memory-31", (31, 1, 4)),
        ("memory-more", (1048577, 1, 1)),
        ("memory-most", (0xFFFFFFFF, 1, 1)),
        ("passes-0", (8, 0, 1)),
        ("passes-most", (8, 0xFFFFFFFF, 1)),
        ("product", (8, 524289, 1)),
        ("product-memory", (1048576, 5, 4)),
        # Its product is 0 in 32 bits.
        ("product-wraps", (65536, 65536, 4)),
    ):
        reason = "{} KiB, {} passes, {} lanes".format(*cost)
        blob(name, "slot-malformed", reason, lambda b, cost=cost: struct.pack(">III", *cost) + b[12:])
    reason = "an impossible cost, seen before a key is looked for"
    blob("cost-no-key", "slot-malformed", reason, lambda b: bytes(12) + b[12:], key="a")
    one = Parts("phrase-stale", make("phrase-stale"))
    one.body.generation = 2
    new = one.slot()
    one.body.generation, one.body.recipients = 1, [(PASSPHRASE, bytes(16), bytes(116))]
    reason = "an impossible cost in the older slot"
    invalid("phrase-stale", "slot-malformed", reason, one.with_slots(new, one.slot()))
    # At this cost it was really wrapped.
    data = make("phrase-lanes-17", keys=[phrase("phrase", (136, 1, 17))])
    invalid("phrase-lanes-17", "slot-malformed", "136 KiB, 1 passes, 17 lanes", data, key="phrase")
    blob("wrong", "wrapping", "another passphrase", lambda b: b, "phrase-wrong")
    for name, place, reason in (
        ("cost-changed", 7, "other passes than were taken"),
        ("commitment", 50, "a bit of the wrapped key is flipped"),
        ("tag", 115, "a bit of the tag is flipped"),
    ):
        blob(
            name,
            "wrapping",
            reason,
            lambda b, place=place: flipped(b, place) if place != 7 else b[:7] + b"\2" + b[8:],
        )
    changed("phrase-salt", "wrapping", "another salt", "phrase", lambda _, i, b: (flipped(i, 0), b))
    moved = Parts("moved", make("moved-phrase", keys=[phrase("phrase")]), "phrase").body.recipients[0]
    changed("phrase-moved", "wrapping", "another file's recipient", "phrase", lambda *_: moved[1:])
    invalid(
        "phrase-no-key",
        "no-key",
        "a key, and the file has a passphrase",
        make("no-key-2", keys=[phrase("phrase")]),
    )
    for other in ("alice", "kms/1", phrase("phrase-utf8")):
        name = "phrase-and-" + ("phrase" if isinstance(other, Passphrase) else other.replace("/", ""))
        one = Parts(name, make(name, keys=[phrase("phrase")]), "phrase")
        new = recipient(other) if isinstance(other, str) else other
        one.body.recipients.append(new.wrap(one.p, one.dek))
        invalid(name, "slot-malformed", "a passphrase is not alone", one.with_slots(one.slot()), key="phrase")


def armored(blob):
    text = base64.b64encode(blob)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    edge = b"-----%s AGE ENCRYPTED FILE-----"
    return b"\n".join([edge % b"BEGIN", *lines, edge % b"END", b""])


def invalid_age():
    def blob(name, refused, reason, change, key="alice", **more):
        by = lambda one, i, b: (i, change(one, b))  # noqa: E731
        changed(f"age-{name}", refused, reason, "alice", by, key=key, **more)

    def content(name, reason, make_content):
        blob(name, "wrapping", reason, lambda one, _: age.encrypt(ALICE, make_content(one)))

    def header(name, refused, reason, stanzas, **more):
        blob(name, refused, reason, lambda one, _: age.encrypt(ALICE, bound(one.p, one.dek), stanzas), **more)

    blob("nobody", "no-key", "another identity", lambda _, b: b, "nobody")
    for length in (0, 32, 63):
        content(
            f"content-{length}", f"{length} bytes inside", lambda one, n=length: bound(one.p, one.dek)[:n]
        )
    content("content-65", "65 bytes inside", lambda one: bound(one.p, one.dek) + b"\0")
    content("content-3000", "3000 bytes inside", lambda one: bound(one.p, one.dek).ljust(3000, b"\0"))
    content("other-file", "the hash is of another file", lambda one: bound(flipped(one.p, 63), one.dek))
    content("no-hash", "no hash behind the data key", lambda one: one.dek + bytes(32))
    blob("empty", "wrapping", "nothing", lambda one, _: b"")
    blob("version", "wrapping", "age v2", lambda _, b: b.replace(b"/v1\n", b"/v2\n", 1))
    blob("armored", "wrapping", "armored", lambda _, b: armored(b))
    blob("cut", "wrapping", "its last byte is missing", lambda _, b: b[:-1])
    blob("cut-header", "wrapping", "it ends in its header", lambda _, b: b[:60])
    blob("cut-payload", "wrapping", "it ends behind its header", lambda _, b: b[: -64 - 16 - 16])
    blob("appended", "wrapping", "a byte is appended", lambda _, b: b + b"\0")
    blob("payload", "wrapping", "a bit of its payload is flipped", lambda _, b: flipped(b, len(b) - 20))
    blob("nonce", "wrapping", "a bit of its nonce is flipped", lambda _, b: flipped(b, len(b) - 64 - 16 - 16))

    def bad_mac(b):
        at = b.index(b"\n---") + 5
        return b[:at] + (b"B" if b[at : at + 1] == b"A" else b"A") + b[at + 1 :]

    blob("mac", "wrapping", "the MAC of its header is wrong", lambda _, b: bad_mac(b))
    added = age.stanza([b"added"], b"")
    reason = "a stanza was added, which the MAC does not cover"
    blob("stanza-added", "wrapping", reason, lambda _, b: b.replace(b"\n---", b"\n" + added + b"---", 1))

    def x25519(change):
        """The stanza made of other arguments or another body."""

        def make_stanza(file_key, own):
            words, encoded = own.split(b"\n")[0].split(b" ")[1:], own.split(b"\n")[1]
            return age.stanza(*change(words, age.unb64(encoded)))

        return make_stanza

    somebody = "a stanza that the identity does not open is somebody else's"
    header("wrapped", "no-key", somebody, x25519(lambda w, b: (w, flipped(b, 0))))
    header("share", "no-key", somebody, x25519(lambda w, b: ([w[0], age.b64(bytes([9]) + bytes(31))], b)))
    header(
        "share-zero",
        "wrapping",
        "the share gives a shared secret of zeros",
        x25519(lambda w, b: ([w[0], age.b64(bytes(32))], b)),
    )
    header(
        "share-short", "wrapping", "a share of 31 bytes", x25519(lambda w, b: ([w[0], age.b64(bytes(31))], b))
    )
    header("argument", "wrapping", "another argument behind the share", x25519(lambda w, b: ([*w, b"x"], b)))
    header("no-share", "wrapping", "no share", x25519(lambda w, b: ([w[0]], b)))
    header("body-short", "wrapping", "31 bytes of wrapped key", x25519(lambda w, b: (w, b[:-1])))
    header(
        "base64",
        "wrapping",
        "a share in base64 that is not canonical",
        x25519(lambda w, b: ([w[0], w[1][:-1] + b"9"], b)),
    )
    scrypt = age.stanza([b"scrypt", age.b64(bytes(16)), b"10"], bytes(32))
    header("scrypt", "no-key", "a passphrase of age's opens nothing", lambda *_: scrypt)
    for name, reason, stanzas in (
        ("stanzas-33", "33 stanzas", lambda _, own: filler(0) * 32 + own),
        ("header-16385", "a header of 16,385 bytes", long_header(16385)),
        ("stanzas-many", "as many stanzas as fit", lambda _, own: b"-> a\n\n" * 3000 + own),
    ):
        header(name, "wrapping", reason, stanzas, slot=65536)
    header("unknown", "no-key", "only a stanza of an unknown type", lambda *_: age.stanza([b"x"], bytes(32)))

    name = "age-first-broken"
    one = Parts(name, make(name, keys=["bob", "alice"]), "alice")
    kind, identifier, _ = one.body.recipients[0]
    one.body.recipients[0] = (kind, identifier, b"opaque")
    reason = "no age file stands before one that opens"
    invalid(name, "wrapping", reason, one.with_slots(one.slot()), key="alice")
    name = "age-other-key"
    one = Parts(name, make(name, keys=["alice"]), "alice")
    one.body.recipients = [(AGE, identifier, age.encrypt(ALICE, bound(one.p, bytes(32))))]
    invalid(
        name, "slot-forged", "another data key, bound to this file", one.with_slots(one.slot()), key="alice"
    )


def invalid_external():
    def blob(name, refused, reason, answer, key="kms/1"):
        """The command will answer with `answer`."""
        changed(
            f"command-{name}",
            refused,
            reason,
            "kms/1",
            lambda one, i, _: (i, double("wrap", answer(one))),
            key=key,
        )

    for length in (0, 32, 63):
        blob(
            f"answer-{length}",
            "wrapping",
            f"an answer of {length} bytes",
            lambda one, n=length: bound(one.p, one.dek)[:n],
        )
    for length in (65, 4000):
        blob(
            f"answer-{length}",
            "wrapping",
            f"an answer of {length} bytes",
            lambda one, n=length: bound(one.p, one.dek).ljust(n, b"\0"),
        )
    blob(
        "other-file",
        "wrapping",
        "the hash is of another file",
        lambda one: bound(flipped(one.p, 20), one.dek),
    )
    blob(
        "last-bit",
        "wrapping",
        "the hash's last bit is flipped",
        lambda one: flipped(bound(one.p, one.dek), 63),
    )
    blob(
        "other-key",
        "slot-forged",
        "another data key, bound to this file",
        lambda one: bound(one.p, bytes(32)),
    )
    blob("no-key", "no-key", "another key's name", lambda one: bound(one.p, one.dek), "kms/2")
    for length in (0, 8193):
        reason = f"{length} bytes, which no command gave"
        changed(
            f"command-blob-{length}",
            "wrapping",
            reason,
            "kms/1",
            lambda _, i, b, length=length: (i, b.ljust(length, b"\0")[:length]),
            slot=65536,
        )
    changed("command-id", "no-key", "another key id", "kms/1", lambda _, i, b: (flipped(i, 15), b))


def write():
    valid_vectors()
    invalid_passphrases()
    invalid_age()
    invalid_external()
