#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of docs/performance.md, as SVG, from what the measuring programs print.

  python tools/plot.py --bench bench.json --gemm gemm.json --threads threads.json --latency latency.json \\
                       --peers results.json [--out docs]

  bench.json     molmo bench MODEL --json                     roofline.svg
  threads.json   molmo_bench_threads --json                   context.svg; threads.svg of three counts or more
  latency.json   molmo_bench_latency --json                   latency.svg
  gemm.json      molmo_bench_gemm --json                      gemm.svg     (several files: --gemm one.json two.json)
  results.json   benchmarks/peers                             peers.svg, peers_decode.svg, peers_prefill.svg
Each picture is drawn if its file is given; docs/data holds the files of the pictures in docs. Colours are chosen for
white and for dark pages; text stays text.
Needs matplotlib (tools/requirements.txt).
"""
import argparse
import json
import math
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator  # noqa: E402

INK = "#7a828c"  # readable on white and on black
OURS = "#e8590c"
OTHERS = ["#3b82f6", "#2f9e44", "#9775fa", "#d6336c", "#0c8599", "#b08900", "#868e96", "#5c7cfa"]
KINDS = ["f32", "bf16", "f16", "q8", "q4"]
NAMES = {"llama_cpp": "llama.cpp", "torch": "PyTorch", "onnxruntime": "ONNX Runtime", "ctranslate2": "CTranslate2",
         "openvino": "OpenVINO", "openblas": "OpenBLAS", "blis": "BLIS", "eigen": "Eigen", "onednn": "oneDNN",
         "molmo f32": "molmo, row by row", "molmo f32 packed": "molmo, in panels"}
MARKS = ["s", "^", "D", "v", "P", "X", "<", ">"]
# Keeps a name readable where something lies behind it; matplotlib's own halo would turn text into outlines.
HALO = """
   [id^="halo-"] text {paint-order: stroke; stroke: #ffffff; stroke-width: 3px}
   @media (prefers-color-scheme: dark) { [id^="halo-"] text {stroke: #0d1117} }
  """

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "molmo", "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"], "font.size": 10,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "axes.titlecolor": INK,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
    "xtick.color": INK, "ytick.color": INK, "grid.color": INK, "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "axes.grid": True, "axes.axisbelow": True, "legend.frameon": False, "legend.labelcolor": INK,
    "lines.linewidth": 1.8, "lines.markersize": 5, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.transparent": True,
})


def number(x, _=None):
    """1234567 -> 1.2M, 0.05 -> 0.05."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= size:
            return f"{x / size:.3g}{letter}"
    return f"{x:.3g}"


def plain_logs(axis):
    """1, 2, 5, 10, 20 ... in plain numbers."""
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(number))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def style_of(name, names):
    """Colour and mark: ours the same everywhere, the others in the order of their names."""
    if name.startswith("molmo"):
        ours = [n for n in names if n.startswith("molmo")]
        alpha = 1.0 if name == ours[-1] else 0.55
        return {"color": OURS, "marker": "o", "alpha": alpha}
    rest = sorted(n for n in names if not n.startswith("molmo"))
    i = rest.index(name)
    return {"color": OTHERS[i % len(OTHERS)], "marker": MARKS[i % len(MARKS)], "alpha": 1.0}


def series_style(i):
    colours = [OURS] + OTHERS
    return {"color": colours[i % len(colours)], "marker": (["o"] + MARKS)[i % 9]}


def time_text(microseconds):
    return f"{microseconds / 1000:.3g} ms" if microseconds >= 1000 else f"{microseconds:.3g} µs"


def save(figure, folder, name):
    file = folder / name
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    drawn = file.read_text()
    if 'id="halo-' in drawn:
        file.write_text(drawn.replace("</style>", f"{HALO}</style>", 1))
    plt.close(figure)
    print(f"{file}  {file.stat().st_size / 1000:.0f} kB")


def read(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        sys.exit(f"{path}: {error}")


def in_order(items):
    return list(dict.fromkeys(items))


def together(dots, near=1.03):
    """Dots of one colour that nearly coincide get one label: [(x, y, "head, gate up", colour)]."""
    out = []
    for x, y, name, color in dots:
        for i, (ox, oy, names, other) in enumerate(out):
            if other == color and max(x / ox, ox / x) < near and max(y / oy, oy / y) < near:
                out[i] = (ox, oy, f"{names}, {name}", color)
                break
        else:
            out.append((x, y, name, color))
    return out


def name_dots(figure, ax, dots, lines):
    """Writes each name near its dot, where it lies on no dot, no line and no other name: of many places the nearest.

    A thin line leads to the dot from a name that is not right beside it. Where no place is free, a halo (HALO) keeps
    the name readable. `lines` are pairs of points; distances are in pixels of the canvas."""
    figure.canvas = FigureCanvasAgg(figure)  # measures text
    figure.canvas.draw()
    to_points = 72 / figure.dpi
    height, beside = 11 / to_points, 8 / to_points
    centres = [tuple(ax.transData.transform((x, y))) for x, y, _, _ in dots]
    bounds = ax.get_window_extent()

    def between(start, end, every=2.0):
        steps = max(1, round(math.dist(start, end) / every))
        return [(start[0] + (end[0] - start[0]) * k / steps, start[1] + (end[1] - start[1]) * k / steps)
                for k in range(steps + 1)]

    taken = [point for line in lines for point in between(*ax.transData.transform(line))]
    occupied = []  # (left, bottom, right, top) of dots and names
    for x, y in centres:
        occupied.append((x - beside / 2, y - beside / 2, x + beside / 2, y + beside / 2))

    def width_of(name):
        probe = ax.text(0, 0, name, fontsize=8, transform=None)
        width = probe.get_window_extent().width
        probe.remove()
        return width

    for (x, y), (left, up, name, color) in zip(centres, dots):
        width = width_of(name)

        def cost(sign, away, rise):
            """Of a name that begins `away` to the side and `rise` above the dot."""
            near = x + sign * away
            far, low, high = near + sign * width, y + rise - height / 2, y + rise + height / 2
            box = (min(near, far), low, max(near, far), high)
            hit = sum(box[0] < r and l < box[2] and box[1] < t and b < box[3] for l, b, r, t in occupied)
            crossed = any(box[0] - 2 < px < box[2] + 2 and box[1] < py < box[3] for px, py in taken)
            outside = box[2] > bounds.x1 or box[0] < bounds.x0
            led = sum(any(l < px < r and b < py < t for px, py in between((near, y + rise), (x, y)))
                      for l, b, r, t in occupied) - 1  # its own dot
            return 400 * (hit + crossed + outside + max(led, 0)) + away + 1.5 * abs(rise) + (sign < 0), box, near

        places = [(cost(sign, away * beside, rise * height / 4), rise * height / 4)
                  for sign in (1, -1) for away in (1, 2, 3, 4, 5, 6) for rise in range(-16, 17)]
        (_, box, near), rise = min(places, key=lambda place: place[0][0])
        occupied.append(box)
        moved = math.hypot(near - x, rise) > 1.5 * beside
        ax.annotate(name, (left, up), fontsize=8, color=color, va="center", ha="left" if near > x else "right",
                    gid=f"halo-{name}-{len(occupied)}", xytext=((near - x) * to_points, rise * to_points),
                    textcoords="offset points",
                    arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
                    if moved else None)


def roofline(bench, folder):
    limits = bench["limits"][-1]
    figure, ax = plt.subplots(figsize=(7.2, 4.2))
    peak = limits["flops"] / 1e9
    groups = [("a decode step", bench.get("decode_ops", [])), ("a prefill", bench.get("prefill_ops", []))]
    groups = [(label, [op for op in ops if op["flops_per_second"] > 0 and op["op"] != "norms"])
              for label, ops in groups]
    lowest = min([op["flops_per_second"] / 1e9 for _, ops in groups for op in ops], default=1)
    left, right = 0.1, 400
    bottom, top = min(lowest * 0.6, left * limits["read_memory"] / 1e9 * 0.8), peak * 1.8
    ax.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top), ylabel="GFLOP/s",
           xlabel="arithmetic intensity, FLOP per byte",
           title=f"{Path(bench['model']).name}, {bench['threads']} thread{'s' * (bench['threads'] > 1)}")
    box = ax.get_window_extent()
    slope = math.degrees(math.atan2(box.height / math.log10(top / bottom), box.width / math.log10(right / left)))
    lines = [((left, peak), (right, peak))]
    for key, name in (("read_l2", "L2"), ("read_l3", "L3"), ("read_memory", "memory")):
        bandwidth = limits[key] / 1e9
        ax.plot([left, peak / bandwidth], [left * bandwidth, peak], color=INK, linewidth=1, linestyle="--")
        lines.append(((left, left * bandwidth), (peak / bandwidth, peak)))
        ax.annotate(f"{name} {bandwidth:.0f} GB/s", (left * 1.15, left * 1.15 * bandwidth), rotation=slope, fontsize=8,
                    rotation_mode="anchor", xytext=(0, 4), textcoords="offset points")
    ax.plot([left, right], [peak, peak], color=INK, linewidth=1)
    ax.annotate(f"f32 multiply-add {peak:.0f} GFLOP/s", (left * 1.15, peak), fontsize=8, xytext=(0, 4),
                textcoords="offset points")
    dots = []
    for i, (label, ops) in enumerate(groups):
        style = series_style(i)
        points = [(op["flops_per_second"] / op["bytes_per_second"], op["flops_per_second"] / 1e9, op["op"])
                  for op in ops]
        hollow = {"markerfacecolor": "none", "markersize": 7, "markeredgewidth": 1.6} if i else {}  # shows dots below
        ax.plot([p[0] for p in points], [p[1] for p in points], linestyle="", label=label, **style | hollow)
        dots += [(x, y, name, style["color"]) for x, y, name in sorted(points, key=lambda p: -p[1])]
    plain_logs(ax.xaxis), plain_logs(ax.yaxis)
    ax.legend(loc="lower right")
    name_dots(figure, ax, together(dots), lines)
    save(figure, folder, "roofline.svg")


def curves(rows, works, x, x_label, titles, folder, name, log_x):
    panels = [w for w in works if any(r["work"] == w for r in rows)]
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(3.9 * len(panels) + 0.4, 3.4), squeeze=False)
    keys = in_order((r["model"], r["format"]) for r in rows)
    for ax, work in zip(axes[0], panels):
        for i, (model, kind) in enumerate(keys):
            some = [r for r in rows if (r["model"], r["format"], r["work"]) == (model, kind, work)]
            some.sort(key=lambda r: r[x])
            if not some:
                continue
            xs, ys = [r[x] for r in some], [r["tokens/s"] for r in some]
            style = series_style(i)
            ax.plot(xs, ys, label=f"{model} {kind}", **style)
            ax.fill_between(xs, [r["min"] for r in some], [r["max"] for r in some], color=style["color"], alpha=0.15,
                            linewidth=0)
        ax.set(xlabel=x_label, title=titles[work], yscale="log")
        if log_x:
            ax.set_xscale("log", base=2)
        ax.set_xticks(in_order(sorted(r[x] for r in rows if r["work"] == work)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))
        ax.xaxis.set_minor_locator(NullLocator())
        plain_logs(ax.yaxis)
    axes[0][0].set_ylabel("tokens/s")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, folder, name)


def threads(rows, folder):
    if len({r["threads"] for r in rows if r["work"] != "context"}) > 2:  # two points are better read in a table
        curves(rows, ["decode", "prefill"], "threads", "threads", {"decode": "decode", "prefill": "prefill"}, folder,
               "threads.svg", False)
    curves([r for r in rows if r["work"] == "context"], ["context"], "context", "positions in the cache",
           {"context": "decode"}, folder, "context.svg", True)


def latency(rows, folder):
    rows = [r for r in rows if "histogram" in r]
    figure, ax = plt.subplots(figsize=(7.2, 3.6))
    for i, r in enumerate(rows):
        steps = sum(r["histogram"])
        edges = [r["first_us"] * r["ratio"] ** k / r["p50 us"] for k in range(len(r["histogram"]) + 1)]
        shares = [100 * c / steps for c in r["histogram"]]
        style = series_style(i)
        ax.stairs(shares, edges, color=style["color"], linewidth=1.6,
                  label=f"{r['model']} {r['format']}, {r['threads']} thread{'s' * (r['threads'] > 1)}: "
                        f"median {time_text(r['p50 us'])}, p99 {time_text(r['p99 us'])}")
        ax.axvline(r["p99/p50"], color=style["color"], linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="latency of a decode step ÷ its median (dotted: p99)", ylabel="steps, %")
    fastest = min(r["first_us"] / r["p50 us"] for r in rows)
    ax.set_xlim(min(0.75, 0.98 * fastest), min(6.0, max(2.0, max(r["p99/p50"] for r in rows) * 1.2)))
    ax.set_xticks([t for t in (0.8, 1, 1.2, 1.5, 2, 3, 4, 5) if t <= ax.get_xlim()[1]])
    ax.xaxis.set_major_formatter(FuncFormatter(number))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=9)
    save(figure, folder, "latency.svg")


def gemm(rows, folder):
    rows = [r for r in rows if "engine" in r]
    most = max(r["threads"] for r in rows)
    rows = [r for r in rows if r["threads"] == most]
    shapes, engines = in_order(r["K x N"] for r in rows), in_order(r["engine"] for r in rows)
    engines.sort(key=lambda e: not e.startswith("molmo"))
    figure, axes = plt.subplots(1, len(shapes), figsize=(2.6 * len(shapes) + 1.2, 3.3), sharey=True, squeeze=False)
    for ax, shape in zip(axes[0], shapes):
        ms = in_order(sorted(r["M"] for r in rows if r["K x N"] == shape))
        width = 0.84 / len(engines)
        for i, engine in enumerate(engines):
            style = style_of(engine, engines)
            found = {r["M"]: r for r in rows if (r["K x N"], r["engine"]) == (shape, engine)}
            xs = [ms.index(m) - 0.42 + (i + 0.5) * width for m in found]
            ax.bar(xs, [r["% of limit"] for r in found.values()], width, color=style["color"], alpha=style["alpha"],
                   label=NAMES.get(engine, engine) if ax is axes[0][0] else None)
        ax.set_xticks(range(len(ms)), [str(m) for m in ms])
        ax.set(title=f"K × N = {shape.replace(' x ', ' × ')}", xlabel="rows of x, M")
        ax.grid(axis="x", visible=False)
        ax.axhline(100, color=INK, linewidth=1.2, linestyle="--")
    axes[0][0].set_ylabel("% of the machine's limit")
    axes[0][0].set_ylim(0, max(100, max(r["% of limit"] for r in rows) * 1.02))
    figure.legend(loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=min(len(engines), 6), fontsize=9,
                  title=f"y = x wᵀ, {most} thread{'s' * (most > 1)}")
    figure.tight_layout()
    save(figure, folder, "gemm.svg")


def case_order(case):
    """(model, type): models by size, odd shapes after the others; types by the bytes of a weight, most first."""
    model, kind = case
    number_of = re.fullmatch(r"(odd-)?(\d+)([MB]?)", model)
    if number_of is None:
        return 2, 0, model, KINDS.index(kind) if kind in KINDS else len(KINDS), kind
    odd, digits, letter = number_of.groups()
    size = int(digits) * {"": 1, "M": 10**6, "B": 10**9}[letter]
    return 1 if odd else 0, size, model, KINDS.index(kind) if kind in KINDS else len(KINDS), kind


def bars(rows, folder):
    """Bars of tokens/s for the README: a row of panels for decode, one for prefill, a panel for each model."""
    models = sorted({r["model"] for r in rows if not r["model"].startswith("odd")}, key=lambda m: case_order((m, "")))
    works = [w for w in ("decode", "prefill") if any(r["work"] == w for r in rows)]
    engines = sorted({r["engine"] for r in rows}, key=lambda e: (not e.startswith("molmo"), e))
    size = (3.3 * len(models), 2.3 * len(works) + 0.6)
    figure, axes = plt.subplots(len(works), len(models), figsize=size, squeeze=False)
    for line, work in zip(axes, works):
        for ax, model in zip(line, models):
            some = [r for r in rows if (r["work"], r["model"]) == (work, model)]
            kinds = sorted({r["type"] for r in some}, key=KINDS.index)
            here = [e for e in engines if any(r["engine"] == e for r in some)]
            width = 0.84 / max(len(here), 2)
            for x, kind in enumerate(kinds):
                found = {r["engine"]: r["median"] for r in some if r["type"] == kind}
                shown = [e for e in here if e in found]
                for i, engine in enumerate(shown):
                    at = x + (i - (len(shown) - 1) / 2) * width
                    ax.bar([at], [found[engine]], width * 0.92, color=style_of(engine, engines)["color"])
                    if engine.startswith("molmo") or len(shown) < 3:
                        ax.annotate(number(found[engine]), (at, found[engine]), ha="center", fontsize=8,
                                    color=style_of(engine, engines)["color"], xytext=(0, 2), textcoords="offset points",
                                    weight="bold" if engine.startswith("molmo") else "normal")
            ax.set_xticks(range(len(kinds)), kinds)
            ax.set_xlim(-0.75, len(kinds) - 0.4)
            ax.set_ylim(0, max(r["median"] for r in some) * 1.15)
            ax.set_title(f"{work}, {model} parameters", loc="left")
            ax.grid(axis="x", visible=False)
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.set_major_formatter(FuncFormatter(number))
        line[0].set_ylabel("tokens/s")
    handles = [Patch(color=style_of(e, engines)["color"], label=NAMES.get(e, e)) for e in engines]
    figure.tight_layout(h_pad=1.2)
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.01), ncols=len(engines), fontsize=9)
    save(figure, folder, "peers.svg")


def peers(rows, work, folder):
    rows = [r for r in rows if r["work"] == work and r.get("median")]
    if not rows:
        return
    most = max(r["threads"] for r in rows)
    rows = [r for r in rows if r["threads"] == most]
    cases = sorted({(r["model"], r["type"]) for r in rows}, key=case_order)
    engines = in_order(r["engine"] for r in rows)
    engines.sort(key=lambda e: (not e.startswith("molmo"), e))
    figure, ax = plt.subplots(figsize=(7.2, 0.34 * len(cases) + 1.4))
    for engine in reversed(engines):
        some = [r for r in rows if r["engine"] == engine]
        ys = [len(cases) - 1 - cases.index((r["model"], r["type"])) for r in some]
        xs = [r["median"] for r in some]
        style = style_of(engine, engines)
        ax.errorbar(xs, ys, xerr=[[x - r["min"] for x, r in zip(xs, some)], [r["max"] - x for x, r in zip(xs, some)]],
                    color=style["color"], linestyle="", elinewidth=1, alpha=0.5)
        ax.plot(xs, ys, linestyle="", color=style["color"], marker=style["marker"], label=NAMES.get(engine, engine),
                markersize=7 if engine.startswith("molmo") else 5)
    for r in rows:  # how far the machine could go
        if r.get("limit") and r["engine"].startswith("molmo"):
            y = len(cases) - 1 - cases.index((r["model"], r["type"]))
            ax.plot([r["limit"]], [y], marker="|", markersize=11, color=INK, linestyle="")
    ax.set_yticks(range(len(cases)), [f"{m} {t}" for m, t in reversed(cases)])
    for i in range(1, len(cases)):
        if cases[i][0] != cases[i - 1][0]:  # another model
            ax.axhline(len(cases) - i - 0.5, color=INK, linewidth=0.8)
    limits = "; bar: limit" if any(r.get("limit") for r in rows) else ""
    ax.set(xscale="log", xlabel=f"tokens/s (line: slowest to fastest{limits})",
           title=f"{work}, {most} thread{'s' * (most > 1)}")
    plain_logs(ax.xaxis)
    ax.set_ylim(-0.6, len(cases) - 0.4)
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, folder, f"peers_{work}.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="molmo bench --json")
    parser.add_argument("--threads", nargs="+", help="molmo_bench_threads --json")
    parser.add_argument("--latency", nargs="+", help="molmo_bench_latency --json")
    parser.add_argument("--gemm", nargs="+", help="molmo_bench_gemm --json")
    parser.add_argument("--peers", help="results.json of benchmarks/peers")
    parser.add_argument("--out", default="docs", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    def rows_of(files):
        return [row for file in files for row in read(file)]

    if args.bench:
        roofline(read(args.bench), args.out)
    if args.threads:
        threads(rows_of(args.threads), args.out)
    if args.latency:
        latency(rows_of(args.latency), args.out)
    if args.gemm:
        gemm(rows_of(args.gemm), args.out)
    if args.peers:
        results = read(args.peers)
        rows = results["rows"] if isinstance(results, dict) else results
        for work in ("decode", "prefill"):
            peers(rows, work, args.out)
        most = max((r["threads"] for r in rows), default=0)
        bars([r for r in rows if r.get("median") and r["work"] in ("decode", "prefill")
                      and r["threads"] == most], args.out)


if __name__ == "__main__":
    main()
