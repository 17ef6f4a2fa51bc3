# SPDX-License-Identifier: Apache-2.0
"""The work, measured on one engine or on two of them in ABBA order: A, B, B, A is one round, and a round's ratio is that
of its two means, so that what drifts during a round cancels."""
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engines import EngineInfo, Failed, Worker
from shapes import DECODE, FIRST, PREFILL, PROMPT

PAUSE = 0.02  # seconds before a sample: the other engine's threads go to sleep


@dataclass
class Samples:
    """Rates in tokens/s (of "start": seconds), and the seconds of every decode step."""
    values: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)  # of "start": from the start of the process, imports included

    def figures(self) -> dict[str, float]:
        out = {"median": statistics.median(self.values), "min": min(self.values), "max": max(self.values)}
        if self.steps:
            ordered = sorted(self.steps)
            out["p50_ms"] = 1e3 * ordered[len(ordered) // 2]
            out["p99_ms"] = 1e3 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        if self.process:
            out["process_s"] = statistics.median(self.process)
        return {key: float(f"{value:.5g}") for key, value in out.items()}


def prefill(worker: Worker, into: Samples) -> float:
    into.values.append(PREFILL / worker.ask("prefill", n=PREFILL)["seconds"])
    return into.values[-1]


def decode(worker: Worker, into: Samples) -> float:
    steps = worker.ask("decode", prompt=PROMPT, n=DECODE)["steps"]
    into.steps += steps
    into.values.append(len(steps) / sum(steps))
    return into.values[-1]


def first_token(begin: Callable[[], Worker], path: str, kind: str, threads: int, into: Samples) -> float:
    """Load and a prompt of a few ids in a fresh process, tokenizer or vocabulary included where the engine has one. Of
    peers the start of Python and its imports are left out (process_s has them), of ours nothing is."""
    worker = begin()
    try:
        loaded = worker.ask("load", path=path, type=kind, threads=threads, tokenizer=True)["seconds"]
        first = worker.ask("prefill", n=FIRST)["seconds"]
        into.process.append(time.perf_counter() - worker.started)
    finally:
        worker.close()
    into.values.append(loaded + first)
    return into.values[-1]


@dataclass
class Side:
    """One engine of a pair: how a sample is taken, and those taken."""
    engine: EngineInfo
    take: Callable[[Samples], float]
    samples: Samples = field(default_factory=Samples)


def take(side: Side, into: Samples) -> float:
    try:
        return side.take(into)
    except Failed as error:
        raise Failed(f"{side.engine.name}: {error}") from None


def rounds(ours: Side | None, peer: Side | None, count: int, seconds: float) -> list[float]:
    """Ratios ours / peer of the samples, one per round; none where a side is missing. After `seconds` no further round
    begins. A sample that is thrown away comes first on each side."""
    sides = [side for side in (ours, peer) if side]
    for side in sides:
        take(side, Samples())
    ratios = []
    end = time.monotonic() + seconds
    for i in range(count):
        if i > 0 and time.monotonic() > end:
            break
        order = [ours, peer, peer, ours] if ours and peer else [*sides, *sides]
        taken: dict[str, list[float]] = {}
        for side in order:
            time.sleep(PAUSE)
            taken.setdefault(side.engine.name, []).append(take(side, side.samples))
        if ours and peer:
            ratios.append(sum(taken[ours.engine.name]) / sum(taken[peer.engine.name]))
    return ratios
