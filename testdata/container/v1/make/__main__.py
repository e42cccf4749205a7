#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["cryptography>=48"]
# ///
"""Writes the vectors of the sealed model file, version 1, and index.json beside them.

The writer is tests/peers/sealed, which was made from docs/file-format.md alone. Every
random value follows from the vector's name, so each run writes the same bytes. They go
into the directory above this one, or into another that is named."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "tests/peers"))

import archives  # noqa: E402
import detached  # noqa: E402
import files  # noqa: E402
import wrapped  # noqa: E402
from common import OUT, index  # noqa: E402
from sealed import vectors  # noqa: E402

for pattern in ("*.sealed", "*.payload", "archives/*.tar"):
    for stale in OUT.glob(pattern):
        stale.unlink()
for subject in (files, wrapped, detached, archives):
    subject.write()
(OUT / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")
print(vectors.check(OUT))
