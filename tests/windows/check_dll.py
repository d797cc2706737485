#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_dll.py OBJDUMP DLL: exports and imports of openwsd.dll. It exports the two entry points under their
plain names and nothing else; it needs no DLL that Windows has not, and not ws2_32, which loads it. It takes no slot of
thread-local storage that nothing gives back."""

import re
import subprocess
import sys

EXPORTS = ["WSPStartup", "WSPStartupEx"]
IMPORTS = {"kernel32.dll", "msvcrt.dll", "bcrypt.dll", "advapi32.dll"}


def main(objdump, dll):
    output = subprocess.run([objdump, "-p", dll], check=True, text=True, stdout=subprocess.PIPE).stdout
    names = output[output.index("[Ordinal/Name Pointer] Table"):]
    exports = re.findall(r"^\s*\[\s*\d+\]\s+(\S+)$", names, flags=re.M)
    imports = {name.lower() for name in re.findall(r"DLL Name: (\S+)", output)}
    problems = []
    if exports != EXPORTS:
        problems.append(f"exports {exports}")
    if not imports or imports - IMPORTS:
        problems.append(f"imports {sorted(imports - IMPORTS) or 'nothing'}")
    if "FlsAlloc" not in output or "TlsAlloc" in output:
        problems.append("takes slots with TlsAlloc, or the test does not see what it takes")
    if ".rsrc" not in subprocess.run([objdump, "-h", dll], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout:
        problems.append("no version resource")
    for problem in problems:
        print(f"{dll}: {problem}")
    return bool(problems)


sys.exit(main(*sys.argv[1:]))
