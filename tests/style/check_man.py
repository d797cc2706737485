#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_man.py TOP BUILD PAGE...: the manual pages parse without a warning, and whatever is installed or
can be set is in them: every program, every command and long option of wsdctl, every parameter with its
standard value, every variable of the environment."""

import json
import os
import re
import subprocess
import sys

import common

WSDCTL = "spi_shim/wsdctl/"
SWITCH = "tests/switch/main.c"
CONFORMANCE = "tests/backend/conformance.c"
NAMES = "rdma_backend/base/param_names.h"


def lint(page):
    try:
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError:
        return ["mandoc is not installed"]
    if done.returncode:
        return done.stdout.splitlines() or [f"{page}: mandoc: exit status {done.returncode}"]
    left = re.findall(r"@\w+@", open(page, encoding="utf-8").read())
    return [f"{page}: {word} is not replaced" for word in left]


def installed_programs(build):
    targets = json.loads(subprocess.run(["meson", "introspect", "--targets", build], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
    return sorted(target["name"] for target in targets
                  if target["installed"] and target["type"] == "executable")


def variables(top):
    for path in common.sources(top, common.PRODUCT):
        for name in re.findall(r'\bwsd_env\(\s*"(WSD_\w+)"', common.read(top, path)):
            yield path, name


def main(top, build, paths):
    problems = []
    pages = {}
    for path in paths:
        problems += lint(path)
        with open(path, encoding="utf-8") as file:
            pages[os.path.basename(path)] = file.read()

    def need(page, text, why):
        if text not in pages.get(page, ""):
            problems.append(f"docs/man/{page}.in:1: {why} is missing ({text.strip()})")

    programs = installed_programs(build)
    for program in programs:
        if f"{program}.1" not in pages:
            problems.append(f"docs/man: there is no {program}.1.in")
    for command, text in re.findall(r'\{ "([\w-]+)", wsdctl_\w+, (NULL|")',
                                    common.read(top, WSDCTL + "wsdctl.c")):
        if text != "NULL":
            need("wsdctl.1", f"\n.Ss {command}\n", f"the command {command}")
    for option in re.findall(r'\{ "([\w-]+)", \'\w\', POPT_', common.read(top, WSDCTL + "bench.c")):
        need("wsdctl.1", f", Fl Fl {option}", f"the option --{option}")
    for option in re.findall(r'\{ "([\w-]+)", (?:no|required)_argument', common.read(top, SWITCH)):
        need("wsdswitch.1", f"Fl Fl {option}", f"the option --{option}")
    for option in re.findall(r'strcmp\(argv\[i\], "--([\w-]+)"\)', common.read(top, CONFORMANCE)):
        if option not in ("serve", "begun"):  # for itself
            need("backend-conformance.1", f".It Fl Fl {option}", f"the option --{option}")
    rows = re.findall(r'X\("([A-Z0-9_]+)",\s*"([^"]*)"', common.read(top, NAMES))
    for name, standard in rows:
        need("openwsd.conf.5", f"\n.It Cm {name} = {standard or '(empty)'}\n", f"parameter {name}")
    for name in re.findall(r"^\.It Cm (\w+) = ", pages.get("openwsd.conf.5", ""), re.M):
        if name not in dict(rows):
            problems.append(f"docs/man/openwsd.conf.5.in:1: there is no parameter {name}")
    for path, name in variables(top):
        need("openwsd.7", f"\n.It Ev {name}\n", f"{name} of {path}")
    for page, text in pages.items():
        for name, section in re.findall(r"^\.Xr ((?:wsd|openwsd)[\w.]*) (\d)", text, re.M):
            if f"{name}.{section}" not in pages:
                problems.append(f"docs/man/{page}.in:1: refers to {name}({section})")
    common.finish(problems, len(programs) and len(rows) and len(pages))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
