#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every parameter that the code asks for stands in base/param_names.h, and nothing else does:
that list decides which keys of openwsd.conf are unknown."""

import re
import sys

import common

LIST = "rdma_backend/base/param_names.h"
CORE = re.compile(r'\bwsd_param_(?:uint|text|find)\(\s*"([^"]+)"')
HOST = re.compile(r'->param_(?:uint|text)\(\s*(?:"([^"]+)"|[\w.>-]+)\s*,\s*"([^"]+)"')


def asked(top):
    for path in common.sources(top, common.PRODUCT):
        if path.startswith("rdma_backend/base/host.c"):
            continue
        text = common.read(top, path)
        for match in CORE.finditer(text):
            yield match.group(1), path, common.line_of(text, match.start())
        for match in HOST.finditer(text):
            backend = match.group(1) or path.split("/")[1]
            yield f"{backend}_{match.group(2)}", path, common.line_of(text, match.start())


def main(top):
    problems = []
    listed = re.findall(r'X\("([A-Z0-9_]+)"', common.read(top, LIST))
    used = set()
    for name, path, line in asked(top):
        name = name.upper()
        used.add(name)
        if name not in listed:
            problems.append(f"{path}:{line}: parameter {name} is not in {LIST}")
    for name in listed:
        if name not in used:
            problems.append(f"{LIST}:1: nobody asks for {name}")
    if listed != sorted(listed):
        problems.append(f"{LIST}:1: not sorted")
    common.finish(problems, len(used))


main(sys.argv[1])
