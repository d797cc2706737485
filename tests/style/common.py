# SPDX-License-Identifier: BSD-2-Clause
"""What the style checks share: walking the sources and reporting."""

import os
import re
import sys

FOLDERS = ("rdma_backend", "provider", "spi_shim", "tests", "examples")
PRODUCT = ("rdma_backend", "provider", "spi_shim")


def sources(top, folders=FOLDERS, suffixes=(".c", ".h")):
    """Paths relative to top, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(top, folder)):
            for name in names:
                if name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(where, name), top))
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        return file.read()


def without_comments_and_strings(text):
    """Blank out comments and literals, keep the lines."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(problems, checked):
    """Print the problems and leave. A check that saw no file has failed."""
    for problem in problems:
        print(problem)
    if not checked:
        print("no source file found")
    sys.exit(1 if problems or not checked else 0)
