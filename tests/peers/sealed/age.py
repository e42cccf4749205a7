"""As much of age-encryption.org/v1 as a data key needs: X25519, binary, one chunk."""

import base64
import hashlib
import hmac
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from . import primitive

VERSION = b"age-encryption.org/v1"
CHUNK, TAG = 65536, 16
MOST_HEADER, MOST_STANZAS = 16384, 32
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


class Broken(Exception):
    """It is no age file, or a damaged one."""


def hkdf(key, salt, info):
    extracted = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    return primitive.expand(extracted, info, 32, hashlib.sha256)


# Bech32 (BIP 173)


def checksum(prefix, values):
    state = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for bit, word in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= word if top >> bit & 1 else 0
    return state


def regroup(values, have, want, pad):
    number, bits, out = 0, 0, []
    for value in values:
        number, bits = number << have | value, bits + have
        while bits >= want:
            bits -= want
            out.append(number >> bits & (1 << want) - 1)
    rest = number & (1 << bits) - 1
    if pad and bits:
        out.append(rest << want - bits)
    elif not pad and (bits >= have or rest):
        raise ValueError("padding")
    return out


def encode_text(prefix, data):
    values = regroup(data, 8, 5, True)
    sum_ = checksum(prefix, values + [0] * 6) ^ 1
    return prefix + "1" + "".join(LETTERS[v] for v in values + [sum_ >> 5 * i & 31 for i in range(5, -1, -1)])


def decode_text(prefix, text):
    found, _, letters = text.strip().lower().rpartition("1")
    values = [LETTERS.index(letter) for letter in letters]
    if found != prefix or checksum(prefix, values) != 1:
        raise ValueError(f"not of the form {prefix}1…")
    data = bytes(regroup(values[:-6], 5, 8, False))
    if len(data) != 32:
        raise ValueError("not 32 bytes")
    return data


def recipient_of(identity):
    """The recipient, age1…, of an identity's 32 bytes."""
    return encode_text("age", X25519PrivateKey.from_private_bytes(identity).public_key().public_bytes_raw())


def read_identities(text):
    """The identities of an identity file: one on each line, `#` begins a comment."""
    lines = [line.strip() for line in text.splitlines()]
    return [decode_text("age-secret-key-", line) for line in lines if line and not line.startswith("#")]


# Header


def b64(data):
    return base64.b64encode(data).rstrip(b"=")


def unb64(text):
    data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if b64(data) != text:
        raise ValueError("not canonical")
    return data


def stanza(arguments, body):
    """Lines of 64 letters, and a shorter one, be it empty."""
    text = b64(body)
    lines = [text[i : i + 64] for i in range(0, len(text) + 1, 64)]
    return b"-> " + b" ".join(arguments) + b"\n" + b"".join(line + b"\n" for line in lines)


def mac_of(file_key, header):
    return hmac.new(hkdf(file_key, b"", b"header"), header, hashlib.sha256).digest()


def wrapping_key(shared, share, recipient):
    return hkdf(shared, share + recipient, VERSION + b"/X25519")


def x25519_stanza(file_key, recipient):
    ephemeral = X25519PrivateKey.from_private_bytes(primitive.random_bytes(32))
    share = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    key = wrapping_key(shared, share, recipient)
    return stanza([b"X25519", b64(share)], ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None))


def encrypt(recipient, plaintext, stanzas=None):
    """An age file for `recipient`, 32 bytes. `stanzas` makes others of the file key."""
    file_key = primitive.random_bytes(16)
    own = x25519_stanza(file_key, recipient)
    header = VERSION + b"\n" + (stanzas(file_key, own) if stanzas else own) + b"---"
    nonce = primitive.random_bytes(16)
    cipher = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))
    pieces = [plaintext[i : i + CHUNK] for i in range(0, len(plaintext), CHUNK)] or [b""]
    last = len(pieces) - 1
    sealed = (
        cipher.encrypt(i.to_bytes(11, "big") + bytes([i == last]), piece, None)
        for i, piece in enumerate(pieces)
    )
    return header + b" " + b64(mac_of(file_key, header)) + b"\n" + nonce + b"".join(sealed)


def parse(data):
    """Stanzas, the header that is authenticated, its MAC, and what follows."""
    rest, stanzas = data, []
    end = re.search(rb"^---.*\n", data[:MOST_HEADER], re.MULTILINE)
    if not end or len(re.findall(rb"^-> ", data[: end.end()], re.MULTILINE)) > MOST_STANZAS:
        raise Broken("the header is too long")

    def line():
        nonlocal rest
        found, end, rest = rest.partition(b"\n")
        if not end:
            raise Broken("the header ends early")
        return found

    if line() != VERSION:
        raise Broken("no age file")
    while True:
        first = line()
        words = first.split(b" ")
        if words[0] == b"---" and len(words) == 2:
            break
        if (
            words[0] != b"->"
            or len(words) < 2
            or not all(w and all(33 <= c <= 126 for c in w) for w in words)
        ):
            raise Broken("no stanza")
        body = b""
        while len(piece := line()) == 64:
            body += piece
        if len(piece) > 64:
            raise Broken("a line of a stanza is too long")
        stanzas.append((words[1:], decoded(body + piece)))
    if not stanzas:
        raise Broken("no stanza")
    header = data[: len(data) - len(rest) - len(words[1]) - 2]
    return stanzas, header, decoded(words[1]), rest


def decoded(text):
    try:
        return unb64(text)
    except ValueError:
        raise Broken("base64") from None


def file_key_of(stanzas, identity):
    """None where no stanza is for `identity`, 32 bytes."""
    private = X25519PrivateKey.from_private_bytes(identity)
    recipient = private.public_key().public_bytes_raw()
    if any(words[0] == b"scrypt" for words, _ in stanzas):
        return None
    for words, body in stanzas:
        if words[0] != b"X25519":
            continue
        share = decoded(words[1]) if len(words) == 2 else b""
        if len(share) != 32 or len(body) != 32:
            raise Broken("a stanza of X25519")
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise Broken("the shared secret is zero") from None
        try:
            return ChaCha20Poly1305(wrapping_key(shared, share, recipient)).decrypt(bytes(12), body, None)
        except InvalidTag:
            continue
    return None


def decrypt(data, identities):
    """None where it is for none of the identities."""
    stanzas, header, mac, rest = parse(data)
    for file_key in filter(None, (file_key_of(stanzas, identity) for identity in identities)):
        if not hmac.compare_digest(mac_of(file_key, header), mac):
            raise Broken("the MAC of the header")
        cipher, out = ChaCha20Poly1305(hkdf(file_key, rest[:16], b"payload")), b""
        pieces = [rest[i : i + CHUNK + TAG] for i in range(16, len(rest), CHUNK + TAG)]
        try:
            for i, piece in enumerate(pieces):
                out += cipher.decrypt(i.to_bytes(11, "big") + bytes([i == len(pieces) - 1]), piece, None)
        except InvalidTag:
            raise Broken("the payload") from None
        # Only an empty file ends with an empty chunk.
        if not pieces or (len(pieces) > 1 and len(pieces[-1]) == TAG):
            raise Broken("the payload ends early")
        return out
    return None
