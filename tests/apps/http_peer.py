#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""millrace-http and the HTTP clients of a Linux kernel beside it: curl, wrk, and requests written by hand.

usage: http_peer.py HTTP_PROGRAM af_packet|af_xdp

Exit status 77 where it cannot run.
"""
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

from network import OURS, TIMEOUT_S, Server, main, run, skip

PORT = 8080
FILES = {"index.html": b"<p>home</p>", "sub/index.html": b"<p>sub</p>", "empty.txt": b"",
         "a b.txt": b"blank", "large.bin": random.Random(1).randbytes(20_000_000)}


def url(path, family=socket.AF_INET):
    host = OURS[family] if family == socket.AF_INET else f"[{OURS[family]}]"
    return f"http://{host}:{PORT}{path}"


def curl(path, *words, family=socket.AF_INET):
    """The status and the content."""
    command = ["curl", "-sS", "--path-as-is", "-m", str(TIMEOUT_S), "-w", "\n%{http_code}", *words, url(path, family)]
    content, status = subprocess.run(command, check=True, capture_output=True).stdout.rsplit(b"\n", 1)
    return int(status), content


def exchange(request):
    """Everything up to the end of the connection."""
    with socket.create_connection((OURS[socket.AF_INET], PORT), timeout=TIMEOUT_S) as s:
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


def files_are_served():
    for family in OURS:
        for name, content in FILES.items():
            assert curl("/" + name.replace(" ", "%20"), family=family) == (200, content), name
    assert curl("/") == (200, FILES["index.html"])
    assert curl("/sub/?query=1") == (200, FILES["sub/index.html"])
    assert curl("/plaintext") == (200, b"Hello, World!")


def what_is_not_there_is_404():
    for path in ("/nothing", "/sub", "/sub/nothing"):
        assert curl(path)[0] == 404, path
    assert curl("/nothing", "-I")[0] == 404


def nothing_outside_of_the_root():
    for path in ("/../secret", "/sub/../../secret", "/%2e%2e/secret", "/%zz", "/%00"):
        status, content = curl(path)
        assert status == 400 and b"secret" not in content, (path, status)


def head_has_no_content():
    status, head = curl("/large.bin", "-I")
    assert status == 200 and b"Content-Length: 20000000" in head, head


def connections_are_kept():
    many = [url("/plaintext"), url("/index.html")] * 20
    out = run("curl", "-sS", "-m", str(TIMEOUT_S), "-w", "%{num_connects} ", *sum((["-o", "/dev/null", u] for u in many), []))
    assert sum(map(int, out.stdout.split())) == 1, out.stdout


def pipelined_requests_are_answered_in_order():
    one = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"
    page = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /sub/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    bodies = [part.split(b"\r\n\r\n")[1] for part in exchange((one * 10 + page) * 200 + last).split(b"HTTP/1.1 200")[1:]]
    assert bodies == ([b"Hello, World!"] * 10 + [FILES["index.html"]]) * 200 + [FILES["sub/index.html"]], len(bodies)


def a_request_may_come_in_pieces():
    with socket.create_connection((OURS[socket.AF_INET], PORT), timeout=TIMEOUT_S) as s:
        for byte in b"GET /plaintext HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        assert b"".join(iter(lambda: s.recv(65536), b"")).endswith(b"Hello, World!")


def bad_requests_end_the_connection():
    for request, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\n\r\n", b"400"),
                            (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
                            (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
                            (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"501"),
                            (b"GET /" + b"x" * 20000, b"431")):
        assert exchange(request).startswith(b"HTTP/1.1 " + status), request[:40]


def clients_may_leave_in_the_middle():
    for i in range(50):
        with socket.create_connection((OURS[socket.AF_INET], PORT), timeout=TIMEOUT_S) as s:
            s.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"[:None if i % 2 else 12])
            if i % 2:
                s.recv(1000)
    assert curl("/plaintext") == (200, b"Hello, World!")


def wrk_sees_no_errors():
    if not shutil.which("wrk"):
        skip("wrk is not installed")
    for path in ("/plaintext", "/index.html"):
        for connections in ("1", "64", "500"):
            out = run("wrk", "-t1", "-c" + connections, "-d1s", url(path)).stdout
            assert "Socket errors" not in out and "Non-2xx" not in out and "Requests/sec" in out, out


def test(program, driver):
    if not shutil.which("curl"):
        skip("curl is not installed")
    folder = tempfile.mkdtemp()
    root = os.path.join(folder, "root")
    for name, content in FILES.items():
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "wb") as file:
            file.write(content)
    with open(os.path.join(folder, "secret"), "w") as file:
        file.write("secret")
    server = Server(program, driver, "--root", root, "--port", str(PORT))
    for case in (files_are_served, what_is_not_there_is_404, nothing_outside_of_the_root, head_has_no_content,
                 connections_are_kept, pipelined_requests_are_answered_in_order, a_request_may_come_in_pieces,
                 bad_requests_end_the_connection, clients_may_leave_in_the_middle, wrk_sees_no_errors):
        case()
        print("ok  ", driver, case.__name__, flush=True)
    server.stop()
    shutil.rmtree(folder)


main(test)
