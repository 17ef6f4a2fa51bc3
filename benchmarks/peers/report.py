# SPDX-License-Identifier: Apache-2.0
"""results.json as a table: python report.py results.json > table.md"""
import json
import sys
from pathlib import Path

from engines import ENGINES, OURS
from results import Row
from shapes import SHAPES, TYPES

WORKS = {"prefill": "prefill 512, tokens/s", "decode": "decode 64 after 32, tokens/s", "start": "load and first token, s"}


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cell(row: Row | None) -> str:
    if row is None:
        return "–"
    if row["status"] != "ok":
        return "not run"
    text = f"{number(row['median'])} [{number(row['min'])}–{number(row['max'])}]"
    if row["engine"] != OURS and "ratio" in row:
        text += f" ×{row['ratio']:.2f}"
    return text


def best_of(rows: dict[str, Row], work: str) -> Row | None:
    """The peer that is hardest to beat: of those paired with ours by the ratio of the pair, else by its figure."""
    peers = [row for name, row in rows.items() if name != OURS and row["status"] == "ok"]
    if not peers:
        return None
    paired = [row for row in peers if "ratio" in row]
    if paired:
        return min(paired, key=lambda row: row["ratio"])
    return (min if work == "start" else max)(peers, key=lambda row: row["median"])


def table(rows: list[Row], work: str, threads: int) -> list[str]:
    cells: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row["work"] == work and row["threads"] == threads:
            cells.setdefault((row["model"], row["type"]), {})[row["engine"]] = row
    if not cells:
        return []
    names = [name for name in ENGINES if any(name in of for of in cells.values())]
    head = ["model", "type", *names, "best peer", "ratio to it", "% of limit"]
    lines = [f"### {WORKS[work]}, {threads} thread{'s' * (threads > 1)}", "", "| " + " | ".join(head) + " |",
             "|" + "---|" * len(head)]
    for key in sorted(cells, key=lambda k: (list(SHAPES).index(k[0]), list(TYPES).index(k[1]))):
        of, best, ours = cells[key], best_of(cells[key], work), cells[key].get(OURS)
        ratio = "–"
        if best and "ratio" in best:
            ratio = f"**{best['ratio']:.2f}** [{best['ratio_min']:.2f}–{best['ratio_max']:.2f}]"
        share = f"{100 * ours['share']:.0f}" if ours and "share" in ours else "–"
        figures = [cell(of.get(name)) for name in names]
        lines.append("| " + " | ".join([*key, *figures, best["engine"] if best else "–", ratio, share]) + " |")
    return lines + [""]


def latency(rows: list[Row]) -> list[str]:
    found = [row for row in rows if row["status"] == "ok" and "p50_ms" in row]
    lines = ["### One decode step, ms", "", "| model | type | threads | engine | p50 | p99 | p99 / p50 |", "|" + "---|" * 7]
    order = sorted(found, key=lambda r: (list(SHAPES).index(r["model"]), list(TYPES).index(r["type"]), r["threads"],
                                         list(ENGINES).index(r["engine"])))
    for row in order:
        lines.append(f"| {row['model']} | {row['type']} | {row['threads']} | {row['engine']} | {row['p50_ms']:.3g} | "
                     f"{row['p99_ms']:.3g} | {row['p99_ms'] / row['p50_ms']:.2f} |")
    return [*lines, ""] if found else []


def missing(rows: list[Row]) -> list[str]:
    """What was asked for and not run, with its reason; rows of one reason together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["status"] != "ok":
            where = f"{row['model']} {row['type']}"
            at = reasons.setdefault((row["engine"], row["reason"]), [])
            if where not in at:
                at.append(where)
    lines = ["### Not run", ""] + [f"- {engine}: {', '.join(at)}: {reason}" for (engine, reason), at in reasons.items()]
    return [*lines, ""] if reasons else []


def ran(rows: list[Row]) -> list[str]:
    found = sorted({(row["engine"], row["type"], row["ran"]) for row in rows if row["status"] == "ok" and row.get("ran")})
    return ["### What ran", "", *(f"- {engine}, {kind}: {text}" for engine, kind, text in found), ""] if found else []


def markdown(content: dict) -> str:
    rows, machine = content["rows"], content.get("machine", {})
    lines = [f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores, "
             f"{machine.get('memory_gb', '?')} GB, {machine.get('system', '')}; {content.get('date', '')}", "",
             "Median [least–greatest]; behind a peer's figure the median over the rounds of ours / peer, each pair measured in "
             "turn (of load times: peer / ours, so that above 1 always means that ours is ahead).", ""]
    for threads in sorted({row["threads"] for row in rows}, reverse=True):
        for work in WORKS:
            lines += table(rows, work, threads)
    return "\n".join(lines + latency(rows) + missing(rows) + ran(rows))


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))
