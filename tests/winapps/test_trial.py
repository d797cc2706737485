#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_trial.py FOLDER TRIAL.EXE WS2_32.DLL OPENWSD.DLL BASE_PROVIDER.DLL - what `wsdctl install --prefer` asks before
OpenWSD comes first: a program on openwsd.dll reaches a peer without it and is reached by one, or says what is in the
way. Exit status 77: no Wine here.
"""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wine  # noqa: E402


def windows_path(path):
    return "Z:" + os.path.abspath(path).replace("/", "\\")


def main(folder, trial, host, dll, base):
    if shutil.which("wine") is None:
        return 77
    problems = []
    with wine.Wine(folder) as server, tempfile.TemporaryDirectory() as installed, tempfile.TemporaryDirectory() as bare:
        for path in (trial, host, dll):
            shutil.copy(path, installed)
        shutil.copy(trial, bare)
        env = {"WSD_TEST_PROVIDER": windows_path(os.path.join(installed, "openwsd.dll")),
               "WSD_TEST_BASE": windows_path(base)}

        def run(where, works, said, command=("trial.exe",), **more):
            status, output = server.run(list(command), 60, where, {**env, **more})
            if status is None or (status == 0) != works or said not in output:
                problems.append(f"{more}: status {status}, wanted {works} with {said!r}:\n{output}")

        def configure(text):
            with open(os.path.join(installed, "openwsd.conf"), "w", encoding="ascii") as file:
                file.write(text)

        run(installed, True, "")
        # The environment that it gets has nothing of a user.
        run(installed, True, "", ("cmd", "/c", "set LOCALAPPDATA=&& set USERPROFILE=&& trial.exe"))
        configure("backends = shm,tcp\n")
        run(installed, False, "IPv4: OpenWSD reaches no peer without it")
        configure("rule = connect ::1 shm tcp\n")
        run(installed, False, "IPv6: OpenWSD reaches no peer without it")
        # The listener has paths of its own.
        configure("rule = listen 127.0.0.1 shm tcp\n")
        run(installed, False, "IPv4: a peer without OpenWSD does not reach it")
        configure("rule = listen ::1 shm tcp\n")
        run(installed, False, "IPv6: a peer without OpenWSD does not reach it")
        configure("backends = shm,tcp,plain\n")
        run(installed, True, "")
        # A base provider that cannot be loaded is reached through ws2_32; without sockets there is no way.
        run(installed, True, "", WSD_TEST_BASE_FAULT="startup")
        run(installed, False, "IPv4: OpenWSD reaches no peer without it", WSD_TEST_BASE_FAULT="socket")
        # Who connects to a listener that never accepts is connected all the same: it does not wait for ever.
        begun = time.monotonic()
        run(installed, False, "IPv4: OpenWSD got no connection from a peer without it: error 10060",
            WSD_TEST_BASE_FAULT="accept")
        if time.monotonic() - begun > 30:
            problems.append(f"nobody accepts: {time.monotonic() - begun} s")
        # Wine's own catalogue has never heard of it.
        run(bare, False, "OpenWSD is not in the catalogue")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
