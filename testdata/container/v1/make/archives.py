"""The plaintext of models of several files: archives alone, not sealed."""

import json

from common import OUT, index, patched
from sealed import archive
from sealed.archive import (
    END,
    MANIFEST,
    block,
    entry,
    extended,
    manifest_of,
    padded,
    record,
    summed,
)

MODEL = ("model.onnx", b"the graph")


def valid(name, what, files, model="model.onnx"):
    data = archive.write(files, model)
    put("valid", name, data, what=what, says=archive.describe(archive.read(data)))


def invalid(name, refused, reason, data):
    put("invalid", f"bad-{name}", data, refused=refused, reason=reason)


def put(which, name, data, **more):
    path = OUT / "archives" / f"{name}.tar"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    index["archives"][which].append({"file": f"archives/{path.name}"} | more)


def content(length):
    return bytes(i * 7 % 251 for i in range(length))


def valid_archives():
    graph = dict([MODEL])
    valid("one", "one file", graph)
    for length in (0, 1, 511, 512, 513):
        valid(f"size-{length}", f"a member of {length} bytes", graph | {"w.bin": content(length)})
    tree = ["a", "a.b", "a0/b", "dir/model.onnx", "dir/sub/w", "dir/sub/x y", "é/ü", "😀"]
    valid(
        "tree",
        "directories, and an order that is that of bytes",
        {n: n.encode() for n in tree},
        "dir/model.onnx",
    )
    # In case by some Unicode, not by the table; or no pair at all.
    apart = ["\u0264", "\ua7cb", "\u019b", "\ua7dc", "ა", "Ა", "\U00010400", "\U00010428", "ß", "ss"]
    apart += ["ı", "i", "İ", "×", "÷", "Ⅰ", "ⅰ", "ά", "ᾴ", "\u1f08", "\u1f00", "Ł", "l", "ð", "đ", "ﬀ", "ff"]
    valid("apart", "names that are not alike", graph | {n: n.encode() for n in apart})
    hidden = {
        ".hidden": b"",
        "...": b"",
        "..a/b..": b"",
        ".sealserve-manifest.json.bak": b"",
        "a/.sealserve-manifest.json": b"",
    }
    valid("dots", "names with dots, which lead nowhere", graph | hidden)
    for length in (99, 100, 101, 255):
        valid(f"name-{length}", f"a name of {length} bytes", graph | {"n" * length: b"x"})
    deep = "/".join(["d" * 99] * 4)
    valid("name-399", "a name of 399 bytes", graph | {deep: b"x"})
    valid("name-400", "a name of 400 bytes, a part of 255", graph | {"p" * 255 + "/" + "q" * 144: b"x"})
    levels = "/".join(["d"] * 31 + ["w"])
    valid("name-levels-32", "a name of 32 parts", graph | {levels: b"x"})
    cut = "x" * 99 + "é"
    valid("name-utf8-cut", "a name whose first 100 bytes end inside a character", graph | {cut: b"x"})


def ordered(*members):
    """An archive of these members as they stand, with a manifest that agrees."""
    return (
        b"".join(entry(n, c) for n, c in members) + entry(MANIFEST, manifest_of(members, "model.onnx")) + END
    )


def with_header(head, name=b"a", body=b"x"):
    """A member under a header of its own making; all else is right."""
    model = (MODEL[0].encode(), entry(*MODEL))
    entries = sorted([(name, head + padded(body)), model])
    listed = sorted([(name, body), (model[0], MODEL[1])])
    listed = manifest_of([(n.decode(errors="replace"), c) for n, c in listed], "model.onnx")
    return b"".join(data for _, data in entries) + entry(MANIFEST, listed) + END


def invalid_headers():
    good = block(b"a", 1)

    def header(name, reason, at, new):
        """A field of a header is another; the checksum is right."""
        invalid(name, "archive-header", reason, with_header(summed(patched(good, at, new))))

    def other_sum(name, reason, new):
        invalid(f"checksum-{name}", "archive-header", reason, with_header(patched(good, 148, new)))

    wrong = b"%06o\0 " % (int(good[148:154], 8) + 1)
    other_sum("wrong", "a wrong checksum", wrong)
    other_sum("form", "a checksum with blank and NUL swapped", good[148:154] + b" \0")
    other_sum("blanks", "a checksum with blanks for zeros", good[148:156].replace(b"0", b" ", 1))
    for kind, what in (
        (b"1", "hard link"),
        (b"2", "symbolic link"),
        (b"3", "character device"),
        (b"4", "block device"),
        (b"5", "directory"),
        (b"6", "FIFO"),
        (b"7", "contiguous file"),
        (b"\0", "regular file, of the old type"),
        (b"g", "global extended header"),
        (b"L", "long name of GNU tar's"),
        (b"K", "long link of GNU tar's"),
        (b"S", "sparse file of GNU tar's"),
    ):
        letter = kind.decode().replace("\0", "nul")
        header(f"type-{letter}", what, 156, kind)
    header("mode", "mode 0644", 100, b"0000644\0")
    header("mode-setuid", "a mode with the set-uid bit", 100, b"0004600\0")
    header("uid", "an owner", 108, b"0001000\0")
    header("gid", "a group", 116, b"0001000\0")
    header("mtime", "a time", 136, b"00000000001\0")
    header("size-blank", "a size with a blank behind it", 124, b"00000000001 ")
    header("size-binary", "a size in base 256", 124, b"\x80" + bytes(10) + b"\1")
    header("size-short", "a size of one digit", 124, b"1\0" + bytes(10))
    header("link", "the name of a link", 157, b"model.onnx")
    header("magic-gnu", "the magic of GNU tar", 257, b"ustar  \0")
    header("magic-none", "no magic", 257, bytes(8))
    header("version", "a version other than 00", 263, b"01")
    header("user", "an owner's name", 265, b"root")
    header("group", "a group's name", 297, b"root")
    header("device", "a device number", 329, b"0000001\0")
    header("prefix", "a prefix of the name", 345, b"dir")
    header("last-byte", "a byte at the header's end", 511, b"\1")
    header("name-nul", "bytes behind the name's end", 2, b"b")


def invalid_extended():
    long = "n" * 101
    path = record(b"path", long.encode())
    head = block(long.encode(), 1)

    def other(name, reason, first, second=head):
        named = b"a" if second == block(b"a", 1) else long.encode()
        invalid(f"pax-{name}", "archive-header", reason, with_header(first + second, named))

    other("short", "a record for a name that needs none", extended(record(b"path", b"a")), block(b"a", 1))
    other("size", "a size in a record that needs none", extended(path + record(b"size", b"1")))
    other("size-alone", "a record of a small size only", extended(record(b"size", b"1")), block(b"a", 1))
    other("mtime", "a record of a time", extended(path + record(b"mtime", b"0")))
    other("link", "a record of a link", extended(record(b"linkpath", b"a") + path))
    other("xattr", "a record of an extended attribute", extended(path + record(b"SCHILY.xattr.user.a", b"b")))
    other("twice", "two records of the name", extended(path + path))
    other("two", "two extended headers", extended(path) * 2)
    other("empty", "no record", extended(b""))
    other(
        "global",
        "a global extended header",
        summed(patched(extended(path)[:512], 156, b"g")) + extended(path)[512:],
    )
    other("length-0", "a record of no length", extended(b"000" + path[3:]))
    other("length", "a record that is longer than it says", extended(b"100" + path[3:]))
    other(
        "length-form",
        "a record's length with a zero in front",
        extended(b"0" + str(len(path) + 1).encode() + path[3:]),
    )
    other("no-newline", "a record without its line end", extended(path[:-1] + b"x"))
    other("no-equals", "a record without a value", extended(path.replace(b"=", b" ")))
    named = summed(patched(extended(path)[:512], 0, b"PaxHeaders.0/x\0"))
    other("name", "another name of the extended header", named + extended(path)[512:])
    mode = summed(patched(extended(path)[:512], 100, b"0000644\0"))
    other("mode", "another mode of the extended header", mode + extended(path)[512:])
    other("padding", "bytes behind the records", patched(extended(path), 1023, b"x"))
    blocks = path + record(b"comment", b"c" * 500)
    other("blocks", "records of two blocks", block(b"././@PaxHeader", len(blocks), b"x") + padded(blocks))
    other(
        "first-100", "another name in the entry's own header", extended(path), summed(patched(head, 0, b"m"))
    )
    other("missing", "a name of 100 bytes is cut from a longer one", extended(record(b"path", b"n" * 100)))
    large = record(b"size", b"%d" % archive.LARGE)
    big = block(b"a", archive.LARGE)
    invalid(
        "large",
        "archive-truncated",
        "a member of 8 GiB, in its right form, is not there",
        with_header(extended(large) + big),
    )
    both = extended(path + large) + block(long.encode(), archive.LARGE)
    invalid("large-named", "archive-truncated", "the same with a long name", with_header(both, long.encode()))
    swapped = extended(large + path) + block(long.encode(), archive.LARGE)
    invalid(
        "pax-order", "archive-header", "the records in another order", with_header(swapped, long.encode())
    )
    most = extended(record(b"size", b"%d" % (2**64))) + big
    invalid("pax-size-most", "archive-header", "a size of 2^64", with_header(most))


def invalid_names():
    for name, reason, member in (
        ("empty", "no name", b""),
        ("absolute", "an absolute name", b"/etc/passwd"),
        ("parent", "..", b".."),
        ("parent-first", ".. at the beginning", b"../a"),
        ("parent-inside", ".. inside", b"a/../../b"),
        ("parent-last", ".. at the end", b"a/.."),
        ("dot", ".", b"."),
        ("dot-first", ". at the beginning", b"./a"),
        ("dot-inside", ". inside", b"a/./b"),
        ("slash-last", "a slash at the end", b"a/"),
        ("slashes", "two slashes", b"a//b"),
        ("backslash", "a backslash", b"a\\b"),
        ("newline", "a line end", b"a\nb"),
        ("delete", "the control character U+007F", b"a\x7f"),
        ("control", "the control character U+0085", "a\u0085".encode()),
        ("manifest", "the manifest's name in another case", b".SEALSERVE-manifest.json"),
        ("401", "401 bytes", b"d" * 200 + b"/" + b"e" * 200),
        ("part-256", "a part of 256 bytes", b"d" * 256),
        ("part-inside", "a part of 256 bytes inside", b"d/" + b"e" * 256 + b"/f"),
        ("levels-33", "33 parts", b"d/" * 32 + b"w"),
    ):
        invalid(f"name-{name}", "archive-name", reason, with_header(archive.headers(member, 1), member))
    for name, reason, member in (
        ("latin1", "no UTF-8", b"caf\xe9"),
        ("surrogate", "a surrogate in UTF-8", b"a\xed\xa0\x80"),
        ("overlong", "an overlong slash", b"..\xc0\xaf"),
        ("zero", "a zero byte, in a record", b"n" * 101 + b"\0x"),
    ):
        invalid(f"name-{name}", "archive-header", reason, with_header(archive.headers(member, 1), member))


def invalid_members():
    invalid("twice", "archive-order", "one name twice", ordered(MODEL, MODEL))
    invalid("order", "archive-order", "not in order", ordered(MODEL, ("a", b"")))
    invalid(
        "order-bytes",
        "archive-order",
        "in the order of parts, not of bytes",
        ordered(("a/b", b""), ("a.b", b""), MODEL),
    )
    for name, reason, members in (
        ("case", "names that differ in case", [("A", b""), ("a", b"")]),
        ("case-utf8", "names that differ in case, beyond ASCII", [("É", b""), ("é", b"")]),
        ("directory", "a file where another has a directory", [("a", b""), ("a/b", b"")]),
        ("directory-case", "the same in another case", [("A/b", b""), ("a", b"")]),
        ("case-sharp-s", "ẞ and ß", [("ß", b""), ("ẞ", b"")]),
        ("case-kelvin", "the sign for Kelvin and k", [("k", b""), ("\u212a", b"")]),
        ("case-sigma", "a sigma at a word's end, and a capital", [("ΟΔΟΣ", b""), ("οδος", b"")]),
        ("case-sigmas", "the two small sigmas", [("οδος", b""), ("οδοσ", b"")]),
        ("case-long-s", "the long s", [("s", b""), ("ſ", b"")]),
        ("case-micro", "the sign for micro, and a capital mu", [("µ", b""), ("Μ", b"")]),
        ("case-ohm", "the sign for Ohm", [("ω", b""), ("\u2126", b"")]),
        ("case-y", "Ÿ and ÿ", [("ÿ", b""), ("Ÿ", b"")]),
        ("case-last-pair", "Ỿ and ỿ", [("Ỿ", b""), ("ỿ", b"")]),
        ("case-cyrillic", "Ѐ and ѐ", [("Ѐ", b""), ("ѐ", b"")]),
        ("case-armenian", "Ֆ and ֆ", [("Ֆ", b""), ("ֆ", b"")]),
        ("case-wide", "Ｚ and ｚ", [("Ｚ", b""), ("ｚ", b"")]),
        ("directories", "directories that differ in case", [("A/x", b""), ("a/y", b"")]),
        ("directory-deep", "a file where another has a directory above", [("a/B", b""), ("a/b/c/d", b"")]),
    ):
        invalid(f"alike-{name}", "archive-alike", reason, ordered(*members, MODEL))
    padding = with_header(block(b"a", 1))
    invalid(
        "padding-first", "archive-padding", "the first byte behind a member", patched(padding, 513, b"\1")
    )
    invalid(
        "padding-last",
        "archive-padding",
        "the last byte before the next header",
        patched(padding, 1023, b"\1"),
    )


def invalid_ends():
    good = ordered(MODEL)
    for name, reason, data in (
        ("empty", "nothing", b""),
        ("end", "no zero blocks", good[:-1024]),
        ("end-one", "one zero block", good[:-512]),
        ("end-byte", "the last byte is missing", good[:-1]),
        ("header", "it ends inside a header", good[:511]),
        ("content", "it ends inside a member", good[:515]),
        ("padding", "it ends before the padding", good[:521]),
    ):
        invalid(f"cut-{name}", "archive-truncated", reason, data)
    for name, reason, data in (
        ("byte", "a byte behind the end", good + b"\0"),
        ("block", "a third zero block", good + bytes(512)),
        ("record", "zeros up to 10 KiB, as tar writes them", good.ljust(10240, b"\0")),
        ("member", "a member behind the manifest", good[:-1024] + entry("z", b"") + END),
        ("archive", "another archive behind the end", good + good),
        ("zero-block", "the second of the two blocks is not zero", good[:-1] + b"\1"),
    ):
        invalid(f"trailing-{name}", "archive-trailing", reason, data)
    invalid("nothing", "archive-manifest", "two zero blocks", END)
    invalid("no-manifest", "archive-manifest", "no manifest", entry(*MODEL) + END)


def invalid_manifests():
    members = [("a", b"1"), MODEL]
    right = json.loads(manifest_of(members, "model.onnx"))
    a, model = right["members"]

    def other(name, refused, reason, manifest):
        text = manifest if isinstance(manifest, bytes) else archive.one_form(manifest)
        body = b"".join(entry(n, c) for n, c in members) + entry(MANIFEST, text) + END
        invalid(f"manifest-{name}", refused, reason, body)

    text = archive.one_form(right)
    for name, reason, manifest in (
        ("empty", "no text", b""),
        ("array", "an array", [right]),
        ("cut", "JSON that is cut short", text[:-1]),
        ("deep", "arrays, 10,000 deep", b"[" * 10_000 + b"]" * 10_000),
        ("member-deep", "a size, 10,000 deep", text.replace(b":1,", b":%s," % (b"[" * 10_000 + b"]" * 10_000), 1)),
        ("blanks", "white space between its parts", json.dumps(right).encode()),
        ("blank-last", "white space at its end", text + b" "),
        ("keys", "its members in another order", dict(reversed(right.items()))),
        ("escape", "an escape that JSON does not demand", text.replace(b"model.onnx", b"\\u006dodel.onnx")),
        ("trailing", "text behind the object", text + b"{}"),
        ("utf8", "no UTF-8", text.replace(b"model.onnx", b"m\xff", 1)),
        ("version-2", "version 2", right | {"version": 2}),
        ("version-text", "a version that is text", right | {"version": "1"}),
        ("no-version", "no version", {k: v for k, v in right.items() if k != "version"}),
        ("no-model", "no model", {k: v for k, v in right.items() if k != "model"}),
        ("no-members", "no members", {k: v for k, v in right.items() if k != "members"}),
        ("unknown", "an unknown member of the object", right | {"licence": "MIT"}),
        ("twice", "a member of the object twice", text.replace(b'"version"', b'"version": 1, "version"')),
        ("member-unknown", "an unknown member in the list", right | {"members": [a | {"mode": 1}, model]}),
        (
            "member-twice",
            "a name twice in an entry of the list",
            text.replace(b'"name"', b'"name": "b", "name"', 1),
        ),
        ("no-size", "no size", right | {"members": [{k: v for k, v in a.items() if k != "size"}, model]}),
        ("size-negative", "a negative size", right | {"members": [a | {"size": -1}, model]}),
        ("size-text", "a size that is text", right | {"members": [a | {"size": "1"}, model]}),
        ("sha256-short", "a SHA-256 of 63 digits", right | {"members": [a | {"sha256": "0" * 63}, model]}),
        (
            "sha256-upper",
            "a SHA-256 in capitals",
            right | {"members": [a | {"sha256": a["sha256"].upper()}, model]},
        ),
        ("model", "a model that is not there", right | {"model": "other.onnx"}),
        ("model-case", "the model's name in another case", right | {"model": "Model.onnx"}),
        ("model-itself", "the manifest is the model", right | {"model": MANIFEST}),
    ):
        other(name, "archive-manifest", reason, manifest)
    for name, reason, manifest in (
        ("name", "another name", right | {"members": [a | {"name": "b"}, model]}),
        ("size", "another size", right | {"members": [a | {"size": 2}, model]}),
        ("fewer", "a member is not listed", right | {"members": [model]}),
        ("more", "a member that is not there", right | {"members": [a, model, a | {"name": "z"}]}),
        ("order", "another order", right | {"members": [model, a]}),
        ("double", "a member is listed twice", right | {"members": [a, a, model]}),
        ("itself", "the manifest is listed", right | {"members": [a | {"name": MANIFEST}, a, model]}),
    ):
        other(name, "archive-mismatch", reason, manifest)
    other(
        "digest", "archive-digest", "another SHA-256", right | {"members": [a | {"sha256": "0" * 64}, model]}
    )
    body = entry(MANIFEST, manifest_of([], "model.onnx")) + END
    invalid("manifest-alone", "archive-manifest", "a manifest, and no member", body)
    first = (
        entry(MANIFEST, manifest_of(members, "model.onnx")) + b"".join(entry(n, c) for n, c in members) + END
    )
    invalid("manifest-first", "archive-mismatch", "the manifest comes first", first)


def write():
    valid_archives()
    invalid_headers()
    invalid_extended()
    invalid_names()
    invalid_members()
    invalid_ends()
    invalid_manifests()
