#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each test program of Linux (tests/unit, tests/backend, tests/conformance, tests/plain) is a Windows program too
(tests/windows), or docs/windows.md has it in the table of those that do not run there, with the reason; and that table has
no others. What is listed in tests/plain/cases runs on every system."""

import os
import re
import sys

import common

FOLDERS = ("tests/unit", "tests/backend", "tests/conformance", "tests/plain")
WINDOWS = ("tests/windows", "tests/plain/cases")
PAGE = "docs/windows.md"
TABLE = "Of the programs of Linux these do not run"
MAIN = re.compile(r"^int main\(|^const struct plain_case plain_cases", re.M)
# How meson.build lists programs: the keys of name_programs, the names that a loop goes through, and files.
KEYS = re.compile(r"^\s*\w+_programs = \{\n(.*?)^\s*\}", re.M | re.S)
KEY = re.compile(r"^\s*'(\w+)':", re.M)
LOOP = re.compile(r"^\s*foreach name : \[([^\]]*)\]", re.M)
FILE = re.compile(r"\btest_(\w+)\.c'")


def linux_programs(top):
    """Name: file."""
    found = {}
    for path in common.sources(top, FOLDERS, (".c", ".sh")):
        name = re.fullmatch(r"test_(\w+)\.(c|sh)", os.path.basename(path))
        if name and (name.group(2) == "sh" or MAIN.search(common.read(top, path))):
            found[name.group(1)] = path
    return found


def windows_programs(top):
    found = set()
    for path in common.sources(top, WINDOWS, ("meson.build",)):
        text = common.read(top, path)
        for block in KEYS.findall(text):
            found.update(KEY.findall(block))
        for block in LOOP.findall(text):
            found.update(re.findall(r"'(\w+)'", block))
        found.update(FILE.findall(text))
    return found


def table(top):
    """Name: (line, reason)."""
    found = {}
    inside = False
    for number, line in enumerate(common.read(top, PAGE).split("\n"), 1):
        if TABLE in line:
            inside = True
        elif inside and line.startswith("|"):
            cells = line.strip("|").split("|")
            for name in re.findall(r"`(\w+)`", cells[0]):
                found[name] = (number, cells[1].strip())
        elif inside and found:
            break
    return found


def main(top):
    linux, windows, excused = linux_programs(top), windows_programs(top), table(top)
    problems = [f"{path}:1: {name} is no Windows program, and the table of {PAGE} does not say why"
                for name, path in sorted(linux.items()) if name not in windows and name not in excused]
    for name, (line, reason) in sorted(excused.items()):
        if name not in linux:
            problems.append(f"{PAGE}:{line}: there is no program {name}")
        elif name in windows:
            problems.append(f"{PAGE}:{line}: {name} does run there")
        elif not reason:
            problems.append(f"{PAGE}:{line}: no reason for {name}")
    common.finish(problems, len(linux) if excused else 0)


main(sys.argv[1])
