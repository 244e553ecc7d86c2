# SPDX-License-Identifier: BSD-3-Clause
"""Two namespaces joined by a veth pair: a server of ours with a DPDK port in one, this process in the other.

    with Network():
        server = Server(program, "af_xdp", "--port", "80")
        ...                        # clients of the kernel, to OURS[socket.AF_INET]
        server.stop()
"""
import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

OURS = {socket.AF_INET: "10.77.0.1", socket.AF_INET6: "fd77::1"}
KERNELS = {socket.AF_INET: "10.77.0.2/24", socket.AF_INET6: "fd77::2/64"}
TIMEOUT_S = 60
TAG = str(os.getpid())
KERNEL_SIDE, OUR_SIDE = "mrk" + TAG, "mrm" + TAG


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


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


class Server:
    """A program of ours in its namespace; .stop() returns what it wrote on stderr.

    Its configuration is named by MILLRACE_CONFIG, and by --config unless names_config is False."""

    def __init__(self, program, driver, *words, names_config=True):
        self.scratch = tempfile.mkdtemp()
        config = os.path.join(self.scratch, "server.toml")
        device = f"net_{driver}0"
        with open(config, "w") as file:
            file.write(f'[eal]\nargs = ["--no-huge", "-m", "512", "--no-pci", "--no-shconf", '
                       f'"--vdev={device},iface=m0"]\n'
                       f'[[port]]\ndevice = "{device}"\n'
                       f'addresses = ["{OURS[socket.AF_INET]}/24", "{OURS[socket.AF_INET6]}/64"]\n'
                       f'[stack]\nidle = "sleep"\n')
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", OUR_SIDE, program, *(["--config", config] if names_config else []), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MILLRACE_CONFIG": config})
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        assert "listening" in line, (line, self.process.communicate()[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.output, errors = self.process.communicate(timeout=TIMEOUT_S)
        shutil.rmtree(self.scratch)
        assert self.process.returncode == 0, (self.process.returncode, errors)
        assert "mbuf" not in errors, errors
        return errors


def main(test):
    """Runs test(program, driver) for the words of the command line."""
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
