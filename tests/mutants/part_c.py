# SPDX-License-Identifier: BSD-2-Clause
"""Seeded defects of events, options, ioctls and out-of-band data; see mutants.py."""

EVENT = "provider/winsock/event.c"
SELECT = "provider/winsock/select.c"
SOCKOPT = "provider/winsock/sockopt.c"
SOCKINFO = "provider/winsock/sockinfo.c"
IOCTL = "provider/winsock/ioctl.c"
RECV = "provider/winsock/recv.c"
RX = "provider/session/rx.c"
URGENT = "provider/session/urgent.c"
QOS_NAMES = "provider/winsock/qos_names.c"

MUTANTS = [
    # events and select
    (214, EVENT, "\twsd_fd_init(fd);\n\tfd->mask = mask;", "\tfd->mask = mask;", "events"),
    (219, EVENT, "fd->error[n];\n\tfd->record = 0;\n}", "fd->error[n];\n}", "events"),
    (221, EVENT, "\t\tif (fd->record & (1L << n))\n", "", "events"),
    (223, EVENT, "(fd->mask & fd->armed & bit)", "(fd->armed & bit)", "events"),
    (225, EVENT, "\tfd->armed &= ~bit;\n", "", "events"),
    (201, "provider/winsock/shutdown.c",
     "\twsd_mutex_lock(&sock->tell);\n\twsd_mutex_unlock(&sock->tell);\n", "", "messages"),
    (234, EVENT, "from->window, from->message, from->mask", "from->window, 0, from->mask", "messages"),
    (231, EVENT, "\t*error = sock->broken_error;\n", "\t*error = 0;\n", "events"),
    (
        233,
        EVENT,
        "!sock->options.oob_inline && wsd_stream_urgent",
        "wsd_stream_readable(sock->stream) + wsd_stream_urgent",
        "events",
    ),
    (
        224,
        RECV,
        "wsd_fd_arm(&sock->fd, FD_READ | FD_OOB);",
        "wsd_fd_arm(&sock->fd, FD_OOB);",
        "events",
    ),
    (
        235,
        IOCTL,
        "if (value == 0 && sock->fd.mask != 0)",
        "if (value == 0 && sock->fd.mask == 99)",
        "events",
    ),
    (238, SELECT, "return *members == 0 ? WSAEINVAL : 0;", "return 0;", "select"),
    (
        241,
        SELECT,
        "\t\tif (ready[i])\n\t\t\tset->fd",
        "\t\tif (ready[i] || 1)\n\t\t\tset->fd",
        "select",
    ),
    # options
    (
        245,
        SOCKINFO,
        "\tdefault:\n\t\treturn WSAENOPROTOOPT;",
        "\tdefault:\n\t\treturn WSAEINVAL;",
        "options",
    ),
    (250, SOCKOPT, "value->number = SOCK_STREAM;", "value->number = SOCK_DGRAM;", "options"),
    (251, SOCKOPT, "\tsock->error = 0;\n", "", "options"),
    (253, SOCKOPT, "\tsock->options.linger_on = value->number == 0;\n", "", "options"),
    (
        249,
        SOCKOPT,
        "number = sock->state == WSD_SOCK_LISTENING;",
        "number = sock->state == WSD_SOCK_BOUND;",
        "options",
    ),
    # ioctls
    (266, IOCTL, "UINT32_MAX : (u_long)readable;", "UINT32_MAX : (u_long)readable + 1;", "ioctls"),
    (
        268,
        IOCTL,
        "call->out_size < row->out_least)))",
        "call->out_size + 1 < row->out_least)))",
        "ioctls",
    ),
    (
        270,
        IOCTL,
        "(error == WSAEFAULT && call->bytes > 0)",
        "(error == WSAEFAULT && call->bytes > 1000000)",
        "ioctls",
    ),
    (274, IOCTL, "\t\treturn WSAENETUNREACH;", "\t\treturn WSAENETDOWN;", "ioctls"),
    # quality of service, that is not there
    (311, QOS_NAMES, "\t\treturn WSAEINVAL;\n\tfill", "\t\treturn WSAEOPNOTSUPP;\n\tfill", "qos"),
    (315, IOCTL, "\twsd_fd_arm(&sock->fd, FD_QOS);\n", "", "qos"),
    # out-of-band data
    (
        340,
        RX,
        "\t\tif (rx->urgent_marks[i] > rx->read)\n\t\t\treturn rx->urgent_marks[i];\n",
        "\t\tif (0)\n\t\t\treturn 0;\n",
        "oob",
    ),
    (341, URGENT, "*byte = s->rx.urgent_bytes[s->rx.urgent_taken];", "*byte = s->rx.urgent_bytes[s->rx.urgent_taken] ^ 1;", "oob"),
    (343, URGENT, "return s->rx.urgent_marks[i] == s->rx.read;", "return s->rx.urgent_marks[i] != s->rx.read;", "oob"),
]
