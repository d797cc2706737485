#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""pairs.py PAIR SERVER CLIENT WINDOWS LINUX DLL... - one pair of the examples, as two processes over WSD_BACKENDS.

SERVER and CLIENT are "windows" or "linux", WINDOWS and LINUX the folders of their programs. Windows programs lie beside
copies of the DLLs: the ws2_32.dll of tests/winapps, which loads openwsd.dll as that of Windows does.
"""
import contextlib
import filecmp
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

WINE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wine")
SECONDS = 90
PATH = os.environ["WSD_BACKENDS"]


def require(condition, *said):
    if not condition:
        sys.exit(" ".join(str(part) for part in said))


class Program:
    """One that has been started; it is killed when its block ends."""

    def __init__(self, command, env, folder, name):
        self.name = name
        self.output = os.path.join(folder, f"{name}.{time.monotonic_ns()}.out")
        with open(self.output, "wb") as file, open(self.output + ".err", "wb") as errors:
            self.process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=file,
                                            stderr=errors)

    def said(self, kind=""):
        with open(self.output + kind, encoding="utf-8", errors="replace") as file:
            return file.read().replace("\r", "")

    def port(self):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            for line in self.said().splitlines(keepends=True):
                if line.startswith("listening on port") and line.endswith("\n"):
                    return line.split()[-1]
            time.sleep(0.02)
        return require(False, self.name, "does not listen:", self.said(".err"))

    def end(self, status=0):
        """Its standard output, when it has ended with this status."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            got = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            got = "still running"
        require(got == status, f"{self.name}: {got}, not {status}:", self.said(), self.said(".err"))
        return self.said()


class Side:
    """Where programs of one system are, and how they are run."""

    def __init__(self, system, programs, folder, dlls):
        self.system, self.programs, self.folder = system, programs, folder
        self.env = dict(os.environ, WSD_CONFIG="nul" if system == "windows" else "/dev/null")
        for dll in dlls if system == "windows" else ():
            shutil.copy(dll, folder)

    @contextlib.contextmanager
    def start(self, name, *args):
        command = [os.path.join(self.programs, name), *args]
        if self.system == "windows":
            shutil.copy(command[0] + ".exe", self.folder)
            command = [WINE, "--exec", os.path.join(self.folder, name + ".exe"), *args]
        program = Program(command, self.env, self.folder, name)
        try:
            yield program
        finally:
            program.process.kill()
            program.process.wait()

    def run(self, name, *args, status=0):
        with self.start(name, *args) as program:
            return program.end(status)


def echo(server, client):
    with server.start("echo_server", "0", "3") as serving:
        port = serving.port()
        client.run("echo_client", port, "2000", "64")
        client.run("echo_client", port, "50", "65536", "1")
        client.run("echo_client", port, "2000", "64", "64")
        serving.end()


def event(server, client):
    with server.start("iocp_server", "0") as serving:
        port = serving.port()
        client.run("event_client", port, "1", "100000")
        client.run("event_client", port, "100", "65536")
        said = serving.end()
    require("served 101 connections" in said.splitlines(), said)


def wsdping(server, client):
    with server.start("wsdping", "-l", "0") as serving:
        said = client.run("wsdping", "-n", "1000", "-s", "300", f"127.0.0.1:{serving.port()}")
        serving.end()
    require(said.startswith("1000 round trips of 300 bytes ") and f" over {PATH}" in said.splitlines()[0], said)


def wsdcp(server, client):
    to = os.path.join(server.folder, "to")
    os.mkdir(to)
    for name, size in (("large", 30000001), ("small name", 1000), ("empty", 0)):
        file = os.path.join(client.folder, name)
        with open(file, "wb") as made:
            made.write(random.Random(size).randbytes(size))
        with server.start("wsdcp", "-l", "0", "to") as serving:
            sent = client.run("wsdcp", name, f"127.0.0.1:{serving.port()}")
            received = serving.end()
        require(filecmp.cmp(file, os.path.join(to, name), shallow=False), name, "differs")
        checksum = sent.partition(" XXH3 ")[2][:16]
        require(f" over {PATH}" in sent and len(checksum) == 16 and checksum in received, sent, received)
    # What is there: refused, and replaced.
    with server.start("wsdcp", "-l", "0", "to") as serving:
        client.run("wsdcp", "small name", f"127.0.0.1:{serving.port()}", status=1)
        serving.end(1)
    with server.start("wsdcp", "-l", "0", "-f", "to/empty") as serving:
        client.run("wsdcp", "small name", f"127.0.0.1:{serving.port()}")
        serving.end()
    require(filecmp.cmp(os.path.join(client.folder, "small name"), os.path.join(to, "empty"), shallow=False),
            "the file that was there has not been replaced")


def http_get(server, client):
    with server.start("http_server", "0") as serving:
        where = f"127.0.0.1:{serving.port()}"
        require(client.run("http_get", where, "/path") == PATH, "another path")
        pattern = "abcdefghijklmnopqrstuvwxyz"
        require(client.run("http_get", where, "/1000000") == (pattern * 40000)[:1000000], "other bytes")
        if PATH == "plain":
            # A client without OpenWSD: what it posts comes back, twice over one connection.
            connection = http.client.HTTPConnection(where, timeout=SECONDS)
            for body in (b"a\r\nb", random.Random(1).randbytes(60000)):
                connection.request("POST", "/", body)
                require(connection.getresponse().read() == body, "posted bytes differ")
            connection.close()
        serving.end()


def kv(server, client):
    """Its clients are those of Redis; here a socket of the system's."""
    del client
    with server.start("kv_server", "0") as serving:
        for words, answer in (("SET key value", b"+OK\r\n"), ("GET key", b"$5\r\nvalue\r\n"), ("GET none", b"$-1\r\n"),
                              ("INCR n", b":1\r\n"), ("DEL key", b":1\r\n")):
            require(ask(serving.port(), words, len(answer)) == answer, words)
        ask(serving.port(), "SHUTDOWN", 1)
        serving.end()


def ask(port, words, length):
    parts = words.encode().split()
    with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as s:
        s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        got = b""
        while len(got) < length:
            more = s.recv(4096)
            if not more:
                break
            got += more
        return got


def wsdflow(server, client):
    with server.start("wsdflow", "-l", "0", "-t", "4") as serving:
        client.run("wsdflow", "-n", "3", "-t", "1", f"127.0.0.1:{serving.port()}")
        table = [line.split() for line in serving.end().splitlines() if not line.startswith("listening")]
    require(len(table[0]) == 4 and all(any(float(row[i]) > 0 for row in table[1:]) for i in (1, 2, 3)), table)


PAIRS = {"echo": echo, "event": event, "wsdping": wsdping, "wsdcp": wsdcp, "http": http_get, "kv": kv,
         "wsdflow": wsdflow}


def main(pair, server, client, windows, linux, *dlls):
    if "linux" in (server, client) and not os.path.exists(os.path.join(linux, "echo_server")):
        print(f"no programs in {linux}: build them first")
        return 77
    programs = {"windows": windows, "linux": linux}
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for system, name in ((server, "server"), (client, "client")):
            os.mkdir(os.path.join(folder, name))
            sides.append(Side(system, programs[system], os.path.join(folder, name), dlls))
        probe = sides[0] if server == "windows" else sides[1]
        with probe.start("echo_server") as nothing: # its usage
            if nothing.process.wait(SECONDS) == 77:
                return 77
        PAIRS[pair](*sides)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
