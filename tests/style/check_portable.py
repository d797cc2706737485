#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is built for Windows has nothing that only GCC and Clang, or only POSIX systems know, unless the line is for
them alone (#ifdef __GNUC__, #ifndef _WIN32). The rest is refused by the compiler already: -Wpedantic, -Wvla."""

import re
import sys

import common

# Of Linux alone: whole folders, names, and the winsock headers that take the place of the system's.
ELSEWHERE = re.compile(r"_(linux|posix)\.[ch]$|^spi_shim/linux/|^rdma_backend/verbs/|^provider/include/openwsd/|"
                       r"^spi_shim/wsdctl/bench|^spi_shim/wsdctl/params\.c$")
WORDS = re.compile(r"\b(__attribute__|__extension__|__typeof__|__int128|__asm__|__(?:builtin|atomic|sync)_\w+|"
                   r"ssize_t|off_t|pid_t|strn?casecmp|strtok_r|gmtime_r|localtime_r|clock_gettime)\b|"
                   r"^[ \t]*#[ \t]*include[ \t]*<((?:unistd|strings|pthread|dirent|fcntl|poll|sys/\w+)\.h)>", re.M)
CONDITION = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)\b(.*)$")


def is_theirs(word, condition):
    """Does the condition hold for GCC and Clang only, or nowhere on Windows?"""
    if word == "ifndef":
        return "_WIN32" in condition
    return "__GNUC__" in condition or re.search(r"!\s*defined\W+_WIN32", condition) is not None


def ours(text):
    """The text without the lines that are theirs."""
    kept = []
    blocks = []  # one for each #if that is open: [is this part theirs, is its #else]
    for line in text.split("\n"):
        found = CONDITION.match(line)
        word = found.group(1) if found else None
        if word in ("if", "ifdef", "ifndef"):
            of_windows = word == "ifdef" and "_WIN32" in found.group(2)
            blocks.append([is_theirs(word, found.group(2)), of_windows])
        elif word == "elif" and blocks:
            blocks[-1] = [is_theirs(word, found.group(2)), False]
        elif word == "else" and blocks:
            blocks[-1] = [blocks[-1][1], False]
        elif word == "endif" and blocks:
            blocks.pop()
        kept.append("" if any(theirs for theirs, _ in blocks) else line)
    return "\n".join(kept)


def main(top):
    problems = []
    checked = 0
    for path in common.sources(top, common.PRODUCT):
        if ELSEWHERE.search(path):
            continue
        checked += 1
        text = ours(common.without_comments_and_strings(common.read(top, path)))
        for match in WORDS.finditer(text):
            line = common.line_of(text, match.start())
            problems.append(f"{path}:{line}: {match.group(1) or match.group(2)}: not on every Windows compiler")
    common.finish(problems, checked)


main(sys.argv[1])
