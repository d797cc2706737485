#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Calls that product code must not make: unbounded string functions, allocation around wsd_alloc,
the environment around wsd_env, sleeping, and output to the terminal."""

import re
import sys

import common

UNBOUNDED = "gets sprintf vsprintf strcpy strcat strtok alloca mktemp tmpnam atoi atol"
ALLOCATION = "malloc calloc realloc reallocarray strdup strndup asprintf vasprintf free"
RULES = [
    # functions, where they may be called all the same, why not elsewhere
    (UNBOUNDED, (), "not bounded or not checkable"),
    (ALLOCATION, ("rdma_backend/base/alloc.c", "spi_shim/wsdctl/"), "use wsd_alloc and wsd_free"),
    ("getenv", (), "use wsd_env or wsd_param_text"),
    ("secure_getenv", ("rdma_backend/base/platform_posix.c",), "use wsd_env"),
    ("sleep usleep nanosleep", (), "wait for the event, with a deadline"),
    ("system popen", (), "no shell"),
    ("printf puts perror", ("spi_shim/wsdctl/",), "use wsd_log"),
]


def main(top):
    problems = []
    checked = 0
    compiled = [(re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), places, why)
                for names, places, why in RULES]
    for path in common.sources(top, common.PRODUCT):
        checked += 1
        text = common.without_comments_and_strings(common.read(top, path))
        for pattern, places, why in compiled:
            if places and path.startswith(places):
                continue
            for match in pattern.finditer(text):
                line = common.line_of(text, match.start())
                problems.append(f"{path}:{line}: {match.group(1)}: {why}")
    common.finish(problems, checked)


main(sys.argv[1])
