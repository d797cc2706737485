#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_exports.py LIBRARY MAP HEADER...: the library exports exactly the names of its version
script, and every function that the public headers declare is among them."""

import os
import re
import subprocess
import sys

import common

PROTOTYPE = re.compile(r"\b(\w+)\s*\([^;{}()]*(?:\([^;{}()]*\)[^;{}()]*)*\)\s*(?:WSD_\w+\s*)?;")


def script_names(text):
    """The names listed as global; patterns are refused, because they hide what is exported."""
    text = re.sub(r"/\*.*?\*/|#[^\n]*", " ", text, flags=re.S)
    body = " ".join(re.findall(r"global:(.*?)(?:local:|\})", text, flags=re.S))
    return set(body.replace(";", " ").split())


def exported_names(library):
    output = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    rows = [line.split() for line in output.splitlines()]
    # A is the version node itself.
    return {row[-1].split("@")[0] for row in rows if row[-2] != "A"}


def preprocessed(path):
    """The header as the compiler sees it, names renamed by macros included; only its own lines."""
    output = subprocess.run(["cc", "-E", "-D_GNU_SOURCE", "-I" + os.path.dirname(path),
                             "-I" + os.path.dirname(os.path.dirname(path)), path],
                            check=True, text=True, stdout=subprocess.PIPE).stdout
    own = False
    lines = []
    for line in output.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            own = os.path.basename(marker.group(1)) == os.path.basename(path)
        elif own and not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


def declared_names(path):
    text = common.without_comments_and_strings(preprocessed(path))
    depth = 0
    plain = []
    # What stands inside braces is a structure, an enumeration or an inline function.
    for character in text:
        depth += character == "{"
        if depth <= 0:
            plain.append(character)
        elif character == "}" and depth == 1:
            plain.append(";")
        depth -= character == "}" and depth > 0
    names = set()
    for statement in "".join(plain).split(";"):
        if re.search(r"\b(typedef|static|_Static_assert)\b", statement):
            continue
        match = PROTOTYPE.search(statement.strip() + ";")
        if match and re.match(r"[\w*\s]+\b" + match.group(1), statement):
            names.add(match.group(1))
    return names


def main(library, script, headers):
    problems = []
    with open(script, encoding="utf-8") as file:
        wanted = script_names(file.read())
    exported = exported_names(library)
    for name in sorted(wanted):
        if "*" in name:
            problems.append(f"{script}: the pattern {name} hides what is exported")
        elif name not in exported:
            problems.append(f"{script}: {name} is listed and not defined")
    for name in sorted(exported - wanted):
        problems.append(f"{library}: exports {name}, which {script} does not list")
    for path in headers:
        for name in sorted(declared_names(path) - exported):
            problems.append(f"{path}: declares {name}, which the library does not export")
    common.finish(problems, len(exported))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
