#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Linux kernel as the peer of millrace-echo: two namespaces, a veth pair, real packets.

usage: kernel_peer.py ECHO_PROGRAM af_packet|af_xdp

TCP and UDP over IPv4 and IPv6, 1 B to 64 MiB compared byte by byte, half-close, reset, 500
connections, ping, stock sockperf. At the end the program has to stop by itself with no mbuf missing.
Exit status 77 where it cannot run: not root, or no AF_XDP.
"""
import hashlib
import random
import socket
import struct
import threading

from network import OURS, TIMEOUT_S, Server, main, run

PORT = 7777
random_bytes = random.Random(20260101).randbytes


def connect(family):
    return socket.create_connection((OURS[family], PORT), timeout=TIMEOUT_S)


def tcp_round_trip(family, size):
    """Sends size bytes, half-closes, and compares what comes back up to the end of the stream."""
    block = random_bytes(min(size, 1 << 20))
    sent, received = hashlib.sha256(), hashlib.sha256()
    total = 0
    with connect(family) as s:
        def send():
            left = size
            while left:
                part = block[:left]
                s.sendall(part)
                sent.update(part)
                left -= len(part)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        while data := s.recv(1 << 20):
            received.update(data)
            total += len(data)
        sender.join()
    assert total == size, f"{total} of {size} bytes came back"
    assert sent.digest() == received.digest(), f"{size} bytes came back changed"


def udp_round_trip(family, size):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT_S)
        s.connect((OURS[family], PORT))
        message = random_bytes(size)
        s.send(message)
        assert s.recv(70000) == message, f"datagram of {size} bytes"


def reset_is_survived(family):
    for _ in range(20):
        s = connect(family)
        s.sendall(b"x" * 1000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    tcp_round_trip(family, 1000)


def many_connections(family, n):
    """n connections opened before the first is used, each echoing its own number."""
    sockets = [connect(family) for _ in range(n)]
    for i, s in enumerate(sockets):
        s.sendall(b"%06d" % i)
    for i, s in enumerate(sockets):
        assert s.recv(6, socket.MSG_WAITALL) == b"%06d" % i
        s.close()


def test(program, driver):
    cases = []
    # The af_packet driver makes the kernel reassemble, and then cuts what is longer than its frames.
    for family, name in ((socket.AF_INET, "v4"), (socket.AF_INET6, "v6")):
        cases += [(f"tcp {name} {size} B", tcp_round_trip, family, size)
                  for size in (1, 1460, 1461, 65536, 1 << 20, 64 << 20)]
        cases += [(f"udp {name} {size} B", udp_round_trip, family, size)
                  for size in (1, 1400, 1473, 9000) if size < 2000 or driver == "af_xdp"]
        cases += [(f"tcp {name} reset", reset_is_survived, family),
                  (f"tcp {name} 500 connections", many_connections, family, 500)]
    echo = Server(program, driver)
    for name, case, *words in cases:
        case(*words)
        print("ok  ", driver, name, flush=True)
    for address in OURS.values():
        run("ping", "-c", "3", "-i", "0.2", "-W", "10", address)
        print("ok  ", driver, "ping", address, flush=True)
    echo.stop()
    echo = Server(program, driver, "--sockperf")
    for words in (["--tcp"], []):
        out = run("sockperf", "ping-pong", "-i", OURS[socket.AF_INET], "-p", str(PORT), "-t", "1",
                  "--msg-size", "64", *words).stdout
        assert "percentile 50.000" in out, out
        print("ok  ", driver, "sockperf", *words, flush=True)
    echo.stop()


main(test)
