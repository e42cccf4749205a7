"""The archive of a model of several files: read and written, in memory."""

import hashlib
import json
import os
from pathlib import Path

from .primitive import Refused

MEDIA_TYPE = "application/x-tar"
MANIFEST = ".sealserve-manifest.json"
BLOCK = 512
MOST_MEMBERS, MOST_MANIFEST, MOST_NAME, MOST_PARTS, MOST_PART = 10_000, 8 << 20, 400, 32, 255
# The first size that eleven octal digits do not hold.
LARGE = 8 << 30


def block(name, size, kind=b"0"):
    """A header as it must be, but for the extended one before it."""
    head = name[:100].ljust(100, b"\0") + b"0000600\0" + b"0000000\0" * 2
    head += b"%011o\0" % (0 if size >= LARGE else size) + b"00000000000\0"
    tail = kind + bytes(100) + b"ustar\0" + b"00"
    return summed(head + bytes(8) + tail.ljust(BLOCK - 156, b"\0"))


def summed(head):
    """`head` with its checksum, which counts the field itself as blanks."""
    total = sum(head[:148]) + 8 * ord(" ") + sum(head[156:])
    return head[:148] + b"%06o\0 " % total + head[156:]


def record(key, value):
    """A record begins with its own length, whose digits count."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while length != len(rest) + len(str(length)):
        length += 1
    return str(length).encode() + rest


def extended(records):
    return block(b"././@PaxHeader", len(records), b"x") + padded(records)


def headers(name, size):
    """All that stands before the content of a member."""
    records = record(b"path", name) if len(name) > 100 else b""
    records += record(b"size", b"%d" % size) if size >= LARGE else b""
    return (extended(records) if records else b"") + block(name, size)


def padded(content):
    return content + bytes(-len(content) % BLOCK)


def manifest_of(members, model):
    listed = [{"name": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in members]
    return one_form({"version": 1, "model": model, "members": listed})


def one_form(said):
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def entry(name, content):
    name = name if isinstance(name, bytes) else name.encode()
    return headers(name, len(content)) + padded(content)


END = bytes(2 * BLOCK)


def write(files, model):
    """The archive of `files`, contents by their names."""
    members = sorted(files.items(), key=lambda member: member[0].encode())
    body = b"".join(entry(name, content) for name, content in members)
    return body + entry(MANIFEST, manifest_of(members, model)) + END


# Reading


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("archive-truncated", f"at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def padding(self, count):
        if any(self.take(-count % BLOCK)):
            raise Refused("archive-padding", f"at byte {self.at}")


def octal(field):
    digits = field[:-1]
    if field[-1:] != b"\0" or not set(digits) <= set(b"01234567"):
        raise Refused("archive-header", "size")
    return int(digits, 8)


def read_records(records):
    found = {}
    while records:
        digits, _, rest = records.partition(b" ")
        if not digits.isdigit() or len(digits) > 3:
            raise Refused("archive-header", "a record's length")
        one = records[: int(digits)]
        key, is_there, value = one[len(digits) + 1 :].partition(b"=")
        if not is_there or one[-1:] != b"\n":
            raise Refused("archive-header", "a record")
        found[key], records = value[:-1], records[len(one) :]
    return found


def read_header(cursor, first):
    """The name and size of a member: what they say is written again and compared."""
    begin, records = cursor.at - BLOCK, {}
    if first[156:157] == b"x":
        length = octal(first[124:136])
        if not 1 <= length <= BLOCK:
            raise Refused("archive-header", "length of the records")
        records = read_records(cursor.take(BLOCK)[:length])
        first = cursor.take(BLOCK)
    name = records.get(b"path", first[:100].partition(b"\0")[0])
    if not is_text(name):
        raise Refused("archive-header", "the name is no UTF-8")
    size = octal(first[124:136])
    if b"size" in records:
        digits = records[b"size"]
        if not digits.isdigit() or len(digits) > 19:
            raise Refused("archive-header", "size in a record")
        size = int(digits)
    if headers(name, size) != cursor.data[begin : cursor.at]:
        raise Refused("archive-header", f"at byte {begin}")
    return check_name(name), size


def is_text(name):
    try:
        return "\0" not in name.decode()
    except UnicodeDecodeError:
        return False


def check_name(name):
    text, parts = name.decode(), name.split(b"/")
    wrong = not 1 <= len(name) <= MOST_NAME or any(not 1 <= len(part) <= MOST_PART for part in parts)
    wrong = wrong or len(parts) > MOST_PARTS
    # Control characters are those of the category Cc.
    wrong = wrong or any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\\" for c in text)
    if wrong or b"." in parts or b".." in parts:
        raise Refused("archive-name", repr(text))
    return text


SECOND = [(0x100, 0x12E), (0x132, 0x136), (0x139, 0x147), (0x14A, 0x176), (0x179, 0x17D), (0x460, 0x480), (0x48A, 0x4BE), (0x4C1, 0x4CD), (0x4D0, 0x52E), (0x1E00, 0x1E94), (0x1EA0, 0x1EFE)]
BLOCKS = {
    32: [(0x41, 0x5A), (0xC0, 0xD6), (0xD8, 0xDE), (0x391, 0x3A1), (0x3A3, 0x3AB), (0x410, 0x42F), (0xFF21, 0xFF3A)],
    37: [(0x388, 0x38A)],
    48: [(0x531, 0x556)],
    63: [(0x38E, 0x38F)],
    80: [(0x400, 0x40F)],
}
FOLDED = {c: c + 1 for first, last in SECOND for c in range(first, last + 1, 2)}
for distance, blocks in BLOCKS.items():
    FOLDED |= {c: c + distance for first, last in blocks for c in range(first, last + 1)}
FOLDED |= {0xB5: 0x3BC, 0x178: 0xFF, 0x17F: 0x73, 0x386: 0x3AC, 0x38C: 0x3CC, 0x3C2: 0x3C3, 0x4C0: 0x4CF, 0x1E9E: 0xDF, 0x2126: 0x3C9, 0x212A: 0x6B, 0x212B: 0xE5}


def fold(name):
    return name.translate(FOLDED)


class Names:
    """All names so far, and the directories that they imply, folded; with each its own
    spelling, and whether it is a file."""

    def __init__(self):
        self.last, self.count, self.taken = b"", 0, {}

    def add(self, name):
        # Of bytes, this is the case of ASCII.
        if name.encode().lower() == MANIFEST.encode():
            raise Refused("archive-name", "that of the manifest")
        if name.encode() <= self.last:
            raise Refused("archive-order", name)
        self.last, self.count = name.encode(), self.count + 1
        if self.count > MOST_MEMBERS:
            raise Refused("archive-members")
        parts = name.split("/")
        for path in ["/".join(parts[:i]) for i in range(1, len(parts))] + [name]:
            own = (path, path == name)
            if self.taken.setdefault(fold(path), own) != own:
                raise Refused("archive-alike", name)


def read(data):
    """The model's name and the contents by their names, where every rule is kept."""
    cursor, names, files = Cursor(data), Names(), {}
    while True:
        first = cursor.take(BLOCK)
        if not any(first):
            raise Refused("archive-manifest", "there is none")
        name, size = read_header(cursor, first)
        if name == MANIFEST and size > MOST_MANIFEST:
            raise Refused("archive-manifest", "too large")
        if name != MANIFEST:
            names.add(name)
        content = cursor.take(size)
        cursor.padding(size)
        if name == MANIFEST:
            break
        files[name] = content
    model = check_manifest(content, files)
    if any(cursor.take(BLOCK)):
        raise Refused("archive-trailing", "something follows the manifest")
    if any(cursor.take(BLOCK)) or cursor.at != len(data):
        raise Refused("archive-trailing")
    return model, files


def check_manifest(text, files):
    def once(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Refused("archive-manifest", "a member is there twice")
        return dict(pairs)

    try:
        said = json.loads(text.decode(), object_pairs_hook=once)
    # The one form is not nested; what is, as deep as fits, is more than a parser bears.
    except (ValueError, RecursionError) as error:
        raise Refused("archive-manifest", str(error)) from None
    if not isinstance(said, dict) or set(said) != {"version", "model", "members"}:
        raise Refused("archive-manifest", "members of the object")
    if type(said["version"]) is not int or said["version"] != 1:
        raise Refused("archive-manifest", "version")
    if not isinstance(said["model"], str) or not isinstance(said["members"], list):
        raise Refused("archive-manifest", "types")
    for member in said["members"]:
        if not isinstance(member, dict) or set(member) != {"name", "size", "sha256"}:
            raise Refused("archive-manifest", "members of a member")
        digest = member["sha256"]
        right = isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        if (
            type(member["size"]) is not int
            or member["size"] < 0
            or not isinstance(member["name"], str)
            or not right
        ):
            raise Refused("archive-manifest", "types of a member")
    members = [{key: member[key] for key in ("name", "size", "sha256")} for member in said["members"]]
    try:
        in_form = one_form({key: said[key] for key in ("version", "model")} | {"members": members})
    except UnicodeEncodeError:
        raise Refused("archive-manifest", "a surrogate") from None
    if in_form != text:
        raise Refused("archive-manifest", "another form")
    if said["model"] not in [member["name"] for member in said["members"]]:
        raise Refused("archive-manifest", "its model is none of its members")
    listed = [(member["name"], member["size"]) for member in said["members"]]
    if listed != [(name, len(content)) for name, content in files.items()]:
        raise Refused("archive-mismatch", "names and sizes")
    for member in said["members"]:
        if hashlib.sha256(files[member["name"]]).hexdigest() != member["sha256"]:
            raise Refused("archive-digest", member["name"])
    return said["model"]


def describe(archive):
    model, files = archive
    members = [{"name": name, "size": len(content)} for name, content in files.items()]
    return {"model": model, "members": members}


# Directories


def collect(directory):
    """Every file below, by its name in the archive."""
    found = (path for path in Path(directory).rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def restore(archive, directory):
    for name, content in archive[1].items():
        path = Path(directory, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
