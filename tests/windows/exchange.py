#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""exchange.py LINUX WINDOWS FAMILY: conformance_exchange of both systems, each once as the server of the other."""

import os
import subprocess
import sys
import tempfile
import time

WINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wine")
SECONDS = 90


def port_in(path, server):
    """What the server has written there, waited for."""
    for _ in range(SECONDS * 20):
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                text = file.read()
            if text.endswith("\n"):
                return text.strip()
        if server.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"no port from the server, which has ended with {server.poll()}")


def exchange(server, client, family):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "port")
        serving = subprocess.Popen([*server, family, "serve", path])
        try:
            port = port_in(path, serving)
            called = subprocess.run([*client, family, "connect", port], timeout=SECONDS, check=False)
            served = serving.wait(SECONDS)
        finally:
            serving.kill()
    print(f"{server[-1]} served {served}, {client[-1]} called {called.returncode}")
    return served != 0 or called.returncode != 0


def main(linux, windows, family):
    for program in (linux, windows):
        if not os.path.exists(program):
            print(f"no {program}: build it first")
            return 77
    if subprocess.run([WINE, windows], check=False).returncode == 77:
        return 77
    ends = [[linux], [WINE, windows]]
    failed = exchange(ends[0], ends[1], family)
    return exchange(ends[1], ends[0], family) or failed


sys.exit(main(*sys.argv[1:]))
