#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the table of docs/quantisation.md: what a model's perplexity costs in each format. Needs nothing but Python and molmo.

    python tools/perplexity_table.py --molmo build/release/bin/molmo --model models/shakespeare \\
        --text tinyshakespeare.txt --last 0.1 --bos 0
    python tools/perplexity_table.py --molmo build/release/bin/molmo --model stories260K --stories 64

--text: a file, of which --last is the part counted from the end that is read. --stories N: where there is no text that the
model knows, N texts of its own, drawn at temperature 1 from the weights as they are, each measured by itself. (Their
perplexity is the model's own entropy, so that each row shows how far its format has moved from the model.)
"""
import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

ROWS = [("f32", None), ("bf16", None), ("q8", None), ("q8", "none"), ("q4", None), ("q4", "none")]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--molmo", default="molmo", help="the program")
    p.add_argument("--model", required=True, help="model folder")
    p.add_argument("--text", type=Path)
    p.add_argument("--last", type=float, default=1.0)
    p.add_argument("--stories", type=int, default=0)
    p.add_argument("--tokens", type=int, default=256, help="of a story, at most")
    p.add_argument("--bos", type=int)
    p.add_argument("--backend")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    run = [] if a.backend is None else ["--backend", a.backend]
    run += ["--threads", str(a.threads)]

    def molmo(*args) -> dict:
        out = subprocess.run([a.molmo, *map(str, args), "--json"], check=True, capture_output=True, text=True)
        return json.loads(out.stdout)

    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        texts = []
        if a.text:
            words = a.text.read_text(encoding="utf-8")
            texts.append(words[round(len(words) * (1 - a.last)):])
        for seed in range(a.stories):
            texts.append(molmo("generate", a.model, "--prompt", "", "--max-new", a.tokens, "--temperature", 1, "--top-k", 0,
                               "--top-p", 1, "--seed", seed, *run)["text"])
        files = []
        for i, words in enumerate(texts):
            files.append(scratch / f"text{i}.txt")
            files[-1].write_text(words, encoding="utf-8")

        print("| format | weights | file | nats per token | perplexity | more than f32 |")
        print("|---|---|---:|---:|---:|---:|")
        first = None
        for fmt, keep in ROWS:
            folder = scratch / f"{fmt}-{keep}"
            made = molmo("quantize", a.model, "--format", fmt, "--out", folder, *(["--keep", keep] if keep else []))
            nats = tokens = 0
            for file in files:
                one = molmo("perplexity", folder, "--text", file, *([] if a.bos is None else ["--bos", a.bos]), *run)
                nats += one["nats_per_token"] * one["tokens"]
                tokens += one["tokens"]
            value = math.exp(nats / tokens)
            first = first or value
            which = "all matrices" if made["kept"] == 0 else "all but embedding and head"
            size = (folder / "model.safetensors").stat().st_size
            print(f"| {fmt} | {which} | {size / 1e6:.2f} MB | {nats / tokens:.5f} | {value:.4f} "
                  f"| {100 * (value / first - 1):+.2f} % |", flush=True)
        print(f"\n{tokens} tokens", end="")
        print(f" of {len(texts)} texts" if len(texts) > 1 else "")


if __name__ == "__main__":
    main()
