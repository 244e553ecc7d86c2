#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The servers of bench/side-by-side behind veth pairs, and one client of the kernel for all of them.

usage: side_by_side.py OUT_DIR ROUNDS SECONDS SERVER_CPU CLIENT_CPU EAL_ARGS [NAME=COMMAND ...]

Each server has a veth pair of its own, all alike: one queue, offloads off (and another set of pairs with them on).
In a round all take turns with each test. Writes one JSON object per run to OUT_DIR/runs.jsonl.
"""
import atexit
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time

BUILD = "build/release/"
CLIENT = BUILD + "bench/bench-epoll-client"
TAG = str(os.getpid())
CLIENT_NETNS = "mrbc" + TAG

# test: the client's words
TESTS = {
    "echo-spin": ["echo", "--spin"],
    "echo-block": ["echo"],
    "requests-64": ["echo", "--connections", "64", "--spin"],
    "requests-1000": ["echo", "--connections", "1000", "--spin"],
    "connections-1": ["connect", "--connections", "1", "--spin"],
    "connections-16": ["connect", "--connections", "16", "--spin"],
    "bulk-in": ["send"],
    "bulk-out": ["receive"],
}
WITH_PERCENTILES = ["echo-spin", "echo-block", "requests-64"]
# Of a core, in the kernel's user time: others' work during a run, above which it is done again.
MOST_OTHERS = 0.05
MOST_ATTEMPTS = 3
WITH_OFFLOADS = ["echo-spin", "requests-64", "bulk-in", "bulk-out"]


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


class Pair:
    """A veth pair; the server's end is in a namespace of its own."""

    def __init__(self, number, has_kernel, offloads):
        self.netns = f"mrbs{number}-{TAG}"
        self.end = f"b{number}"
        self.address = f"10.78.{number}.2"
        run("ip", "netns", "add", self.netns)
        atexit.register(run, "ip", "netns", "del", self.netns, check=False)
        run("ip", "-n", self.netns, "link", "add", self.end, "numrxqueues", "1", "numtxqueues", "1", "type", "veth",
            "peer", self.end, "numrxqueues", "1", "numtxqueues", "1", "netns", CLIENT_NETNS)
        for netns in (self.netns, CLIENT_NETNS):
            if not offloads:
                run("ip", "netns", "exec", netns, "ethtool", "-K", self.end, "tx", "off", "tso", "off", "gso", "off",
                    "gro", "off")
            elif not has_kernel:
                # A poll-mode driver sees what the kernel leaves undone: it cannot take segments of 64 KiB.
                run("ip", "netns", "exec", netns, "ethtool", "-K", self.end, "tso", "off", "gso", "off", "gro", "off")
            run("ip", "-n", netns, "link", "set", self.end, "up")
        run("ip", "-n", CLIENT_NETNS, "address", "add", f"10.78.{number}.1/24", "dev", self.end)
        if has_kernel:
            run("ip", "-n", self.netns, "address", "add", self.address + "/24", "dev", self.end)


class Server:
    """One of those compared. It is started for a test and stopped after it, so that no other runs meanwhile."""

    def __init__(self, name, number, offloads, command=None):
        self.name, self.driver, self.offloads = name, None, offloads
        if name.startswith("millrace"):
            self.driver = "af_packet" if "af_packet" in name else "af_xdp"
        self.pair = Pair(number, self.driver is None, offloads)
        self.is_ours = command is None and self.driver is not None
        self.command = command or self.own_command()
        self.resident_kib = None

    def own_command(self):
        if self.driver is None:
            return [BUILD + "bench/bench-epoll-server", "--address", self.pair.address,
                    *(["--spin"] if self.name == "epoll-spin" else [])]
        path = f"{OUT}/{self.name}-{self.pair.end}.toml"
        device = f"net_{self.driver}0"
        args = [*EAL_ARGS, f"--vdev={device},iface={self.pair.end}"]
        with open(path, "w") as file:
            file.write(f"[eal]\nargs = {json.dumps(args)}\n[[port]]\ndevice = \"{device}\"\n"
                       f"addresses = [\"{self.pair.address}/24\"]\n[stack]\nmbufs = 8192\n")
        return [BUILD + "apps/millrace-lat", "server", "--config", path, "--address", self.pair.address + ":7777",
                "--json", self.stages_path()]

    def stages_path(self):
        """What millrace's server writes at its end: where the time of received packets went."""
        return f"{OUT}/{self.name}-{self.pair.end}.stages.json"

    def take_stages(self):
        """Of the run that just ended. @return {} where the server has none"""
        try:
            with open(self.stages_path()) as file:
                return json.load(file).get("stages", {})
        except FileNotFoundError:
            return {}

    @contextlib.contextmanager
    def running(self):
        words = [word.replace("@ADDRESS@", self.pair.address) for word in self.command]
        log = open(f"{OUT}/{self.name}.log", "a")
        process = subprocess.Popen(["ip", "netns", "exec", self.pair.netns, "taskset", "-c", SERVER_CPU, *words],
                                   stdout=log, stderr=log)
        try:
            self.wait_until_it_answers(process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_until_it_answers(self, process):
        for _ in range(100):
            if client(self, ["echo", "--duration", "0.01", "--warmup", "0"]).returncode == 0:
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not answer; see {OUT}/{self.name}.log")


def client(server, words, program=CLIENT, port=""):
    return run("ip", "netns", "exec", CLIENT_NETNS, "taskset", "-c", CLIENT_CPU, "timeout", "60", program, *words,
               "--address", server.pair.address + port, check=False)


def sweep(server):
    """Latency over load, up to the knee: 16 connections, p99 of at most 10 ms."""
    with server.running():
        done = client(server, ["under-load", "--kernel", "--connections", "16", "--sweep", "--rate", "10000", "--duration",
                               SECONDS, "--limit-us", "10000", "--json", f"{OUT}/{server.name}-sweep.json", "--hlog",
                               f"{OUT}/{server.name}-sweep.hlog"], BUILD + "apps/millrace-lat", ":7")
        print(f"== {server.name}: {(done.stdout or done.stderr).strip().splitlines()[-1]}", flush=True)


def resident_kib(pid):
    """Small pages and huge ones: the pool is among them."""
    sizes = {"VmRSS:": 0, "RssFile:": 0, "HugetlbPages:": 0}
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            name, *rest = line.split()
            if name in sizes:
                sizes[name] = int(rest[0])
    return {"resident_kib": sizes["VmRSS:"] + sizes["HugetlbPages:"], "of_that_files_kib": sizes["RssFile:"],
            "of_that_hugepages_kib": sizes["HugetlbPages:"]}


def user_seconds_of(pid):
    """Of a process, with its threads."""
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


def user_seconds_of_all():
    with open("/proc/stat") as stat:
        return sum(map(int, stat.readline().split()[1:3])) / os.sysconf("SC_CLK_TCK")


def undisturbed(server, words, process):
    """Runs the client, again if others compute meanwhile; the least disturbed one, and the cores that others took."""
    best = None
    for attempt in range(MOST_ATTEMPTS):
        if attempt != 0:
            time.sleep(1)
        before = (time.monotonic(), user_seconds_of_all(), user_seconds_of(process.pid), os.times().children_user)
        done = client(server, words)
        after = (time.monotonic(), user_seconds_of_all(), user_seconds_of(process.pid), os.times().children_user)
        elapsed, everything, servers, clients = (b - a for a, b in zip(before, after))
        others = max(0.0, (everything - servers - clients) / elapsed)
        if best is None or others < best[1]:
            best = (done, others)
        if others <= MOST_OTHERS:
            break
    return best


def measure(server, tests, round_number, runs):
    """Each test has a server of its own where that counts the stages of its packets."""
    groups = [[test] for test in tests] if server.is_ours else [tests]
    for group in groups:
        results = []
        with server.running() as process:
            for test in group:
                results.append(measure_one(server, test, process, round_number))
        for result in results:
            if len(group) == 1:
                result["stages"] = server.take_stages()
            runs.write(json.dumps(result) + "\n")
            runs.flush()


def measure_one(server, test, process, round_number):
    words = [*TESTS[test], "--duration", SECONDS]
    if test in WITH_PERCENTILES:
        words += ["--hgrm", f"{OUT}/{server.name}-{test}{'-offloads' if server.offloads else ''}.{round_number}.hgrm"]
    done, others = undisturbed(server, words, process)
    result = {"server": server.name, "test": test, "round": round_number, "offloads": server.offloads,
              "others_cores": round(others, 3)}
    if done.returncode == 0:
        result |= {"ok": True} | {k: v for k, v in json.loads(done.stdout).items() if k != "test"}
    else:
        result |= {"ok": False, "error": done.stderr.strip()[-200:]}
        print(f"== {server.name} {test}: {result['error']}", flush=True)
    if test == "requests-1000":
        result |= resident_kib(process.pid)
    return result


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # namespaces go, servers too
    run("ip", "netns", "add", CLIENT_NETNS)
    atexit.register(run, "ip", "netns", "del", CLIENT_NETNS, check=False)
    # Connections that have ended must not keep their ports for a minute: connect() would look for a free one for
    # milliseconds. What is in TIME_WAIT beyond this number is forgotten.
    run("ip", "netns", "exec", CLIENT_NETNS, "sysctl", "-w", "net.ipv4.tcp_max_tw_buckets=1000",
        "net.ipv4.ip_local_port_range=1024 65535")
    names = {name: None for name in ("epoll-spin", "epoll-block", "millrace-af_xdp", "millrace-af_packet")}
    names |= {name: shlex.split(command) for name, _, command in (word.partition("=") for word in sys.argv[7:])}
    servers = [Server(name, number, False, command) for number, (name, command) in enumerate(names.items(), 1)]
    others = [Server(name, number, True, command) for number, (name, command) in enumerate(names.items(), 101)]
    with open(OUT + "/runs.jsonl", "w") as runs:
        for round_number in range(1, ROUNDS + 1):
            print(f"== round {round_number} of {ROUNDS}, behind veth pairs", flush=True)
            for server in servers:
                measure(server, TESTS, round_number, runs)
        print("== the same with offloads on", flush=True)
        for server in others:
            measure(server, WITH_OFFLOADS, 1, runs)
    for server in servers:
        sweep(server)


if __name__ == "__main__":
    OUT, ROUNDS, SECONDS, SERVER_CPU, CLIENT_CPU = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
    EAL_ARGS = shlex.split(sys.argv[6])
    main()
