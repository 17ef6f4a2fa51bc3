#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write tests/data/golden/quants/blocks.safetensors: blocks of 32 weights and what GGUF's own Python code makes of them.

    pip install -r tools/requirements.txt
    python tools/make_quants_golden.py

Tensors: weights F32 [n, 32], q8 U8 [n, 34] and q4 U8 [n, 18] (the stored blocks, Q8_0 and Q4_0), q8_values and q4_values F32
[n, 32] (the blocks decoded again).
"""
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "golden" / "quants" / "blocks.safetensors"


def blocks() -> np.ndarray:
    rng = np.random.default_rng(17)
    out = []
    out.append(np.zeros(32))
    for i in range(32):  # one weight, everywhere
        out.append(np.eye(32)[i] * (-1) ** i)
    out.append(np.full(32, 0.75))
    out.append(np.full(32, -0.75))
    out.append(np.where(np.arange(32) % 2, 1.0, -1.0))  # two weights of largest magnitude: the first decides
    out.append(np.where(np.arange(32) % 2, -1.0, 1.0))
    # Ties of q8: d = 1/2, weights at odd multiples of d / 2; and of q4: d = -1, weights at halves.
    half = np.arange(32) * 0.5 + 0.25 - 8.0
    half[0] = 63.5
    out.append(half)
    half = half.copy()
    half[0] = -63.5
    out.append(half)
    four = np.linspace(-7.5, 8.0, 32)
    out.append(four)
    out.append(-four)
    out.append(four / 3)
    out.append(np.linspace(-127, 127, 32))
    out.append(np.linspace(-126.5, 127, 32))
    # Scales at the ends of f16: subnormal, around half of the smallest one (so that they round to 0 or not), the
    # largest.
    base = rng.standard_normal(32)
    base /= np.abs(base).max()
    for exponent in range(-26, -13):
        out.append(base * 127 * 2.0**exponent)
        out.append(base * 8 * 2.0**exponent * 1.37)
    out.append(base * 8 * 65504)
    out.append(base * 8 * 32768)
    out.append(base * 2.0**-100)  # to nothing at all
    # Random ones: normal, uniform, with outliers, of all sizes, and those that bf16 can hold.
    for size in np.exp2(rng.uniform(-12, 12, 200)):
        out.append(rng.standard_normal(32) * size)
    for size in np.exp2(rng.uniform(-12, 12, 100)):
        out.append(rng.uniform(-1, 1, 32) * size)
    for _ in range(50):
        b = rng.standard_normal(32)
        b[rng.integers(32)] *= 100
        out.append(b)
    for _ in range(100):
        b = rng.standard_normal(32).astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        out.append(b.view(np.float32))
    return np.array(out, dtype=np.float32)


def main() -> None:
    w = blocks()
    tensors = {"weights": w}
    for name, kind in (("q8", Type.Q8_0), ("q4", Type.Q4_0)):
        stored = quantize(w, kind)
        tensors[name] = stored
        tensors[name + "_values"] = dequantize(stored, kind)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUT, metadata={"gguf": version("gguf"), "numpy": np.__version__})
    print(f"{OUT}: {len(w)} blocks, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
