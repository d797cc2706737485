# SPDX-License-Identifier: BSD-2-Clause
"""Seeded defects of sending, receiving, overlapped completion and closing; see mutants.py. And of the path by TCP
of the system."""

PLAIN = "provider/session/plain.c"
PLAIN_IO = "provider/session/plain_io.c"
BY_PLAIN = (("ipv4",), "plain")

MUTANTS = [
    (
        123,
        "provider/winsock/send.c",
        "return sock->send_shut ? WSAESHUTDOWN : 0;",
        "return sock->send_shut ? WSAENOTCONN : 0;",
        "send",
    ),
    (
        126,
        "provider/winsock/send.c",
        "	return wsd_error(status, WSD_CALL_SEND);\n}\n\nstatic int send_urgent",
        "	return status == WSD_AGAIN ? 0 : wsd_error(status, WSD_CALL_SEND);\n}\n\nstatic int send_urgent",
        "send",
    ),
    (
        128,
        "provider/winsock/send.c",
        "		if (result == 0)\n			wsd_op_indicate",
        "		if (result == 0 && call.bytes > 1000)\n			wsd_op_indicate",
        "upcalls",
    ),
    (
        142,
        "provider/winsock/err_map.c",
        "{ WSD_ERESET, WSAECONNRESET, WSAECONNREFUSED }",
        "{ WSD_ERESET, WSAECONNABORTED, WSAECONNREFUSED }",
        "send",
    ),
    (
        147,
        "provider/winsock/recv.c",
        "		if (bytes < want || (call->flags & MSG_PEEK) || wsd_stream_mark_here(sock->stream))",
        "		if (call->flags & MSG_PEEK)",
        "recv",
    ),
    (
        153,
        "provider/winsock/recv.c",
        "			if (op->moved == op->total ||\n			    (!(op->flags & MSG_WAITALL) &&",
        "			if (op->moved == op->total ||\n			    ((op->flags != MSG_OOB) &&",
        "recv",
    ),
    (
        155,
        "provider/winsock/recv.c",
        "	if (result == 0) {\n		if (lpNumberOfBytesRecvd != NULL)",
        "	if (lpFlags != NULL) {\n		if (lpNumberOfBytesRecvd != NULL)",
        "recv",
    ),
    (
        165,
        "provider/winsock/op.c",
        "	overlapped_start(op->overlapped);\n	home->op_count++;",
        "	home->op_count++;",
        "overlapped",
    ),
    (
        166,
        "provider/winsock/op.c",
        "	if (event != 0 && request->routine == NULL)\n",
        "	if (event == 1 && request->routine == NULL)\n",
        "overlapped",
    ),
    (
        168,
        "provider/winsock/op.c",
        "		overlapped_result(op->overlapped, op->error, op->result_flags);\n",
        "",
        "upcalls",
    ),
    (
        172,
        "provider/winsock/op.c",
        "	if (error != 0) {\n		*out = error;\n		return FALSE;\n	}\n	*lpcbTransfer",
        "	*lpcbTransfer = 0;\n	if (error != 0) {\n		*out = error;\n		return FALSE;\n	}\n	*lpcbTransfer",
        "overlapped",
    ),
    (
        182,
        "provider/winsock/routine.c",
        "		if (f->handle == frame.handle) {",
        "		if (f->handle == INVALID_SOCKET) {",
        "routine",
    ),
    (
        183,
        "provider/winsock/op.c",
        "		op->thread = *request->thread;",
        "		op->thread.Reserved = request->thread->Reserved;",
        "upcalls",
    ),
    (
        189,
        "provider/winsock/shutdown.c",
        "				      WSA_OPERATION_ABORTED);\n	}\n}",
        "				      WSAECONNABORTED);\n	}\n}",
        "close",
    ),
    (
        199,
        "provider/winsock/shutdown.c",
        "		abort_it = !linger_wait(sock);",
        "		(void)linger_wait(sock);",
        "linger",
    ),
    (
        200,
        "provider/winsock/shutdown.c",
        "	if (lingers && sock->nonblocking) {",
        "	if (lingers && sock->nonblocking && sock->closed) {",
        "close",
    ),
    (
        212,
        "provider/winsock/wait.c",
        "	if (waiter == NULL)\n		return WSAEINVAL;",
        "	if (waiter == NULL)\n		return 0;",
        "upcalls",
    ),
    # A byte is lost where a write was partial; room, and the end, are not told of.
    (196, PLAIN_IO, "\treturn sent(s, wsd_os_tcp_send(s->plain->socket, buffers, n, bytes), flags);",
     "\tstatus = wsd_os_tcp_send(s->plain->socket, buffers, n, bytes);\n"
     "\tif (status == WSD_OK && *bytes < total)\n\t\t++*bytes;\n\treturn sent(s, status, flags);", "close", *BY_PLAIN),
    (228, PLAIN, "\t\tp->may_write = true;\n\t\ts->changes |= WSD_CHANGE_WRITABLE;\n", "\t\tp->may_write = true;\n",
     "events", *BY_PLAIN),
    (231, PLAIN, "\t\tp->ended = true;\n", "\t\tp->ended = p->eof;\n", "events", *BY_PLAIN),
    # No other path is tried after a late failure; a plain peer is remembered for ever, or never called by another path.
    ("falls_back_unseen", "provider/session/connect.c",
     "status == WSD_EREFUSED || !take_next(s, now)", "now <= s->deadline || !take_next(s, now)", "plain"),
    ("memory", "provider/transport/unanswered.c", "note->until = now + life;", "note->until = UINT64_MAX;",
     "plain"),
    ("memory_is_no_trap", "provider/transport/path.c", "\tpaths->by_heart = true;\n",
     "\tpaths->by_heart = true;\n\tpaths->count = 1;\n", "plain"),
]
