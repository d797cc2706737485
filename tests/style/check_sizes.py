#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A file has at most 600 lines, a function at most 100; functions over 60 are only mentioned."""

import re
import sys

import common

FILE_LINES = 600
FUNCTION_LINES = 100
FUNCTION_MENTION = 60
NAME = re.compile(r"(\w+)\s*\(")


def functions(text):
    """(name, first line, lines) of every function: a brace in column 0 up to the next one."""
    lines = common.without_comments_and_strings(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if line.rstrip() == "}":
                head = start - 1
                while head > 1 and lines[head - 1].startswith(("\t", " ")):
                    head -= 1
                match = NAME.search(lines[head - 1])
                yield (match.group(1) if match else "?", start, number - start + 1)
            start = None


def main(top):
    problems = []
    checked = 0
    for path in common.sources(top):
        checked += 1
        text = common.read(top, path)
        count = text.count("\n")
        if count > FILE_LINES:
            problems.append(f"{path}:{FILE_LINES}: file of {count} lines")
        for name, line, length in functions(text):
            if length > FUNCTION_LINES:
                problems.append(f"{path}:{line}: function {name} of {length} lines")
            elif length > FUNCTION_MENTION:
                print(f"note: {path}:{line}: function {name} of {length} lines")
    common.finish(problems, checked)


main(sys.argv[1])
