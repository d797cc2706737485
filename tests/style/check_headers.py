#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every source starts with its licence; headers have a guard; no trailing blanks, no wide lines.
Between 100 and 120 columns, where a formatter may disagree with itself, is only mentioned."""

import os
import sys

import common

TAG = "SPDX-License-Identifier: BSD-2-Clause"
WIDTH = 120
WIDTH_MENTION = 100


def first_line_ok(path, lines):
    first = lines[0] if lines else ""
    if path.endswith(".h"):
        return first == f"/* {TAG} */"
    if path.endswith(".c"):
        return first == f"// {TAG}"
    # Scripts and build files may start with the interpreter.
    return f"# {TAG}" in lines[:2]


def main(top):
    problems = []
    checked = 0
    files = common.sources(top)
    files += common.sources(top, suffixes=(".py", "meson.build"))
    files += [name for name in ("meson.build", "meson_options.txt", "tests/run", ".ci/run")
              if os.path.exists(os.path.join(top, name))]
    for path in files:
        checked += 1
        lines = common.read(top, path).split("\n")
        if not first_line_ok(path, lines):
            problems.append(f"{path}:1: the licence line is missing")
        if path.endswith(".h") and not any(line.startswith(("#ifndef", "#pragma once"))
                                           for line in lines):
            problems.append(f"{path}:1: no include guard")
        for number, line in enumerate(lines, 1):
            if line.endswith((" ", "\t")):
                problems.append(f"{path}:{number}: blanks at the end of the line")
            width = len(line.expandtabs(8)) if path.endswith((".c", ".h")) else 0
            if width > WIDTH:
                problems.append(f"{path}:{number}: wider than {WIDTH} columns")
            elif width > WIDTH_MENTION:
                print(f"note: {path}:{number}: wider than {WIDTH_MENTION} columns")
    common.finish(problems, checked)


main(sys.argv[1])
