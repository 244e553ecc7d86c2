#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Linux kernel sends numbered datagrams to millrace-rio: each is counted, as received or as lost.

usage: rio_peer.py RIO_PROGRAM af_packet|af_xdp

At the end the program has to stop by itself with no mbuf missing. Exit status 77 where it cannot run.
"""
import re
import socket
import struct
import time

from network import OURS, Server, main

PORT = 9000
BYTES = 64
BURSTS, IN_A_BURST = 200, 100
LAST = 5


def numbered(number, size=BYTES):
    return struct.pack(">Q", number).ljust(size, b".")


def send_all(family):
    """Bursts as fast as they go, and a few with time between them: of what is lost before those the receiver
    can know."""
    sent = 0
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.connect((OURS[family], PORT))
        for _ in range(BURSTS):
            for _ in range(IN_A_BURST):
                s.send(numbered(sent))
                sent += 1
            time.sleep(0.001)
        for _ in range(LAST):
            time.sleep(0.1)
            s.send(numbered(sent))
            sent += 1
        time.sleep(0.1)
        s.send(numbered(sent, BYTES + 1))  # does not fit
        time.sleep(0.5)
        return sent + 1


def totals(output):
    line = output.strip().splitlines()[-1]
    return {name: int(number) for number, name in re.findall(r"(\d+) (datagrams|bytes)", line)} | {
        name: int(number) for name, number in re.findall(r"(lost|late|double|cut|failed) (\d+)", line)}


def every_datagram_is_counted(program, driver, family, wait):
    receiver = Server(program, driver, "--port", str(PORT), "--bytes", str(BYTES), "--wait", wait, "--sequence",
                      names_config=False)
    sent = send_all(family)
    receiver.stop()
    got = totals(receiver.output)
    assert got["datagrams"] + got["lost"] == sent, (got, sent)
    assert got["datagrams"] > LAST and got["bytes"] == got["datagrams"] * BYTES, got
    assert (got["cut"], got["failed"], got["double"]) == (1, 0, 0), got
    return got


def test(program, driver):
    for family, name in ((socket.AF_INET, "v4"), (socket.AF_INET6, "v6")):
        for wait in ("poll", "event", "port"):
            got = every_datagram_is_counted(program, driver, family, wait)
            print("ok  ", driver, name, wait, got, flush=True)


main(test)
