#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_package.py SOURCE VERSION X64 X86 - the package of `meson compile package-windows`, made of two builds that
are there: what is in it, and wsdctl.exe from the unpacked folder. Exit status 77: no Wine or no 64-bit build here.
"""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wine  # noqa: E402

FILES = {"LICENSE", "wsdctl.exe", "x64/openwsd.dll", "x86/openwsd.dll", "x64/trial.exe", "x86/trial.exe",
         "vendor/wsdswitch.exe", "vendor/x86/wsdswitch.exe", "vendor/backend-conformance.exe",
         "include/openwsd/openwsd.h", "include/openwsd/backend.h", "include/openwsd/status.h", "docs/windows.md", "docs/security.md",
         "docs/san-provider.md", "docs/protocol.md", "docs/protocol-tcp.md", "docs/backend.md", "docs/wsdctl.1.txt",
         "docs/wsdswitch.1.txt", "docs/backend-conformance.1.txt", "docs/openwsd.conf.5.txt", "docs/openwsd.7.txt",
         "docs/LICENSE.popt", "docs/LICENSE.jansson"}
# A module and a program of somebody who has the package only.
USER = """#include <openwsd/backend.h>
#include <openwsd/openwsd.h>
int main(void)
{
	return SO_OPENWSD_PATH == 0 || wsd_status_text(WSD_OK)[0] == 0 || sizeof(struct wsd_backend_ops) == 0;
}
"""
OBJDUMP = {0x8664: "x86_64-w64-mingw32-objdump", 0x14C: "i686-w64-mingw32-objdump"}
OF_WINDOWS = {"advapi32.dll", "bcrypt.dll", "kernel32.dll", "msvcrt.dll", "userenv.dll", "ws2_32.dll"}


def machine_of(path):
    with open(path, "rb") as file:
        image = file.read()
    return struct.unpack_from("<H", image, struct.unpack_from("<I", image, 60)[0] + 4)[0]


def check_program(source, path, machine, version):
    """What is wrong with a DLL or with wsdctl.exe."""
    problems = [] if machine_of(path) == machine else [f"{path}: machine {machine_of(path):x}"]
    objdump = OBJDUMP[machine]
    if path.endswith(".dll"):
        checked = subprocess.run([os.path.join(source, "tests/windows/check_dll.py"), objdump, path], text=True,
                                 stdout=subprocess.PIPE, check=False)
        problems += [checked.stdout] if checked.returncode else []
        with open(path, "rb") as file:
            if "FileVersion\0\0".encode("utf-16-le") + f"{version}\0".encode("utf-16-le") not in file.read():
                problems.append(f"{path}: its version is not {version}")
    told = subprocess.run([objdump, "-p", path], text=True, stdout=subprocess.PIPE, check=True).stdout
    others = {name.lower() for name in re.findall(r"DLL Name: (\S+)", told)} - OF_WINDOWS
    return problems + ([f"{path}: needs {others}"] if others else [])


def check_documents(package):
    """Plain text, whole, and each document that windows.md names."""
    problems = []
    for name, words in (("wsdctl.1.txt", ("--prefer", "SEE ALSO")),
                        ("openwsd.conf.5.txt", ("openwsd.conf beside openwsd.dll", "BACKENDS =", "SEE ALSO")),
                        ("openwsd.7.txt", ("openwsd-backend-NAME.dll", "SO_OPENWSD_REASONS", "SEE ALSO")),
                        ("wsdswitch.1.txt", ("BROKEN", "SEE ALSO")),
                        ("backend-conformance.1.txt", ("--module", "openwsd-backend-sample.dll", "SEE ALSO"))):
        with open(os.path.join(package, "docs", name), encoding="ascii") as file:
            text = file.read()
        problems += [f"docs/{name}: no {word}" for word in words if word not in text]
        if "\b" in text or "@" in text:
            problems.append(f"docs/{name}: marks are left in it")
    with open(os.path.join(package, "docs/windows.md"), encoding="utf-8") as file:
        text = file.read()
    named = set(re.findall(r"[\w-]+\.md\b", text)) | {f"{page}.{section}.txt" for page, section in
                                                    re.findall(r"([\w.-]+)\((\d)\)", text)}
    return problems + [f"windows.md names {name}" for name in named
                       if not os.path.exists(os.path.join(package, "docs", name))]


def build(package, *arguments):
    """What the compiler complains of, with the package's headers and no others of OpenWSD."""
    return subprocess.run(["x86_64-w64-mingw32-gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I",
                           os.path.join(package, "include"), *arguments], text=True, stderr=subprocess.PIPE,
                          check=False)


def check_headers(source, package):
    """A program, and the example of a backend, which becomes sample.dll in the package's folder."""
    sample = [os.path.join(source, "examples/backend-sample", name)
              for name in ("sample.c", "sample_conn.c", "sample_os_windows.c", "sample_work.c")]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "user.c"), "w", encoding="ascii") as file:
            file.write(USER)
        results = [build(package, os.path.join(folder, "user.c"), "-o", os.path.join(folder, "user.exe")),
                   build(package, "-shared", "-static-libgcc", *sample, "-o", os.path.join(package, "sample.dll"))]
    return [f"the headers: {built.stderr}" for built in results if built.returncode]


def check_wsdctl(folder, package):
    problems = []
    with wine.Wine(folder) as server:
        for command, status, said in (
                (["--version"], 0, ["wsdctl "]),
                (["status"], 1, ["not installed"]),
                (["info"], 0, ["shm (built in), path 1"]),
                (["install", "--dry-run", "--record", "record.json"], 0,
                 ["would change it to", "OpenWSD TCP/IPv4", "OpenWSD TCP/IPv6"])):
            got, output = server.run(["wsdctl.exe"] + command, 60, package, {})
            if got != status or any(text not in output for text in said):
                problems.append(f"wsdctl {' '.join(command)}: {got}, not {status} with {said}:\n{output}")
        for command, said in (("backend-conformance.exe --list", "enumerate"),
                              ("backend-conformance.exe --module sample.dll --one-process --test reject", "reject"),
                              ("wsdswitch.exe --help", "usage: wsdswitch")):
            got, output = server.run(["vendor/" + command.split()[0]] + command.split()[1:], 60, package, {})
            if got != 0 or said not in output:
                problems.append(f"{command}: {got}:\n{output}")
    if not os.path.exists(os.path.join(package, "record.json")):
        problems.append("install --dry-run leaves no record")
    return problems


def main(source, version, x64, x86):
    if shutil.which("wine") is None or not os.path.exists(os.path.join(x64, "spi_shim/wsdctl.exe")):
        print("no Wine, or no 64-bit build")
        return 77
    # Who is told to end ends what runs in Wine, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    name = f"openwsd-{version}-windows"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(source, "spi_shim/windows/package"), source, folder, version, x64, x86], check=True)
        with zipfile.ZipFile(os.path.join(folder, name + ".zip")) as archive:
            files = {entry for entry in archive.namelist() if not entry.endswith("/")}
            archive.extractall(os.path.join(folder, "unpacked"))
        problems = [f"{entry}: should not be there, or should"
                    for entry in files ^ {f"{name}/{file}" for file in FILES}]
        package = os.path.join(folder, "unpacked", name)
        for program in ("x64/openwsd.dll", "x64/trial.exe", "wsdctl.exe", "vendor/wsdswitch.exe",
                        "vendor/backend-conformance.exe"):
            problems += check_program(source, os.path.join(package, program), 0x8664, version)
        for program in ("x86/openwsd.dll", "x86/trial.exe", "vendor/x86/wsdswitch.exe"):
            problems += check_program(source, os.path.join(package, program), 0x14C, version)
        problems += check_documents(package)
        problems += check_headers(source, package)
        problems += check_wsdctl(os.path.join(source, "build/winapps"), package)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
