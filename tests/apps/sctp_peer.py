#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SCTP between millrace-echo and a process that has nothing of ours: libusrsctp over the kernel's raw sockets.

usage: sctp_peer.py ECHO_PROGRAM CLIENT_PROGRAM af_packet|af_xdp

Messages of 1 B to 16 MiB over IPv4 and IPv6, compared byte by byte; 1000 associations at once; aborts. Exit status 77 where it cannot run: not root, or no AF_XDP.
"""
import socket
import sys

from network import OURS, Server, main, run

PORT = 7777
CLIENT = sys.argv.pop(2)


def client(family, *words):
    run(CLIENT, OURS[family], str(PORT), *(str(word) for word in words))


def test(program, driver):
    echo = Server(program, driver)
    cases = []
    for family, name in ((socket.AF_INET, "v4"), (socket.AF_INET6, "v6")):
        cases += [(f"{name} {size} B", family, "echo", size, n)
                  for size, n in ((1, 200), (64, 200), (1452, 20), (65536, 10), (1 << 20, 2), (16 << 20, 1))]
        cases += [(f"{name} aborts", family, "abort", 20), (f"{name} 1000 associations", family, "many", 1000)]
    for name, family, *words in cases:
        client(family, *words)
        print("ok  ", driver, "sctp", name, flush=True)
    echo.stop()


main(test)
