#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""numpy_reader.py <docs/quantisation.md> <source file> <quantised file>: runs the reader of that page on every matrix of the
quantised file and compares with the formulas of q8 and q4 applied to the source, which is in bf16. Exit code 77: no numpy."""
import json
import re
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

page, source, quantised = sys.argv[1:]
reader = re.search(r"```python\n(.*?)```", open(page, encoding="utf-8").read(), re.S).group(1)
names = {}
exec(compile(reader, page, "exec"), names)


def header_of(file):
    with open(file, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        return 8 + size, json.loads(f.read(size))


def bf16(file, name):
    start, header = header_of(file)
    begin, end = header[name]["data_offsets"]
    with open(file, "rb") as f:
        f.seek(start + begin)
        bits = np.frombuffer(f.read(end - begin), "<u2").astype(np.uint32) << 16
    return bits.view(np.float32).reshape(header[name]["shape"])


def expected(w, kind):
    rows, cols = w.shape
    blocks = np.zeros((rows, -(-cols // 32) * 32), np.float32)
    blocks[:, :cols] = w
    blocks = blocks.reshape(rows, -1, 32)
    at = np.abs(blocks).argmax(-1, keepdims=True)
    d = np.abs(np.take_along_axis(blocks, at, -1)) / np.float32(127) if kind == "q8" else np.take_along_axis(blocks, at, -1) / np.float32(-8)
    with np.errstate(divide="ignore"):
        inverse = np.where(d == 0, np.float32(0), np.float32(1) / d)
    if kind == "q8":
        x = np.abs(blocks * inverse)
        codes = np.sign(blocks * inverse) * (np.floor(x) + np.floor(2 * (x - np.floor(x))))  # halves away from zero
    else:
        codes = np.minimum(np.trunc(blocks * inverse + np.float32(8.5)), 15) - 8
    values = d.astype(np.float16).astype(np.float32) * codes.astype(np.float32)
    return values.reshape(rows, -1)[:, :cols]


checked = 0
for name, shape in header_of(quantised)[1]["__metadata__"].items():
    if name == "format":
        continue
    got, want = names["weight"](quantised, name), expected(bf16(source, name), shape.split()[0])
    if got.shape != want.shape or not np.array_equal(got, want):
        sys.exit(f"{name}: the reader of {page} differs from the formula")
    checked += 1
print(f"{checked} matrices")
sys.exit(0 if checked > 0 else "there is no quantised matrix")
