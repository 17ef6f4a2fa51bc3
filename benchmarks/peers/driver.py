# SPDX-License-Identifier: Apache-2.0
"""Ours and the peers, side by side: `benchmarks/peers/run` sets everything up and calls this; README.md explains.

results.json: {"machine", "date", "versions", "rows": [...]}. A row is one engine at one piece of work:
  model, type, threads  a name of shapes.SHAPES, a name of shapes.TYPES, a number
  work      "prefill" (512 ids, tokens/s), "decode" (64 steps after 32 ids, tokens/s), "start" (load and first token, seconds)
  engine    "molmo" is ours; it is measured once with every peer, its row has all of those samples
  status    "ok", or "failed" with "reason" and no figures
  median, min, max      of all samples: tokens/s, of "start" seconds
  p50_ms, p99_ms        "decode" only: of all single steps
  process_s             "start" only: the median from the start of the process on, imports included
  ratio, ratio_min, ratio_max   peers only: per round, how many times as fast as the peer ours is; median, least, greatest
  molmo     peers only: ours beside this peer: median, min, max, p50_ms, p99_ms
  limits    {"flops", "read"}: multiply-adds (2 each) and bytes read per second, measured within the same minute, the
            bytes read over a table of the size of the model's weights
  limit, share          tokens/s that these limits allow at best, and median / limit
  rounds, ran, utc      rounds, what exactly ran, when
"""
import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy

from artefacts import Artefacts
from engines import ENGINES, OURS, EngineInfo, Failed, Worker, start
from measure import Samples, Side, decode, first_token, prefill, rounds
from report import markdown
from results import Results, Row
from shapes import SHAPES, TYPES

STARTS = {("15M", "q4"), *(("1B", kind) for kind in TYPES)}  # where "start" is measured
CHECK_IDS = 24
CHECK_BOUND = 1e-4  # of |difference| of f32 logits, in standard deviations of the logits


def parse() -> argparse.Namespace:
    def names(known):
        def read(text: str) -> list[str]:
            unknown = [name for name in text.split(",") if name not in known]
            if unknown:
                raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
            return text.split(",")
        return read
    peers = [name for name in ENGINES if name != OURS]
    parser = argparse.ArgumentParser(description="Ours and other engines, side by side.")
    parser.add_argument("--models", type=names(SHAPES), default=list(SHAPES), help=f"of {','.join(SHAPES)}")
    parser.add_argument("--types", type=names(TYPES), default=list(TYPES), help=f"of {','.join(TYPES)}")
    parser.add_argument("--engines", type=names(peers), default=peers, help=f"of {','.join(peers)}; ours always runs")
    parser.add_argument("--works", type=names(("prefill", "decode", "start")), default=["prefill", "decode", "start"])
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[2], help="by commas; 2")
    parser.add_argument("--rounds", type=int, default=5, help="of ours, peer, peer, ours")
    parser.add_argument("--seconds", type=float, default=30, help="after which one work of one pair begins no further round")
    parser.add_argument("--quick", action="store_true", help="model 15M, 2 threads, 2 rounds, where not said otherwise")
    parser.add_argument("--check", action="store_true", help="only compare the f32 logits of all engines")
    parser.add_argument("--prepare", action="store_true", help="only write what the engines load")
    parser.add_argument("--again", action="store_true", help="measure rows anew that stand in results.json")
    parser.add_argument("--clean", action="store_true", help="remove a model's files when it is done")
    parser.add_argument("--folder", type=Path, required=True, help="models, logs, results.json and table.md")
    parser.add_argument("--worker", type=Path, required=True, help="molmo_worker")
    parser.add_argument("--molmo", type=Path, required=True, help="our tool, for molmo quantize")
    parser.add_argument("--installed", type=Path, required=True, help="what install.py wrote")
    args = parser.parse_args()
    if args.quick:
        given = {a.split("=")[0] for a in sys.argv}
        args.models = args.models if "--models" in given else ["15M"]
        args.threads = args.threads if "--threads" in given else [2]
        args.rounds = args.rounds if "--rounds" in given else 2
    return args


class Driver:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.logs = args.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.installed = json.loads(args.installed.read_text())
        self.artefacts = Artefacts(args.folder / "models", args.molmo, self.logs)
        self.results = Results(args.folder / "results.json")

    def begin(self, engine: EngineInfo, threads: int) -> Worker:
        if engine.name == OURS and not self.args.worker.exists():
            raise Failed("molmo_worker did not compile; see the output of benchmarks/peers/run")
        if reason := self.installed[engine.section]["reason"]:
            raise Failed(f"not installed: {reason}")
        return start(engine, self.args.worker, threads, self.logs / f"{engine.name}.log")

    def open(self, engine: EngineInfo, model: str, kind: str, threads: int, **more: object) -> tuple[Worker, str]:
        """A worker with the model loaded, and what it says that it runs."""
        worker = self.begin(engine, threads)
        try:
            path = str(self.artefacts.path(engine.name, model, kind))
            return worker, worker.ask("load", path=path, type=kind, threads=threads, **more)["ran"]
        except Failed:
            worker.close()
            raise

    def limits(self, model: str, kind: str, threads: int) -> dict[str, float]:
        """Empty where ours does not run."""
        try:
            worker = self.begin(ENGINES[OURS], threads)
        except Failed:
            return {}
        try:
            weights = min(SHAPES[model].parameters * TYPES[kind], 1 << 30)
            found = worker.ask("limits", bytes=weights, threads=threads)
            return {"flops": found["flops"], "read": found["read"]}
        except Failed:
            return {}
        finally:
            worker.close()

    # One cell of the table: a model, a type, a number of threads.

    def cell(self, model: str, kind: str, threads: int) -> None:
        starts = (model, kind) in STARTS and threads == max(self.args.threads)
        works = [w for w in ("prefill", "decode", "start") if w in self.args.works and (w != "start" or starts)]
        all_ours = {work: Samples() for work in works}
        ran_ours, limits, failed = "", {}, ""
        for name in self.args.engines:
            todo = [w for w in works if self.args.again or not self.results.stands(model, kind, threads, w, name)]
            if not todo:
                continue
            print(f"{model} {kind}, {threads} threads: {name}", file=sys.stderr, flush=True)
            key = {"model": model, "type": kind, "threads": threads, "limits": self.limits(model, kind, threads)}
            ran, reason = self.pair(ENGINES[name], key, todo, all_ours)
            ran_ours, failed = ran or ran_ours, reason or failed
            limits = better(limits, key["limits"])
        for work in works:
            key = {"model": model, "type": kind, "threads": threads, "work": work, "engine": OURS, "limits": limits}
            if all_ours[work].values:
                self.put(key | {"status": "ok", "ran": ran_ours} | all_ours[work].figures())
            elif failed:
                self.put(key | {"status": "failed", "reason": failed})

    def pair(self, peer: EngineInfo, key: Row, works: list[str], all_ours: dict[str, Samples]) -> tuple[str, str]:
        """Measures ours and one peer. Returns what ours ran, or why it did not."""
        model, kind, threads = key["model"], key["type"], key["threads"]
        workers: dict[str, Worker] = {}
        ran, reasons = {}, {}
        for engine in (peer, ENGINES[OURS]):
            try:
                workers[engine.name], ran[engine.name] = self.open(engine, model, kind, threads)
            except Failed as error:
                reasons[engine.name] = str(error)
        try:
            if peer.name in reasons:
                for work in works:
                    self.put(key | {"work": work, "engine": peer.name, "status": "failed", "reason": reasons[peer.name]})
            else:
                for work in works:
                    key["limits"] = better(key["limits"], self.limits(model, kind, threads))
                    row = key | {"work": work, "engine": peer.name, "ran": ran[peer.name]}
                    self.work(peer, row, workers, all_ours[work])
        finally:
            for worker in workers.values():
                worker.close()
        return ran.get(OURS, ""), reasons.get(OURS, "")

    def side(self, engine: EngineInfo, key: Row, workers: dict[str, Worker]) -> Side | None:
        if engine.name not in workers:
            return None
        worker = workers[engine.name]
        if key["work"] == "start":
            path, threads = str(self.artefacts.path(engine.name, key["model"], key["type"])), key["threads"]
            begin = lambda: self.begin(engine, threads)  # noqa: E731
            return Side(engine, lambda into: first_token(begin, path, key["type"], threads, into))
        take = prefill if key["work"] == "prefill" else decode
        return Side(engine, lambda into: take(worker, into))

    def work(self, peer: EngineInfo, key: Row, workers: dict[str, Worker], all_ours: Samples) -> None:
        if key["work"] == "start":  # each sample has a process of its own, alone
            for worker in workers.values():
                worker.close()
        ours, theirs = self.side(ENGINES[OURS], key, workers), self.side(peer, key, workers)
        try:
            ratios = rounds(ours, theirs, self.args.rounds, self.args.seconds)
        except Failed as error:
            self.put(key | {"status": "failed", "reason": str(error)})
            return
        row = key | {"status": "ok", "rounds": len(theirs.samples.values) // 2} | theirs.samples.figures()
        if ours:
            if key["work"] == "start":
                ratios = [1 / ratio for ratio in ratios]
            found = {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
            for name, value in found.items():
                row[name] = float(f"{value:.4g}")
            row["molmo"] = ours.samples.figures()
            for name in ("values", "steps", "process"):
                getattr(all_ours, name).extend(getattr(ours.samples, name))
        self.put(row)

    def put(self, row: Row) -> None:
        row["utc"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if row["status"] == "ok" and row["limits"] and row["work"] in ("prefill", "decode"):
            shape = SHAPES[row["model"]]
            if row["work"] == "decode":
                limit = row["limits"]["read"] / (shape.parameters * TYPES[row["type"]])
            else:
                limit = row["limits"]["flops"] / (shape.flops(512) / 512)
            row["limit"], row["share"] = float(f"{limit:.5g}"), float(f"{row['median'] / limit:.4g}")
        self.results.put(row)
        (self.args.folder / "table.md").write_text(markdown(self.results.content) + "\n")

    def table(self) -> None:
        date = time.strftime("%Y-%m-%d", time.gmtime())
        self.results.describe(machine=machine(), date=date, versions=versions(self.installed))
        for model in self.args.models:
            for kind in self.args.types:
                for threads in self.args.threads:
                    self.cell(model, kind, threads)
            if self.args.clean:
                self.artefacts.drop(model)
        print((self.args.folder / "table.md").read_text())
        print(f"rows: {self.results.file}, table: {self.args.folder / 'table.md'}", file=sys.stderr)

    def prepare(self) -> int:
        """Only writes the models: they can then be measured without a pause."""
        for model in self.args.models:
            for kind in self.args.types:
                for name in (OURS, *self.args.engines):
                    try:
                        self.artefacts.path(name, model, kind)
                    except Failed as error:
                        print(f"{model} {kind} {name}: {error}")
        return 0

    def check(self) -> int:
        """Do all engines run the same model? Their f32 logits after the same ids, against those of the first engine that
        runs."""
        worst = 0
        for model in self.args.models:
            reference: tuple[str, numpy.ndarray] | None = None
            for name in (OURS, *self.args.engines):
                try:
                    worker, _ = self.open(ENGINES[name], model, "f32", max(self.args.threads), exact=True)
                    try:
                        logits = numpy.array(worker.ask("logits", n=CHECK_IDS)["logits"])
                    finally:
                        worker.close()
                except Failed as error:
                    print(f"{model:9} {name:14} not run: {error}")
                    continue
                if reference is None:
                    reference = (name, logits)
                difference = float(abs(logits - reference[1]).max())
                same = difference <= CHECK_BOUND * logits.std() and logits.argmax() == reference[1].argmax()
                worst |= not same
                print(f"{model:9} {name:14} max |difference from {reference[0]}| {difference:.2e}, greatest at "
                      f"{logits.argmax()}, spread {logits.std():.4f}: {'the same' if same else 'DIFFERS'}", flush=True)
        return int(worst)


def better(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    """Of two measurements of the limits: what else ran meanwhile can only have lowered one."""
    return {name: max(a.get(name, 0.0), b.get(name, 0.0)) for name in {**a, **b}}


def machine() -> Row:
    def line(file: str, label: str) -> str:
        for text in Path(file).read_text().splitlines():
            if text.startswith(label):
                return text.split(":", 1)[1].strip()
        return "unknown"
    memory = line("/proc/meminfo", "MemTotal").split()[0]
    return {"processor": line("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(int(memory) / 1e6) if memory.isdigit() else "?", "system": platform.platform(terse=True)}


def versions(installed: dict) -> dict[str, str]:
    names = {requirement.split("==")[0] for section in installed.values() for requirement in section["packages"]}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> int:
    args = parse()
    driver = Driver(args)
    if args.check:
        return driver.check()
    if args.prepare:
        return driver.prepare()
    driver.table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
