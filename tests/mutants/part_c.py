# SPDX-License-Identifier: BSD-2-Clause
"""Seeded defects of events, options, ioctls and out-of-band data; see mutants.py."""

MUTANTS = [
    (
        245,
        "provider/winsock/sockopt.c",
        "\tdefault:\n\t\treturn WSAENOPROTOOPT;",
        "\tdefault:\n\t\treturn WSAEINVAL;",
        "stream",
    ),
    (
        250,
        "provider/winsock/sockopt.c",
        "value->number = SOCK_STREAM;",
        "value->number = SOCK_DGRAM;",
        "stream",
    ),
    (
        266,
        "provider/winsock/ioctl.c",
        "bytes = readable > UINT32_MAX ? UINT32_MAX : (u_long)readable;",
        "bytes = readable > UINT32_MAX ? UINT32_MAX : (u_long)readable + 1;",
        "stream",
    ),
]
