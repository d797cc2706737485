#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every parameter that the code asks for stands in base/param_names.h with its standard value and its limits, and
nothing else does: that list decides which keys of openwsd.conf are unknown, and what wsdctl shows."""

import re
import sys

import common

LIST = "rdma_backend/base/param_names.h"
CORE = re.compile(r'\bwsd_param_(?:uint|text|find|lines)\(\s*"([^"]+)"\s*,\s*("[^"]*"|[^,)]+)')
HOST = re.compile(r'->param_(?:uint|text)\(\s*(?:"([^"]+)"|[\w.>-]+)\s*,\s*"([^"]+)"\s*,'
                  r'\s*("[^"]*"|[^,)]+)')
LIMITS = re.compile(r'(?:\bwsd_param_uint\(|->param_uint\(\s*(?:"([^"]+)"|[\w.>-]+)\s*,)\s*"([^"]+)"\s*,[^,]+,'
                    r'\s*([^,]+?)\s*,\s*([^,)]+?)\s*\)')
ROW = re.compile(r'X\("([A-Z0-9_]+)",.*",\s*([^,"]+?),\s*([^,"]+?)\)')
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


def limits(top):
    """Those of each number that the code asks for."""
    for path in common.sources(top, common.PRODUCT):
        text = common.read(top, path)
        for match in LIMITS.finditer(text):
            name = match.group(2)
            if "->" in match.group(0).split('"')[0]:
                name = f"{match.group(1) or path.split('/')[1]}_{name}"
            yield name.upper(), match.group(3), match.group(4), path, common.line_of(text, match.start())


def number(expression):
    """The value of an expression of numbers, or None where there is a name in it."""
    plain = re.sub(r"\b(\d+)u?l{0,2}\b", r"\1", expression.replace("UINT64_MAX", str((1 << 64) - 1)))
    if not re.fullmatch(r"\d+(?:\s*(?:<<|/)\s*\d+)?", plain):
        return None
    first, operator, second = re.fullmatch(r"(\d+)(?:\s*(<<|/)\s*(\d+))?", plain).groups()
    if operator == "<<":
        return int(first) << int(second)
    return int(first) // int(second) if operator else int(first)


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
    bounds = {name: (number(least), number(most)) for name, least, most in ROW.findall(common.read(top, LIST))}
    numbers = set()
    for name, least, most, path, line in limits(top):
        numbers.add(name)
        if name in listed and any(have is not None and have != want for have, want in
                                  zip((number(least), number(most)), bounds.get(name, (None, None)))):
            problems.append(f"{path}:{line}: the limits of {name} are {least} and {most}, other ones in {LIST}")
    for name in names:
        if name in used and name not in numbers and bounds.get(name) != (0, 0):
            problems.append(f"{LIST}:1: {name} is a text, and has limits")
        if name in numbers and bounds.get(name, (0, 0))[1] in (0, None):
            problems.append(f"{LIST}:1: {name} is a number without limits")
        if name not in used:
            problems.append(f"{LIST}:1: nobody asks for {name}")
    if names != sorted(names):
        problems.append(f"{LIST}:1: not sorted")
    common.finish(problems, len(used))


main(sys.argv[1])
