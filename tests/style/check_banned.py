#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What product code must not do: call unbounded string functions, allocate around wsd_alloc, read
the environment around wsd_env, sleep, write to the terminal, have variables of a thread around
WSD_THREAD_LOCAL."""

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
# An emulated one keeps a slot of the process behind when the code is unloaded.
OF_THREAD = r"\b(_Thread_local|thread_local|__thread|__declspec\s*\(\s*thread\s*\))(?!\w)"
OF_THREAD_PLACES = ("rdma_backend/base/platform.h", "rdma_backend/base/platform_posix.c",
                    "spi_shim/linux/")


def main(top):
    problems = []
    checked = 0
    compiled = [(re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), places, why)
                for names, places, why in RULES]
    compiled.append((re.compile(OF_THREAD), OF_THREAD_PLACES, "use WSD_THREAD_LOCAL"))
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
