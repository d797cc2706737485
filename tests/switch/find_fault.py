#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""find_fault.py WSDSWITCH FAULTY PROVIDER "FAULT: RULE": wsdswitch over a provider that breaks the contract in one
way names the rule that was broken, and says so in its exit status. Without a rule it is no fault, nothing is found.
Programs of another system run in MESON_EXE_WRAPPER, whose exit status 77 means that they cannot."""

import os
import signal
import subprocess
import sys


def main(switch, faulty, provider, line):
    fault, rule = (part.strip() for part in line.split(":", 1))
    environment = dict(os.environ, FAULT=fault, FAULTY_PROVIDER=provider)
    patience = ["--patience", "3000"] if rule else []  # what waits for nothing need not wait long
    wrapper = os.environ.get("MESON_EXE_WRAPPER", "").split()
    # Who is told to end ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    done = subprocess.run([*wrapper, switch, *patience, "--bytes", "1000000", faulty], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False)
    broken = [line for line in done.stdout.splitlines() if line.startswith("BROKEN ")]
    if wrapper and done.returncode == 77:
        sys.exit(77)
    if rule:
        good = done.returncode == 1 and any(line.startswith(f"BROKEN {rule} (") for line in broken)
    else:
        good = done.returncode == 0 and not broken
    print(done.stdout)
    sys.exit(0 if good else f"{fault}: exit status {done.returncode}, expected to find: {rule or 'nothing'}")


main(*sys.argv[1:])
