#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Includes point down only. RULES says what each folder may include of ours, as prefixes of paths
from the top; the longest folder that matches a file decides. System headers are free, except those
of OWNERS, which belong to the folders that wrap them."""

import os
import re
import sys

import common

BASE = ["rdma_backend/base/"]
ABI = ["rdma_backend/include/openwsd/"]
WINSOCK_NAMES = ["provider/include/openwsd/"]
CATALOG = ["spi_shim/catalog_entries.h"]
TRANSPORT_USES = ABI + BASE + ["rdma_backend/registry.h"]

RULES = {
    "rdma_backend/include": ABI,
    "rdma_backend/base": ABI + BASE,
    "rdma_backend": ABI + BASE + ["rdma_backend/registry.h", "rdma_backend/ops_default.h"],
    "rdma_backend/sim": ABI + BASE + ["rdma_backend/sim/"],
    "rdma_backend/shm": ABI + BASE + ["rdma_backend/shm/"],
    "rdma_backend/tcp": ABI + BASE + ["rdma_backend/tcp/"],
    "rdma_backend/verbs": ABI + BASE + ["rdma_backend/verbs/"],
    "rdma_backend/netdirect": ABI + BASE + ["rdma_backend/netdirect/"],
    "provider/include": WINSOCK_NAMES,
    "provider/transport": TRANSPORT_USES + ["provider/transport/"],
    "provider/session": ABI + BASE + ["provider/transport/", "provider/session/"],
    "provider/san": ABI + BASE + WINSOCK_NAMES + ["provider/transport/", "provider/san/"],
    "provider/winsock": ABI + BASE + WINSOCK_NAMES
    + ["provider/transport/", "provider/session/", "provider/san/", "provider/winsock/"],
    "spi_shim": BASE + WINSOCK_NAMES + CATALOG,
    # The shim is the other half of the system: base is its system services, and its wait functions
    # drive the engines. Streams and connections reach it only through winsock.
    "spi_shim/linux": ABI + BASE + WINSOCK_NAMES
    + ["provider/winsock/", "provider/transport/engine.h", "spi_shim/linux/"] + CATALOG,
    "spi_shim/windows": ABI + BASE + WINSOCK_NAMES
    + ["provider/winsock/", "provider/transport/engine.h", "spi_shim/windows/"] + CATALOG,
    # The tool shows what the layers below know.
    "spi_shim/wsdctl": ABI + BASE + WINSOCK_NAMES
    + ["provider/", "rdma_backend/registry.h", "spi_shim/wsdctl/"] + CATALOG,
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
OWNERS = {
    re.compile(r"^(winsock2|ws2\w*|mswsock|windows)\.h$"): ("rdma_backend", "provider", "spi_shim"),
    re.compile(r"^(infiniband|rdma)/"): ("rdma_backend/verbs",),
    re.compile(r"^(pthread|dlfcn|sys/mman|sys/eventfd)\.h$"): ("rdma_backend", "spi_shim"),
}


def folder_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in RULES:
        folder = os.path.dirname(folder)
    return folder


def resolve(top, path, name):
    """The included file of ours as a path from the top, or None for a system header."""
    places = (os.path.dirname(path), "", "rdma_backend/include", "provider/include",
              "provider/include/openwsd")
    for place in places:
        candidate = os.path.normpath(os.path.join(place, name))
        if os.path.isfile(os.path.join(top, candidate)):
            return candidate
    return None


def check_system(path, name):
    for pattern, owners in OWNERS.items():
        if pattern.search(name):
            return path.startswith(tuple(owner + "/" for owner in owners))
    return True


def main(top):
    problems = []
    checked = 0
    for path in common.sources(top, common.PRODUCT):
        checked += 1
        folder = folder_of(path)
        if not folder:
            problems.append(f"{path}:1: no layer rule for this folder")
            continue
        text = common.read(top, path)
        for match in INCLUDE.finditer(text):
            quote, name = match.groups()
            target = resolve(top, path, name)
            if quote == "<" and target and not name.startswith("openwsd/"):
                # <winsock2.h> is the system's on Windows and ours elsewhere.
                target = None if target.startswith("provider/include/") else target
            if target is None:
                allowed = check_system(path, name)
            else:
                allowed = target.startswith(tuple(RULES[folder]))
            if not allowed:
                line = common.line_of(text, match.start())
                problems.append(f"{path}:{line}: {folder} must not include {target or name}")
    common.finish(problems, checked)


main(sys.argv[1])
