#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plots, as small SVG files, of what millrace-lat and bench/side-by-side write.

usage: plot.py percentiles OUT.svg NAME=FILE.hgrm ...    latency over percentiles, HdrHistogram's way
       plot.py load        OUT.svg NAME=SWEEP.json ...   p50 and p99 over the rate; the knee is a ring
       plot.py ratios      OUT.svg TABLE.json            millrace on AF_XDP to the kernel's servers

Needs python3-matplotlib.
"""
import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  the backend first

# The same input makes the same file.
plt.rcParams.update({"svg.hashsalt": "millrace", "svg.fonttype": "none", "font.size": 9, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.figsize": (6.4, 3.4), "figure.constrained_layout.use": True})
METADATA = {"Date": None, "Creator": "bench/plot.py"}


def named(words):
    return [word.split("=", 1) for word in words]


def read_hgrm(path):
    """[(1 / (1 - percentile), us)]"""
    points = []
    with open(path) as file:
        for line in file:
            fields = line.split()
            if len(fields) == 4 and fields[0][0].isdigit():
                points.append((float(fields[3]), float(fields[0])))
    return points


def percentiles(out, *words):
    figure, axes = plt.subplots()
    most = 10.0
    for name, path in named(words):
        points = read_hgrm(path)
        most = max(most, points[-1][0])
        axes.plot(*zip(*points), label=name, linewidth=1.2)
    ticks = [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6]
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = [tick for tick in ticks if tick <= most * 1.1]
    axes.set_xticks(shown, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"][:len(shown)])
    axes.minorticks_off()
    axes.set_xlabel("percentile")
    axes.set_ylabel("us")
    axes.legend()
    figure.savefig(out, metadata=METADATA)


def load(out, *words):
    figure, axes = plt.subplots()
    for number, (name, path) in enumerate(named(words)):
        with open(path) as file:
            sweep = json.load(file)
        color = f"C{number}"
        for level, style in (("p50", "-"), ("p99", "--")):
            points = [(rate["offered_per_s"] / 1000, rate["latency_ns"][level] / 1000) for rate in sweep["rates"]]
            axes.plot(*zip(*points), style, color=color, marker=".", markersize=4, linewidth=1.2, label=f"{name} {level}")
        knee = [rate for rate in sweep["rates"] if rate["offered_per_s"] == sweep["knee_per_s"]]
        for rate in knee:
            axes.plot(rate["offered_per_s"] / 1000, rate["latency_ns"]["p99"] / 1000, "o", color=color, fillstyle="none",
                      markersize=9)
    axes.set_yscale("log")
    axes.set_xlabel("messages offered, thousands a second")
    axes.set_ylabel("us from when a message was due")
    axes.legend()
    figure.savefig(out, metadata=METADATA)


def ratios(out, path):
    with open(path) as file:
        rows = [row for row in json.load(file)["rows"] if row.get("server") == "millrace-af_xdp" and row.get("compared")
                and not row["offloads"]]
    figure, axes = plt.subplots()
    for number, reference in enumerate(("epoll-spin", "epoll-block")):
        for at, row in enumerate(rows):
            found = next((c["ratio"] for c in row["compared"] if c["to"] == reference), None)
            if found is None:
                continue
            # A round trip is better when it is shorter.
            values = [found[key] for key in ("median", "least", "most")]
            median, least, most = [1 / v for v in values] if row["unit"] == "us" else values
            least, most = min(least, most), max(least, most)
            axes.barh(at + 0.2 - 0.4 * number, median, 0.38, xerr=[[median - least], [most - median]], color=f"C{number}",
                      error_kw={"linewidth": 0.8}, label=f"beside {reference}" if at == len(rows) - 1 else None)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row["test"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("millrace on AF_XDP, times as good (median of the rounds; least and most)")
    axes.legend()
    figure.savefig(out, metadata=METADATA)


if __name__ == "__main__":
    {"percentiles": percentiles, "load": load, "ratios": ratios}[sys.argv[1]](*sys.argv[2:])
