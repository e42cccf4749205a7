"""Opens every vector; an assertion fails where one is not as the index says."""

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import age, archive
from .container import HashingWriter, open_file, signer_id
from .primitive import Refused
from .recipients import Age, External, Kek, Passphrase


def double(operation, data):
    """The command of the vectors: adds 128 to each byte, to wrap and to unwrap."""
    return bytes(byte ^ 128 for byte in data)


class Index:
    """What opens the vectors, by the names in index.json."""

    def __init__(self, index):
        self.identities = {name: Kek(bytes.fromhex(digits)) for name, digits in index["keys"].items()}
        phrases = index["passphrases"].items()
        self.identities |= {name: Passphrase(bytes.fromhex(digits)) for name, digits in phrases}
        texts = index["identities"].items()
        self.identities |= {name: Age(identities=age.read_identities(text)) for name, text in texts}
        self.identities |= {name: External(name, double) for name in index["commands"]}
        self.publics = {name: load_public(pem.encode()) for name, pem in index["signers"].items()}

    def trusted(self, vector):
        if "trusted" not in vector:
            return None
        return {signer_id(self.publics[name]): self.publics[name] for name in vector["trusted"]}


def load_public(pem):
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, Ed25519PublicKey)
    return key


def agree(vector, said):
    for member, value in vector["says"].items():
        assert said[member] == value, (vector["file"], member, said[member], value)


def refused(vector, read):
    try:
        read()
    except Refused as error:
        assert error.code == vector["refused"], (vector["file"], str(error), vector["refused"])
    else:
        raise AssertionError(f"{vector['file']} is not refused: {vector['reason']}")


def check(directory):
    index = json.loads((directory / "index.json").read_text())
    with_names = Index(index)

    def open_with(vector, name, out=None):
        payload = directory / vector["payload"] if "payload" in vector else None
        identity, trusted = with_names.identities[name], with_names.trusted(vector)
        return open_file(directory / vector["file"], [identity], trusted, out, payload)

    for vector in index["valid"]:
        for name in vector["opens_with"]:
            content = HashingWriter()
            agree(vector, open_with(vector, name, content))
            assert content.hash.hexdigest() == vector["plaintext_sha256"], vector["file"]
    for vector in index["invalid"]:
        refused(vector, lambda vector=vector: open_with(vector, vector["key"]))

    def read_archive(vector):
        return archive.read((directory / vector["file"]).read_bytes())

    for vector in index["archives"]["valid"]:
        read = read_archive(vector)
        agree(vector, archive.describe(read))
        # One form and no other: what was read is written again.
        assert archive.write(read[1], read[0]) == (directory / vector["file"]).read_bytes(), vector["file"]
    for vector in index["archives"]["invalid"]:
        refused(vector, lambda vector=vector: read_archive(vector))
    return {which: len(index[which]) for which in ("valid", "invalid")} | {
        "archives": {which: len(index["archives"][which]) for which in ("valid", "invalid")}
    }
