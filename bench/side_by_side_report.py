#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table and the JSON file of bench/side-by-side, from what its runs left.

usage: side_by_side_report.py OUT_DIR JSON_FILE

Medians of the rounds, with the least and the most; a ratio is the median of the ratios of the same round.
"""
import glob
import json
import os
import platform
import re
import statistics
import subprocess
import sys

UNITS = {"echo-spin": ("us", "p50_ns", 1e-3), "echo-block": ("us", "p50_ns", 1e-3),
         "requests-64": ("requests/s", "per_s", 1), "requests-1000": ("requests/s", "per_s", 1),
         "connections-1": ("connections/s", "per_s", 1), "connections-16": ("connections/s", "per_s", 1),
         "bulk-in": ("Gbit/s", "bits_per_s", 1e-9), "bulk-out": ("Gbit/s", "bits_per_s", 1e-9)}
# (what, test) of millrace on AF_XDP, compared with, goal
GOALS = [("echo-spin", "epoll-spin", "<=", 0.85), ("requests-64", "epoll-spin", ">=", 1.5),
         ("requests-1000", "epoll-spin", ">=", 2.0), ("bulk-in", "epoll-spin", ">=", 1.1),
         ("bulk-out", "epoll-spin", ">=", 0.9), ("connections-1", "epoll-block", ">=", 2.0)]
# of pairs of processes: (path-test, compared with, which side, goal)
PATH_GOALS = [("memif-tcp", "raw-frames", "<=", 2.0), ("memif-udp", "raw-frames", "<=", 1.7),
              ("memif-tcp", "loopback-tcp", "<=", 0.125), ("memif-udp", "loopback-udp", "<=", 0.125),
              ("memif-bulk", "loopback-bulk", ">=", 1.5), ("jumbo-bulk", "loopback-bulk", ">=", 2.5),
              ("memif-sctp", "memif-tcp"), ("memif-sctp-messages", "memif-tcp-messages")]
REFERENCES = ("epoll-spin", "epoll-block")
MOST_RESIDENT_MIB = 64


def summary(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "rounds": len(values)}


def server_rows(out):
    """{(server, test, offloads): {round: value}}, and the resident memory by server."""
    values, resident, others = {}, {}, []
    if not os.path.exists(out + "/runs.jsonl"):
        return values, resident, others
    with open(out + "/runs.jsonl") as runs:
        for run in map(json.loads, runs):
            if not run["ok"]:
                continue
            _, key, scale = UNITS[run["test"]]
            values.setdefault((run["server"], run["test"], run["offloads"]), {})[run["round"]] = run[key] * scale
            if "resident_kib" in run:
                resident[run["server"]] = {k: v for k, v in run.items() if k.endswith("_kib")}
            others.append(run["others_cores"])
    return values, resident, others


def limits(out):
    """{(server, test, offloads): the stage that took most of the time of its received packets, in all rounds}"""
    sums = {}
    if os.path.exists(out + "/runs.jsonl"):
        with open(out + "/runs.jsonl") as runs:
            for run in map(json.loads, runs):
                of_run = sums.setdefault((run["server"], run["test"], run["offloads"]), {})
                for name, stage in (run.get("stages") or {}).items():
                    of_run.setdefault(name, []).append(stage)
    return {key: limit_of(stages) for key, stages in sums.items() if stages}


def limit_of(stages):
    total = {name: sum(run["sum"] for run in runs) for name, runs in stages.items()}
    name = max(total, key=total.get)
    p50 = {each: statistics.median(run["p50"] for run in runs) for each, runs in stages.items()}
    return {"stage": name, "share": total[name] / max(1, sum(total.values())), "p50_ns": p50[name], "p50_ns_of": p50,
            "samples": sum(run["count"] for run in stages[name])}


def path_rows(out):
    """{path-test: {round: value}}: us of a round trip, Gbit/s of bulk, messages a second; bytes copied per delivered."""
    values, copied = {}, {}
    for name in glob.glob(out + "/*.client.json"):
        what, number = re.fullmatch(r"(.*)\.(\d+)\.client\.json", os.path.basename(name)).groups()
        with open(name) as file:
            run = json.load(file)
        value = (run["received"]["bits_per_s"] * 1e-9 if what.endswith("bulk") else
                 run["messages_per_s"] if what.endswith("messages") else run["round_trip_ns"]["p50"] * 1e-3)
        values.setdefault(what, {})[int(number)] = value
        if what.endswith("messages"):  # the server is who receives
            with open(name.replace(".client.", ".server.")) as file:
                run = json.load(file)
        if "copied_per_delivered" in run:
            copied[what] = run["copied_per_delivered"]
    return values, copied


def ratio(ours, theirs):
    return summary([ours[r] / theirs[r] for r in ours if r in theirs]) if ours and set(ours) & set(theirs) else None


def comparison(name, ours, theirs, goal=None):
    """How ours compares with what is called name; None where there is no common round."""
    found = ratio(ours, theirs)
    if found is None:
        return None
    made = {"to": name, "ratio": found}
    if goal:
        made |= {"goal": f"{goal[0]} {goal[1]}",
                 "is_reached": found["median"] <= goal[1] if goal[0] == "<=" else found["median"] >= goal[1]}
    return made


def row(what, unit, ours, comparisons, **more):
    return {"what": what, "unit": unit, **more, **summary(list(ours.values())),
            "compared": [each for each in comparisons if each is not None]}


def rows_of_servers(values):
    rows = []
    for (server, test, offloads), ours in values.items():
        comparisons = []
        for reference in REFERENCES:
            goal = next((g[2:] for g in GOALS if g[:2] == (test, reference)), None)
            has_goal = server == "millrace-af_xdp" and not offloads
            if reference != server:
                comparisons.append(comparison(reference, ours, values.get((reference, test, offloads), {}),
                                              goal if has_goal else None))
        rows.append(row(f"{server} {test}", UNITS[test][0], ours, comparisons, server=server, test=test,
                        offloads=offloads))
    return sorted(rows, key=lambda r: (r["offloads"], list(UNITS).index(r["test"])))


def rows_of_paths(paths, copied):
    rows = []
    for what, ours in sorted(paths.items()):
        comparisons = [comparison(name, ours, paths.get(name, {}), goal)
                       for of, name, *goal in PATH_GOALS if of == what]
        unit = {"bulk": "Gbit/s", "messages": "messages/s"}.get(what.rsplit("-", 1)[1], "us")
        of_client = {"copied_per_delivered": copied[what]} if what in copied else {}
        rows.append(row(what, unit, ours, comparisons, **of_client))
    return rows


def rows_of_memory(resident):
    rows = []
    for server, sizes in resident.items():
        mib = sizes["resident_kib"] / 1024
        goal = {"goal": f"<= {MOST_RESIDENT_MIB}", "is_reached": mib <= MOST_RESIDENT_MIB}
        rows.append({"what": f"{server} resident", "server": server, "unit": "MiB", **summary([mib]), **sizes,
                     "compared": [], **(goal if "millrace" in server else {})})
    return rows


def text_of(number):
    return f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"


def verdict(it):
    return f" ({it['goal']} {'reached' if it['is_reached'] else 'MISSED'})" if "goal" in it else ""


def print_table(rows):
    line = "{:<36} {:>9} {:>20} {:<13}  {}"
    print(line.format("what", "median", "least .. most", "unit", "ratios"))
    for r in rows:
        ratios = [f"{c['ratio']['median']:.2f} of {c['to']}{verdict(c)}" for c in r["compared"]]
        if "copied_per_delivered" in r:
            ratios.append(f"copied/delivered {r['copied_per_delivered']:.2f}")
        print(line.format(r["what"] + (", offloads" if r.get("offloads") else ""), text_of(r["median"]),
                          f"{text_of(r['least'])} .. {text_of(r['most'])}", r["unit"], "; ".join(ratios) + verdict(r)))


def print_limits(rows):
    """Stages of received packets only (stack/STAGES.md): what is sent, and the peer, are in none."""
    for r in rows:
        if limit := r.get("limit"):
            print(f"{r['what'] + (', offloads' if r.get('offloads') else ''):<36} most of a received packet's time: "
                  f"{limit['stage']}, {100 * limit['share']:.0f} %, p50 {limit['p50_ns']:,.0f} ns "
                  f"({limit['samples']} samples)")


def machine():
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit}


def main():
    out, json_file = sys.argv[1:]
    values, resident, others = server_rows(out)
    rows = rows_of_servers(values) + rows_of_paths(*path_rows(out)) + rows_of_memory(resident)
    found = limits(out)
    for r in rows:
        if limit := found.get((r.get("server"), r.get("test"), r.get("offloads"))):
            r["limit"] = limit
    print_table(rows)
    print_limits(rows)
    if others:
        print(f"others' processes took {statistics.median(others):.3f} cores during a run, at most {max(others):.2f}")
    with open(json_file, "w") as file:
        json.dump({"machine": machine(), "others_cores": others, "rows": rows}, file, indent=1)
        file.write("\n")


main()
