#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_wsdctl.py FOLDER WSDCTL.EXE OPENWSD.DLL TRIAL.EXE - wsdctl as a Windows program, on a system that lies.

Wine's WSCInstallProvider says that it installed and does nothing: wsdctl has to notice, to say so, and to take back
what it did itself. Exit status 77: no Wine here.
"""
import hashlib
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wine  # noqa: E402


def main(folder, wsdctl, dll, trial):
    if shutil.which("wine") is None:
        return 77
    problems = []
    with wine.Wine(folder) as server, tempfile.TemporaryDirectory() as package:
        system = os.path.join(server.prefix, "drive_c/windows/system32/openwsd.dll")
        for width in ("x64", "x86"):
            os.makedirs(os.path.join(package, width))
            shutil.copy(dll, os.path.join(package, width))
            shutil.copy(trial, os.path.join(package, width))
        shutil.copy(wsdctl, package)

        def ours():
            """The files of ours in the system's folder, and what they hold."""
            found = {}
            for name in os.listdir(os.path.dirname(system)):
                if name.lower().startswith("openwsd"):
                    with open(os.path.join(os.path.dirname(system), name), "rb") as file:
                        found[name] = hashlib.sha256(file.read()).hexdigest()
            return found

        def run(command, status, *said):
            before = ours()
            got, output = server.run(["wsdctl.exe"] + command, 60, package, {"LC_ALL": "C.UTF-8"})
            if got != status or any(text not in output for text in said):
                problems.append(f"wsdctl {' '.join(command)}: status {got}, not {status} with {said}:\n{output}")
            problems.extend(f"wsdctl {' '.join(command)} left {name} behind: {held}" for name, held in ours().items()
                            if before.get(name) != held)
            problems.extend(f"wsdctl {' '.join(command)} took {name} away" for name in before.keys() - ours().keys())

        def system_does(*command):
            status, output = server.run(list(command), 60, package, {})
            if status != 0:
                problems.append(f"{' '.join(command)}: {status}\n{output}")

        def record(name, result):
            with open(os.path.join(package, name), encoding="utf-8") as file:
                tree = json.load(file)
            if tree["result"] != result or tree["before"]["catalogues"][0] != tree["after"]["catalogues"][0]:
                problems.append(f"{name}: {tree}")
            if not any(entry["name"] == "TCP/IP" for entry in tree["before"]["catalogues"][0]["entries"]):
                problems.append(f"{name}: the system's entries are missing")

        run(["--version"], 0, "wsdctl ")
        run(["frob"], 2, "no command frob")
        run(["bench"], 2, "bench is there on Linux only")
        run(["info"], 0, "shm (built in), path 1", "tcp (built in), path 3", "paths can be used")
        run(["rules"], 0, "(not there) has no rules")
        # As an editor of Windows writes it: of 64-bit programs, then one that is named.
        installed = os.path.join(os.path.dirname(system), "openwsd.conf")
        for path, command in ((installed, []), (os.path.join(package, "new.conf"), ["new.conf"])):
            with open(path, "w", encoding="utf-8-sig", newline="\r\n") as file:
                file.write("spin_us = 7\nring_memory = yes\nrule = connect * tcp\nrul = x\n")
            said = ("line 4: unknown key RUL", )
            run(["params"] + command, 0, "SPIN_US            7 ", "RING_MEMORY: yes is not a number", *said)
            run(["rules"] + command, 0, "line 3: connect any address: tcp", *said)
            os.unlink(path)
        run(["rules", "new.conf"], 1, "new.conf is not there")
        run(["install", "--frob"], 2, "--frob")
        run(["install", "frob"], 2, "frob")
        run(["status", "--record", "status.json"], 1, "not installed", "none of OpenWSD",
            "catalogue of 32-bit programs: not handled")  # Wine has no functions for it
        record("status.json", "not installed")
        run(["status", "--record", "каталог.json"], 1, "not installed")  # twice: over what is there
        run(["status", "--record", "каталог.json"], 1, "not installed")
        record("каталог.json", "not installed")
        run(["install", "--dry-run"], 0, "would change it to", "OpenWSD TCP/IPv4", "OpenWSD TCP/IPv6")
        run(["install", "--record", "install.json"], 1, "has not what was asked for", "as it was before")
        record("install.json", "failed, as before")
        run(["install", "--switch"], 1, "as it was before")
        run(["status"], 1, "(TCP on SAN): none")
        run(["uninstall"], 0, "nothing to do")
        run(["doctor"], 1, "BAD", "wsdctl install", "ws2ifsl")

        # A value of another type or size is somebody else's.
        value = [r"HKLM\System\CurrentControlSet\Services\Winsock\Parameters\TCP on SAN", "/v", "OpenWSD"]
        for kind, data in (("REG_SZ", "of another"), ("REG_BINARY", "0102"), ("REG_BINARY", "00" * 17)):
            system_does("reg", "add", *value, "/t", kind, "/d", data, "/f")
            run(["status"], 1, "left alone")
            run(["doctor"], 1, "left alone")
            run(["uninstall"], 0, "nothing to do", "left alone")
            run(["install", "--switch"], 1, "--switch is refused")
            system_does("reg", "query", *value)
        system_does("reg", "delete", *value, "/f")

        # It comes first only where sockets of its kind can be opened, now and after the next start. A driver of Wine
        # with another task takes the name of the one that is needed.
        def service(start):
            system_does("sc", "create", "ws2ifsl", "type=", "kernel", "start=", start, "binPath=",
                        r"C:\windows\system32\drivers\tdi.sys")

        def refused(*said):
            run(["install", "--prefer"], 1, "--prefer is refused, and nothing was changed", *said)
            run(["doctor"], 1, *said)

        refused("ws2ifsl is not there")
        service("disabled")
        refused("ws2ifsl is disabled", "start= system")
        system_does("sc", "delete", "ws2ifsl")
        service("demand")
        refused("ws2ifsl does not run", "sc.exe start ws2ifsl")
        system_does("sc", "start", "ws2ifsl")
        refused("not after the next start of Windows")
        # Wine has no `sc config`.
        system_does("reg", "add", r"HKLM\System\CurrentControlSet\Services\ws2ifsl", "/v", "Start", "/t", "REG_DWORD",
                    "/d", "1", "/f")
        server.restart()
        run(["doctor"], 1, "ok   service ws2ifsl: runs")
        run(["install", "--prefer", "--dry-run"], 0, "would change it to")
        run(["install", "--prefer"], 1, "OpenWSD is not in the catalogue",  # says trial.exe
            "reaching a peer without OpenWSD", "error 10043", "as it was before")

        # Where there is another DLL it is there again; where there is none to copy nothing is touched.
        with open(system, "wb") as file:
            file.write(b"of another version")
        run(["install"], 1, "has not what was asked for", "as it was before")
        os.unlink(os.path.join(package, "x64/openwsd.dll"))
        for command in (["install", "--dry-run"], ["install"], ["install", "--prefer"]):
            run(command, 1, "nothing was changed: the package is not whole, x64\\openwsd.dll", "error 2")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
