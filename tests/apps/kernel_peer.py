#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Linux kernel as the peer of millrace-echo: two namespaces, a veth pair, real packets.

usage: kernel_peer.py ECHO_PROGRAM af_packet|af_xdp

TCP and UDP over IPv4 and IPv6, 1 B to 64 MiB compared byte by byte, half-close, reset, 500
connections, ping, stock sockperf. At the end the program has to stop by itself with no mbuf missing.
Exit status 77 where it cannot run: not root, or no AF_XDP.
"""
import atexit
import ctypes
import hashlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

PORT = 7777
OURS = {socket.AF_INET: "10.77.0.1", socket.AF_INET6: "fd77::1"}
KERNELS = {socket.AF_INET: "10.77.0.2/24", socket.AF_INET6: "fd77::2/64"}
TIMEOUT_S = 60
TAG = str(os.getpid())
KERNEL_SIDE, OUR_SIDE = "mrk" + TAG, "mrm" + TAG
random_bytes = random.Random(20260101).randbytes


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


def skip(why):
    print("SKIP:", why)
    sys.exit(77)


class Network:
    """Two namespaces joined by a veth pair; this process lives in the kernel's."""

    def __enter__(self):
        run("ip", "netns", "add", KERNEL_SIDE)
        run("ip", "netns", "add", OUR_SIDE)
        run("ip", "link", "add", "k0", "netns", KERNEL_SIDE, "type", "veth", "peer", "m0", "netns", OUR_SIDE)
        for address in KERNELS.values():
            run("ip", "-n", KERNEL_SIDE, "addr", "add", address, "dev", "k0",
                *(["nodad"] if ":" in address else []))
        run("ip", "-n", KERNEL_SIDE, "link", "set", "k0", "up")
        run("ip", "-n", OUR_SIDE, "link", "set", "m0", "up")
        # A packet socket cannot take what the kernel means to be cut to frames by the card.
        run("ip", "netns", "exec", KERNEL_SIDE, "ethtool", "-K", "k0", "tso", "off", "gso", "off", "gro", "off")
        with open("/run/netns/" + KERNEL_SIDE) as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return self

    def __exit__(self, *_):
        for name in (KERNEL_SIDE, OUR_SIDE):
            run("ip", "netns", "del", name, check=False)


class Echo:
    """millrace-echo in its namespace; .stop() returns what it wrote on stderr."""

    def __init__(self, program, driver, *words):
        self.scratch = tempfile.mkdtemp()
        config = os.path.join(self.scratch, "echo.toml")
        device = f"net_{driver}0"
        with open(config, "w") as file:
            file.write(f'[eal]\nargs = ["--no-huge", "-m", "512", "--no-pci", "--no-shconf", '
                       f'"--vdev={device},iface=m0"]\n'
                       f'[[port]]\ndevice = "{device}"\n'
                       f'addresses = ["{OURS[socket.AF_INET]}/24", "{OURS[socket.AF_INET6]}/64"]\n'
                       f'[stack]\nidle = "sleep"\n')
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", OUR_SIDE, program, "--config", config, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        assert "listening" in line, (line, self.process.communicate()[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=TIMEOUT_S)[1]
        shutil.rmtree(self.scratch)
        assert self.process.returncode == 0, (self.process.returncode, errors)
        assert "mbuf" not in errors, errors
        return errors


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
    echo = Echo(program, driver)
    for name, case, *words in cases:
        case(*words)
        print("ok  ", driver, name, flush=True)
    for address in OURS.values():
        run("ping", "-c", "3", "-i", "0.2", "-W", "10", address)
        print("ok  ", driver, "ping", address, flush=True)
    echo.stop()
    if shutil.which("sockperf"):
        echo = Echo(program, driver, "--sockperf")
        for words in (["--tcp"], []):
            out = run("sockperf", "ping-pong", "-i", OURS[socket.AF_INET], "-p", str(PORT), "-t", "1",
                      "--msg-size", "64", *words).stdout
            assert "percentile 50.000" in out, out
            print("ok  ", driver, "sockperf", *words, flush=True)
        echo.stop()


def main():
    program, driver = os.path.abspath(sys.argv[1]), sys.argv[2]
    if os.geteuid() != 0:
        skip("network namespaces need root")
    if driver == "af_xdp":
        try:
            socket.socket(44, socket.SOCK_RAW).close()
        except OSError:
            skip("this kernel has no AF_XDP")
    with Network():
        test(program, driver)


main()
