#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/san-provider.md has one table for each procedure that a switch needs, and for each extension function, and each
says what the arguments are, in which states it may be called, its errors and events, and what mode D does."""

import re
import sys

import common

PAGE = "docs/san-provider.md"
PROCEDURES = "tests/switch/contract.c"  # has_all: those that a provider must have
EXTENSIONS = "provider/include/openwsd/ws2san.h"
ROWS = ["arguments", "states", "result", "errors", "events", "completion", "mode D"]
OPTIONAL = {"result", "completion"}


def functions(top):
    """By their names in upper case: those of extension functions are known by their types only."""
    body = re.search(r"^static bool has_all\(void\)\n{(.*?)^}", common.read(top, PROCEDURES), re.M | re.S)
    procedures = re.findall(r"\blp(WSP\w+)", body.group(1)) if body else []
    extensions = re.findall(r"\bLPFN_(WSP[A-Z]+)\)\(", common.read(top, EXTENSIONS))
    return {name.upper() for name in procedures + extensions}


def sections(text):
    """(line, heading, first cells of its table) of each heading of the third level that is a function's."""
    for match in re.finditer(r"^### (WSP[^\n]*)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
        rows = re.findall(r"^\|[ \t]*([^|\n]*?)[ \t]*\|[ \t]*([^\n]*?)[ \t]*\|$", match.group(2), re.M)
        yield common.line_of(text, match.start()), match.group(1), [name for name, what in rows if what]


def main(top):
    text = common.read(top, PAGE)
    wanted, seen, problems = functions(top), set(), []
    for line, heading, rows in sections(text):
        name = heading.upper()
        if name not in wanted:
            problems.append(f"{PAGE}:{line}: {heading} is none of the functions, or several")
        elif name in seen:
            problems.append(f"{PAGE}:{line}: {heading} has two tables")
        seen.add(name)
        rows = [row for row in rows if row not in ("", "---")]
        for row in rows:
            if row not in ROWS or rows.count(row) > 1:
                problems.append(f"{PAGE}:{line}: {heading} has a row '{row}' too many")
        problems += [f"{PAGE}:{line}: {heading} has no row '{row}'" for row in ROWS
                     if row not in rows and row not in OPTIONAL]
        if [row for row in ROWS if row in rows] != [row for row in rows if row in ROWS]:
            problems.append(f"{PAGE}:{line}: {heading} has its rows in another order")
    problems += [f"{PAGE}: no table of {name}" for name in sorted(wanted - seen)]
    common.finish(problems, len(wanted))


main(sys.argv[1])
