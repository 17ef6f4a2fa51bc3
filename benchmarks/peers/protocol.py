# SPDX-License-Identifier: Apache-2.0
"""What the driver and a worker say to each other: one JSON object per line, by stdin and stdout of the worker.

    {"do": "load", "path": P, "type": T, "threads": N}  -> {"ok": true, "seconds": s, "ran": "what exactly runs"}
    {"do": "prefill", "n": 512}                         -> {"ok": true, "seconds": s}       n ids in one call
    {"do": "decode", "prompt": 32, "n": 64}             -> {"ok": true, "steps": [s, ...]}  n single ids after a prompt
    {"do": "logits", "n": 16}                           -> {"ok": true, "logits": [...]}    after half a prompt, half steps
    {"do": "quit"}
Whatever fails is answered {"ok": false, "reason": "..."}. A worker of Python has one class, an Engine, and calls serve().
"""
import json
import os
import sys
import time
from typing import Any, Protocol


def ids_of(n: int) -> list[int]:
    """The ids that every engine is fed with; molmo_worker.cpp has the same formula."""
    return [(i * 7919 + 13) % 31000 + 500 for i in range(n)]


class Engine(Protocol):
    def load(self, path: str, kind: str, threads: int) -> str:
        """Loads a model ready to run; returns what exactly will run."""

    def reset(self) -> None:
        """Empties the KV cache."""

    def feed(self, ids: list[int]) -> None:
        """Appends ids; the logits of the last one are then computed."""

    def logits(self) -> list[float]:
        """Of the last feed()."""


def prefill(engine: Any, n: int) -> float:
    if hasattr(engine, "prefill_seconds"):  # an engine that cannot be fed step by step
        return engine.prefill_seconds(n)
    ids = ids_of(n)
    engine.reset()
    start = time.perf_counter()
    engine.feed(ids)
    return time.perf_counter() - start


def decode(engine: Any, prompt: int, n: int) -> list[float]:
    if hasattr(engine, "decode_seconds"):
        return engine.decode_seconds(prompt, n)
    ids = ids_of(prompt + n)
    engine.reset()
    engine.feed(ids[:prompt])
    steps = []
    for token in ids[prompt:]:
        start = time.perf_counter()
        engine.feed([token])
        steps.append(time.perf_counter() - start)
    return steps


def logits(engine: Any, n: int) -> list[float]:
    if hasattr(engine, "logits_after"):
        return engine.logits_after(n)
    ids = ids_of(n)
    half = (n + 1) // 2
    engine.reset()
    engine.feed(ids[:half])
    for token in ids[half:]:
        engine.feed([token])
    return engine.logits()


def answer(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    what = request.get("do")
    if what == "load":
        engine.exact = request.get("exact", False)  # for comparisons: nothing below f32 where the engine lets one choose
        start = time.perf_counter()
        ran = engine.load(request["path"], request["type"], request["threads"])
        return {"ok": True, "seconds": time.perf_counter() - start, "ran": ran}
    if what == "prefill":
        return {"ok": True, "seconds": prefill(engine, request["n"])}
    if what == "decode":
        return {"ok": True, "steps": decode(engine, request["prompt"], request["n"])}
    if what == "logits":
        return {"ok": True, "logits": [float(x) for x in logits(engine, request["n"])]}
    return {"ok": False, "reason": f"unknown request '{what}'"}


def reason_of(error: BaseException) -> str:
    """One line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"


def serve(engine: Any) -> None:
    """Answers requests until there are no more. What the engine prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("do") == "quit":
            return
        try:
            reply = answer(engine, request)
        except Exception as error:  # whatever an engine raises is its answer
            reply = {"ok": False, "reason": reason_of(error)}
        print(json.dumps(reply), file=out)
