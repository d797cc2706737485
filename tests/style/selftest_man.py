#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""selftest_man.py TOP BUILD PAGE...: plant faults in copies of the manual pages, one at a time: check_man.py
must find each of them."""

import os
import shutil
import subprocess
import sys
import tempfile

# page, text, what stands there instead (None: there is no such page), part of the message
FAULTS = [
    ("wsdctl.1", ".Ss info\n", ".Ss inf\n", "the command info is missing"),
    ("wsdctl.1", ", Fl Fl rounds", ", Fl Fl runds", "the option --rounds is missing"),
    ("wsdctl.1", ".Sh EXIT STATUS\n", ".Sh EXIT STATUS\n.It no list\n", "outside list"),
    ("wsdctl.1", ".Xr wsdping 1", ".Xr wsdpong 1", "refers to wsdpong(1)"),
    ("wsdping.1", "", None, "there is no wsdping.1.in"),
    ("openwsd.conf.5", ".It Cm SPIN_US = 50", ".It Cm SPIN_US = 51", "parameter SPIN_US is missing"),
    ("openwsd.conf.5", ".It Cm LOG = ", ".It Cm LOGS = 1\n.It Cm LOG = ", "no parameter LOGS"),
    ("openwsd.7", ".It Ev WSD_CONFIG\n", ".It Ev WSD_CONF\n", "WSD_CONFIG of"),
    ("openwsd.7", ".Sh FILES\n", ".Sh FILES\n@LEFT@\n", "@LEFT@ is not replaced"),
]


def run(top, build, pages, fault):
    with tempfile.TemporaryDirectory() as folder:
        paths = [shutil.copy(page, folder) for page in pages]
        if fault:
            page, text, other, _ = fault
            path = os.path.join(folder, page)
            if other is None:
                paths.remove(path)
            else:
                with open(path, encoding="utf-8") as file:
                    whole = file.read()
                if text not in whole:
                    return f"{page} has no {text!r}", 0
                with open(path, "w", encoding="utf-8") as file:
                    file.write(whole.replace(text, other, 1))
        check = os.path.join(top, "tests", "style", "check_man.py")
        done = subprocess.run([sys.executable, check, top, build, *paths], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout, done.returncode


def main(top, build, pages):
    failures = 0
    for fault in FAULTS:
        output, code = run(top, build, pages, fault)
        if code != 1 or fault[3] not in output:
            print(f"not found: {fault[3]} (exit {code})\n{output}")
            failures += 1
    sys.exit(1 if failures else 0)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
