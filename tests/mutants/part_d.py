# SPDX-License-Identifier: BSD-2-Clause
"""Mode S: descriptors, connecting, completion, registered memory, the end."""

CHANNEL = "provider/san/channel.c"
TRANSFER = "provider/san/transfer.c"
MEMORY = "provider/san/memory.c"
ACCEPTOR = "provider/san/acceptor.c"
CONNECT = "provider/winsock/san_connect.c"
ACCEPT = "provider/winsock/accept.c"
OP = "provider/winsock/op.c"

MUTANTS = [
    (34, "provider/winsock/lookup.c", "if (sock->mode != WSD_MODE_SAN)", "if (sock->life > 0)",
     "san_start"),
    (70, ACCEPTOR, "if (!a->closing && a->count < a->backlog) {", "if (!a->closing) {", "san_listen"),
    (94, ACCEPTOR, "\tif (a->count++ == 0)", "\twsd_request_refuse(engine, c->request, WSD_EREFUSED);\n"
     "\tc->request = NULL;\n\tif (a->count++ == 0)", "san_connect"),
    (98, TRANSFER, "\tif ((ch->early.open || !ch->endpoint) && !ch->early.receive) {",
     "\tif (!ch->endpoint && !ch->early.receive) {", "san_io"),
    (114, CONNECT, "return nobody_listens(remote) ? WSAECONNRESET : WSAETIMEDOUT;",
     "return remote->port != 0 ? WSAECONNRESET : WSAETIMEDOUT;", "san_connect"),
    (139, TRANSFER, "\t\t\treturn WSD_NOTFOUND;", "\t\t\treturn WSD_EINVAL;", "san_io"),
    (175, OP, "home->mode == WSD_MODE_SAN && ((ULONG_PTR)op->overlapped->hEvent & 1) != 0",
     "home->mode == WSD_MODE_SAN && home->closed", "san_io"),
    (189, TRANSFER, "end_list(ch, &ch->rx_posted, status);", "(void)status;", "san_io"),
    (287, MEMORY, "\tif (--r->references > 0)\n", "\tif (r->references > 1000)\n", "san_memory"),
    (289, MEMORY, "(r->references == 1 && r->busy > 0)", "(r->references == 1 && r->busy > 9)",
     "san_memory"),
    (293, MEMORY, "\tfree_slot(ch, number);\n\tdrop(ch, r);\n\treturn WSD_OK;\n}\n\nenum wsd_status "
     "wsd_memory_forget", "\tfree_slot(ch, number);\n\treturn WSD_OK;\n}\n\nenum wsd_status "
     "wsd_memory_forget", "san_memory"),
    (294, TRANSFER, "d.nonce != ch->peer.nonce || ", "", "san_memory"),
    (295, MEMORY, "\tif (rights & WSD_MEMORY_WRITE)\n\t\taccess |= WSD_ACCESS_REMOTE_WRITE;",
     "\taccess |= WSD_ACCESS_REMOTE_WRITE;", "san_memory"),
    (304, MEMORY, "wsd_mr_invalidate(wsd_engine_mr_cache(engine), base, length)",
     "(engine != NULL ? WSD_OK : WSD_EBUSY)", "san_memory"),
]
