#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""millrace-lat under-load: what it writes, read by code of its own; and a server that stands still.

usage: load_check.py LAT_PROGRAM
"""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

PROGRAM = os.path.abspath(sys.argv[1])
SCRATCH = tempfile.TemporaryDirectory()
STALL_S = 0.3


def path(name):
    return os.path.join(SCRATCH.name, name)


def under_load(*words):
    """What it wrote as JSON."""
    subprocess.run([PROGRAM, "under-load", "--json", path("json"), *words], check=True, capture_output=True, text=True,
                   timeout=60)
    with open(path("json")) as file:
        return json.load(file)


def counts_of(payload):
    """HdrHistogram's V2: LEB128 of ZigZag; a negative number is so many zeros."""
    counts, at = [], 0
    while at < len(payload):
        value = shift = 0
        for i in range(9):
            byte = payload[at]
            at += 1
            value |= (byte if i == 8 else byte & 0x7f) << shift
            shift += 7
            if i < 8 and byte < 0x80:
                break
        value = (value >> 1) ^ -(value & 1)
        counts += [0] * -value if value < 0 else [value]
    return counts


def highest_of(index):
    """The largest value of a slot, three digits: 2048 slots one wide, then 1024 per doubling."""
    shift = max(index // 1024 - 1, 0)
    return ((index - shift * 1024 + 1) << shift) - 1


def log_of(name):
    """[(tag, start_s, length_s, max_ms, counts)]"""
    intervals = []
    with open(path(name)) as file:
        lines = file.read().splitlines()
    assert lines[1] == "#[Histogram log format version 1.3]" and lines[2].startswith("#[StartTime: "), lines[:3]
    for line in lines[4:]:
        fields = line.split(",")
        tag = fields.pop(0)[4:] if line.startswith("Tag=") else ""
        compressed = base64.b64decode(fields[3], validate=True)
        cookie, length = struct.unpack(">II", compressed[:8])
        assert cookie == 0x1c849314 and length == len(compressed) - 8, (cookie, length)
        plain = zlib.decompress(compressed[8:])
        cookie, length, offset, digits, lowest, highest, ratio = struct.unpack(">IIIIQQd", plain[:40])
        assert (cookie, length, offset, digits, lowest, ratio) == (0x1c849313, len(plain) - 40, 0, 3, 1, 1.0)
        assert highest == 60_000_000_000
        intervals.append((tag, *map(float, fields[:3]), counts_of(plain[40:])))
    return intervals


def percentile(counts, percent):
    rank, seen = max(1, -(-sum(counts) * percent // 100)), 0
    for index, count in enumerate(counts):
        seen += count
        if seen >= rank:
            return highest_of(index)


def the_log_says_what_the_json_says():
    result = under_load("--self", "--address", "127.0.0.1:7777", "--rate", "3000", "--duration", "1.5",
                        "--connections", "3", "--hlog", path("hlog"), "--hgrm", path("hgrm"))
    assert result["messages"] == 4500 and result["unanswered"] == 0, result
    intervals = log_of("hlog")
    assert [(i[1], i[2]) for i in intervals] == [(0, 1), (1, 1)], intervals
    assert [sum(i[4]) for i in intervals] == [3000, 1500]
    whole = [sum(pair) for pair in zip(*(i[4] + [0] * (30_000 - len(i[4])) for i in intervals))]
    for name, percent in (("p50", 50), ("p99", 99)):
        assert percentile(whole, percent) == result["latency_ns"][name], name
    assert abs(max(i[3] for i in intervals) * 1e6 - result["latency_ns"]["max"]) <= 500
    with open(path("hgrm")) as file:
        values = [float(line.split()[0]) for line in file if line.strip() and line.lstrip()[0].isdigit()]
    assert values == sorted(values) and len(values) > 10


class StallingServer(threading.Thread):
    """The kernel's echo of one client, which once stands still for STALL_S."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        stalls_at, have = 64 * 200, 0
        while data := connection.recv(65536):
            if have < stalls_at <= have + len(data):
                time.sleep(STALL_S)
            have += len(data)
            connection.sendall(data)


def a_stall_makes_all_late_that_were_due_meanwhile():
    """1000 messages a second: those due in the first two thirds of the stall are late by a third of it at least. A
    closed loop would count one."""
    server = StallingServer()
    result = under_load("--kernel", "--address", server.address, "--rate", "1000", "--duration", "1",
                        "--hlog", path("stall"))
    late_ns = STALL_S / 3 * 1e9
    late = sum(count for interval in log_of("stall") for index, count in enumerate(interval[4])
               if highest_of(index) >= late_ns)
    assert late >= 195, late
    assert result["latency_ns"]["max"] >= STALL_S * 0.99e9, result


def what_never_comes_back_counts_as_late():
    """A socket that takes datagrams and answers the first only, so that the client finds it."""
    with socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        words = [PROGRAM, "under-load", "--kernel", "--udp", "--address", "127.0.0.1:%d" % mute.getsockname()[1],
                 "--rate", "100", "--duration", "0.2", "--json", path("json")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "not kept up" in done.stdout, done
        with open(path("json")) as file:
            result = json.load(file)
        assert result["unanswered"] == 20 and result["achieved_per_s"] == 0, result
        assert result["latency_ns"]["min"] >= 800_000_000, result  # the last one, too, waited out the patience


def a_sweep_logs_each_of_its_rates():
    """Where its knee is depends on the machine: tests/apps/sweep_test.cc."""
    subprocess.run([PROGRAM, "under-load", "--self", "--address", "127.0.0.1:7777", "--sweep", "--rate", "500", "--step",
                    "8", "--duration", "0.2", "--limit-us", "500000", "--json", path("json"), "--hlog", path("sweep")],
                   check=False, capture_output=True, text=True, timeout=60)
    with open(path("json")) as file:
        rates = json.load(file)["rates"]
    assert rates[0]["offered_per_s"] == 500, rates
    logged = {interval[0]: sum(interval[4]) for interval in log_of("sweep")}
    assert logged == {f"{int(rate['offered_per_s'])}/s": rate["messages"] for rate in rates}, (logged, rates)


def the_stages_are_told():
    """Each burst timed: every receive of client and server is in the table and in the JSON."""
    with open(path("config"), "w") as file:
        file.write("[stack]\nstages_sample = 1\n")
    done = subprocess.run([PROGRAM, "ping-pong", "--self", "--address", "127.0.0.1:7777", "--duration", "0.2", "--warmup",
                           "0", "--config", path("config"), "--stages", "--json", path("json")], check=True,
                          capture_output=True, text=True, timeout=60)
    with open(path("json")) as file:
        result = json.load(file)
    table = {words[0]: words[1:6] for words in map(str.split, done.stdout.splitlines())}
    for name in ("burst", "lwip", "inbox", "scatter", "return"):
        stage = result["stages"][name]
        assert table[name] == [str(stage[key]) for key in ("count", "p50", "p99", "p99.9", "max")], (table, stage)
    assert table["port"] == ["0"] * 5 and "port" not in result["stages"], "the loopback has no timestamps"
    assert result["stages"]["scatter"]["count"] >= 2 * result["messages"] > 0, result


for case in (the_log_says_what_the_json_says, a_stall_makes_all_late_that_were_due_meanwhile,
             what_never_comes_back_counts_as_late, a_sweep_logs_each_of_its_rates, the_stages_are_told):
    case()
    print("ok  ", case.__name__, flush=True)
