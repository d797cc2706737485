#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every parameter that the code asks for stands in base/param_names.h with its standard value, and
nothing else does: that list decides which keys of openwsd.conf are unknown, and what wsdctl shows."""

import re
import sys

import common

LIST = "rdma_backend/base/param_names.h"
CORE = re.compile(r'\bwsd_param_(?:uint|text|find|lines)\(\s*"([^"]+)"\s*,\s*("[^"]*"|[^,)]+)')
HOST = re.compile(r'->param_(?:uint|text)\(\s*(?:"([^"]+)"|[\w.>-]+)\s*,\s*"([^"]+)"\s*,'
                  r'\s*("[^"]*"|[^,)]+)')
LISTED = re.compile(r'X\("([A-Z0-9_]+)",\s*"([^"]*)"')
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def asked(top):
    for path in common.sources(top, common.PRODUCT):
        if path.startswith("rdma_backend/base/host.c"):
            continue
        text = common.read(top, path)
        for match in CORE.finditer(text):
            yield match.group(1), match.group(2), path, common.line_of(text, match.start())
        for match in HOST.finditer(text):
            backend = match.group(1) or path.split("/")[1]
            yield (f"{backend}_{match.group(2)}", match.group(3), path,
                   common.line_of(text, match.start()))


def constant(expression):
    """The value of a literal of C, or None for anything else."""
    if expression.startswith('"'):
        return expression.strip('"')
    match = re.fullmatch(r"(\d+)u?(?:\s*<<\s*(\d+))?", expression.strip())
    return int(match.group(1)) << int(match.group(2) or 0) if match else None


def same(standard, listed):
    if isinstance(standard, str):
        return standard == listed
    unit = UNITS.get(listed[-1:], 1)
    number = listed.rstrip("kmg")
    return number.isdigit() and int(number) * unit == standard


def main(top):
    problems = []
    rows = LISTED.findall(common.read(top, LIST))
    listed = dict(rows)
    names = [name for name, _ in rows]
    used = set()
    for name, expression, path, line in asked(top):
        name = name.upper()
        used.add(name)
        standard = constant(expression)
        if name not in listed:
            problems.append(f"{path}:{line}: parameter {name} is not in {LIST}")
        elif standard is not None and not same(standard, listed[name]):
            problems.append(f"{path}:{line}: the standard value of {name} is {standard}, "
                            f"and {listed[name]} in {LIST}")
    for name in names:
        if name not in used:
            problems.append(f"{LIST}:1: nobody asks for {name}")
    if names != sorted(names):
        problems.append(f"{LIST}:1: not sorted")
    common.finish(problems, len(used))


main(sys.argv[1])
