#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_install.py FOLDER WSDCTL.EXE OPENWSD.DLL TRIAL.EXE WS2_32.DLL BASE_PROVIDER.DLL - wsdctl installs, puts first
and uninstalls, in catalogues that keep what they are told: those of the tests' ws2_32.dll. What they hold then is read
from their file. The programs of both widths are 64-bit ones. Exit status 77: no Wine here.
"""
import os
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wine  # noqa: E402

MOST = 64
INFO = 628  # WSAPROTOCOL_INFOW
ENTRY = INFO + 2 * 260
ENVIRONMENT = r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment"
OURS = ["OpenWSD TCP/IPv4", "OpenWSD TCP/IPv6"]


def windows_path(path):
    return "Z:" + os.path.abspath(path).replace("/", "\\")


def text(units):
    return units.decode("utf-16-le").split("\0")[0]


def read_catalogues(path):
    """Of each width the entries: id, name, path of the DLL."""
    with open(path, "rb") as file:
        data = file.read()
    counts = struct.unpack_from("<3I", data)[1:]
    found = []
    for width, count in enumerate(counts):
        entries = [data[12 + (width * MOST + i) * ENTRY:][:ENTRY] for i in range(count)]
        found.append([(struct.unpack_from("<I", entry, 36)[0], text(entry[116:INFO]), text(entry[INFO:]))
                      for entry in entries])
    return found


def main(folder, wsdctl, dll, trial, host, base):
    if shutil.which("wine") is None:
        return 77
    problems = []
    with wine.Wine(folder) as server, tempfile.TemporaryDirectory() as package:
        windows = os.path.join(server.prefix, "drive_c/windows")
        installed = [os.path.join(windows, name, "openwsd.dll") for name in ("system32", "syswow64")]
        os.makedirs(os.path.dirname(installed[1]), exist_ok=True)
        kept = os.path.join(package, "catalogue")
        for width in ("x64", "x86"):
            os.makedirs(os.path.join(package, width))
            for path in (dll, trial, host):
                shutil.copy(path, os.path.join(package, width))
        shutil.copy(wsdctl, package)
        shutil.copy(host, package)
        env = {"WSD_TEST_CATALOGUE": windows_path(kept), "WSD_TEST_BASE": windows_path(base)}

        def system_does(*command):
            status, output = server.run(list(command), 60, package, {})
            if status != 0:
                problems.append(f"{' '.join(command)}: {status}\n{output}")

        def run(command, status, *said):
            got, output = server.run(["wsdctl.exe"] + command, 60, package, {**env, "LC_ALL": "C.UTF-8"})
            if got != status or any(words not in output for words in said):
                problems.append(f"wsdctl {' '.join(command)}: status {got}, not {status} with {said}:\n{output}")

        def holds(what, before, others, after, files=True):
            """In both catalogues: names of ours, how many of others, names of ours."""
            for width, entries in enumerate(read_catalogues(kept)):
                names = [name for _, name, _ in entries]
                wrong = [path for _, name, path in entries
                         if ("OpenWSD" in name) != (path == r"%SystemRoot%\System32\openwsd.dll")]
                if (names[:len(before)] != before or names[len(names) - len(after):] != after or wrong or
                        len(names) != len(before) + others + len(after)):
                    problems.append(f"{what}: catalogue {width} holds {entries}")
                if os.path.exists(installed[width]) != files:
                    problems.append(f"{what}: {installed[width]} is {'not ' if files else ''}there")

        # What wsdctl starts gets the environment of the system.
        for name, value in env.items():
            system_does("reg", "add", ENVIRONMENT, "/v", name, "/d", value, "/f")
        system_does("reg", "add", r"HKCU\Software\Wine\DllOverrides", "/v", "ws2_32", "/d", "native,builtin", "/f")
        system_does("sc", "create", "ws2ifsl", "type=", "kernel", "start=", "demand", "binPath=",
                    r"C:\windows\system32\drivers\tdi.sys")
        # Wine has no `sc config`.
        system_does("reg", "add", r"HKLM\System\CurrentControlSet\Services\ws2ifsl", "/v", "Start", "/t", "REG_DWORD",
                    "/d", "1", "/f")
        server.restart()

        run(["status"], 1, "OpenWSD is not installed", "catalogue of 32-bit programs")
        run(["install", "--dry-run"], 0, "would change it to")
        if os.path.exists(kept):
            problems.append("something was changed")
        run(["install"], 0, "installed:", "programs that start from now on see it")
        entries = read_catalogues(kept)[0]
        others = len(entries) - len(OURS)
        holds("install", [], others, OURS)
        run(["status"], 0, "OpenWSD is installed")
        with open(kept, "rb") as file:
            first = file.read()
        run(["install"], 0, "nothing to do")
        with open(kept, "rb") as file:
            if file.read() != first:
                problems.append("installing again changed the catalogues")

        # What a run that was killed has left beside the DLLs goes; what is not of wsdctl stays.
        mine = [path + ".0012abcd" + end for path, end in zip(2 * installed, (".old", ".new", ".away", ".old"))]
        others_own = [path + end for path in installed for end in (".old", ".0012abcd.bak", ".backup.old")]
        for again in ("install", "uninstall", "uninstall"):
            for path in mine + others_own:
                with open(path, "wb"):
                    pass
            run([again], 0)
            for path in [path for path in mine if os.path.exists(path)]:
                problems.append(f"{again} left {path}")
            for path in [path for path in others_own if not os.path.exists(path)]:
                problems.append(f"{again} removed {path}")
        run(["install"], 0, "installed:")
        os.rename(installed[1], installed[1] + ".gone")
        run(["status"], 1, "openwsd.dll of 32-bit programs is not there")
        os.rename(installed[1] + ".gone", installed[1])

        # What is tried fails where the configuration leaves out a way.
        conf = os.path.join(os.path.dirname(installed[0]), "openwsd.conf")
        for line, said in (("backends = shm,tcp", "IPv4: OpenWSD reaches no peer without it"),
                           ("rule = listen ::1 shm tcp", "IPv6: a peer without OpenWSD does not reach it")):
            with open(conf, "w", encoding="ascii") as file:
                file.write(line + "\n")
            run(["install", "--prefer"], 1, said, "as it was before")
            holds(line, [], others, OURS)
        os.unlink(conf)
        run(["install", "--prefer"], 0, "installed:")
        holds("install --prefer", OURS, others, [])
        run(["install", "--prefer"], 0, "nothing to do")
        run(["status"], 0, "OpenWSD is installed")
        run(["doctor"], 0, "ok   openwsd.dll can be loaded")
        run(["uninstall"], 0, "uninstalled:")
        holds("uninstall", [], others, [], files=False)
        run(["uninstall"], 0, "nothing to do")
        run(["status"], 1, "OpenWSD is not installed")
        # A first time that is the whole way.
        run(["install", "--prefer", "--switch"], 0, "installed:")
        if [name for _, name, _ in read_catalogues(kept)[1]][:2] != OURS:
            problems.append(f"install --prefer --switch: {read_catalogues(kept)}")
        run(["uninstall"], 0, "uninstalled:", "(TCP on SAN): none")
        holds("the last uninstall", [], others, [], files=False)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
