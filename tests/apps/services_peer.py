#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Linux kernel as the client of millrace-lat's server: echo, discard and chargen, and its own port beside them.

usage: services_peer.py LAT_PROGRAM af_packet|af_xdp

At the end the program has to stop by itself with no mbuf missing. Exit status 77 where it cannot run.
"""
import hashlib
import itertools
import os
import random
import socket
import struct
import subprocess

from network import OURS, TIMEOUT_S, Server, main, run

ADDRESS = OURS[socket.AF_INET]
ECHO, DISCARD, CHARGEN, OWN = 7, 9, 19, 7777
CONNECTIONS = 1000
random_bytes = random.Random(862).randbytes


def connect(port):
    return socket.create_connection((ADDRESS, port), timeout=TIMEOUT_S)


def generated():
    """RFC 864's stream, line by line."""
    printable = bytes(range(32, 127))
    for line in itertools.count():
        at = line % len(printable)
        yield (printable[at:] + printable)[:72] + b"\r\n"


def take(s, n):
    got = bytearray()
    while len(got) < n:
        part = s.recv(min(1 << 20, n - len(got)))
        assert part, f"the stream ended after {len(got)} of {n} bytes"
        got += part
    return bytes(got)


def echo_brings_back_what_came():
    for size in (1, 1461, 100_000):
        with connect(ECHO) as s:
            message = random_bytes(size)
            s.sendall(message)
            s.shutdown(socket.SHUT_WR)
            assert take(s, size) == message and s.recv(1) == b"", size


def a_thousand_connections_at_once():
    """All are open before the first is used; then all are under way at the same time, twice."""
    sockets = [connect(ECHO) for _ in range(CONNECTIONS)]
    for turn in range(2):
        for i, s in enumerate(sockets):
            s.sendall(b"%d%06d" % (turn, i))
        for i, s in enumerate(sockets):
            assert take(s, 7) == b"%d%06d" % (turn, i), i
    for s in sockets:
        s.close()


def discard_takes_all_and_says_nothing():
    block = random_bytes(1 << 20)
    with connect(DISCARD) as s:
        for _ in range(16):
            s.sendall(block)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""  # it has read up to our end


def chargen_sends_the_pattern():
    size = 4_000_003
    pattern, wanted, have = generated(), hashlib.sha256(), 0
    while have < size:
        line = next(pattern)[:size - have]
        wanted.update(line)
        have += len(line)
    with connect(CHARGEN) as s:
        s.sendall(b"nobody reads this")
        assert hashlib.sha256(take(s, size)).digest() == wanted.digest()


def chargen_that_nobody_reads_stops_nobody():
    idle = [connect(CHARGEN) for _ in range(8)]
    for s in idle:
        take(s, 100)
    echo_brings_back_what_came()
    for s in idle:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ended by a reset
        s.close()
    chargen_sends_the_pattern()


def its_own_port_works_beside():
    """Datagrams, echoes and a run that has the server for itself, while services have clients."""
    with connect(ECHO) as busy, connect(OWN) as own, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(TIMEOUT_S)
        datagrams.connect((ADDRESS, OWN))
        for i in range(50):
            for s in (datagrams, own, busy):
                s.send(b"message %03d of this" % i)
            for s in (datagrams, own, busy):
                assert s.recv(100) == b"message %03d of this" % i


def own_runs(program):
    for words in (["ping-pong"], ["ping-pong", "--udp"], ["throughput", "--verify"],
                  ["throughput", "--verify", "--receive"]):
        run(program, *words, "--kernel", "--address", f"{ADDRESS}:{OWN}", "--duration", "0.2")


def a_stock_client():
    """What a shell user would do."""
    words = ["nc", "-w", "1", ADDRESS, str(ECHO)]
    assert subprocess.run(words, input=b"by hand\n", capture_output=True).stdout == b"by hand\n"


def test(program, driver):
    server = Server(program, driver, "server", "--address", f"{ADDRESS}:{OWN}", names_config=False)
    for case in (echo_brings_back_what_came, a_thousand_connections_at_once, discard_takes_all_and_says_nothing,
                 chargen_sends_the_pattern, chargen_that_nobody_reads_stops_nobody, its_own_port_works_beside,
                 a_stock_client):
        case()
        print("ok  ", driver, case.__name__, flush=True)
    own_runs(os.path.abspath(program))
    print("ok  ", driver, "own runs", flush=True)
    server.stop()


main(test)
