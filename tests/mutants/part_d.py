# SPDX-License-Identifier: BSD-2-Clause
"""Mode S: descriptors, connecting, completion, registered memory, the end."""

CHANNEL = "provider/san/channel.c"
TRANSFER = "provider/san/transfer.c"
MEMORY = "provider/san/memory.c"
ACCEPTOR = "provider/san/acceptor.c"
CONNECT = "provider/winsock/san_connect.c"
ACCEPT = "provider/winsock/accept.c"
OP = "provider/winsock/op.c"
PROVIDER = "provider/winsock/provider.c"
SHUTDOWN = "provider/winsock/shutdown.c"
TABLE = "provider/winsock/san_table.c"
EVENT = "provider/winsock/event.c"
IOCTL = "provider/winsock/ioctl.c"

MUTANTS = [
    (15, PROVIDER, "\tupcalls.complete = lpUpcallTable->lpWPUCompleteOverlappedRequest;",
     "\twsd_find_complete find = atomic_load(&find_complete);\n\n"
     "\tupcalls.complete = find != NULL ? find(&upcalls.table) : NULL;", "san_start"),
    (24, "rdma_backend/base/platform_posix.c", "\twsd_must(pthread_join(thread->handle, NULL));",
     "\tpthread_t late; /* for 0.3 s */\n\n\twsd_must(pthread_join(thread->handle, NULL));\n"
     "\twsd_must(pthread_create(&late, NULL, (void *(*)(void *))usleep, (void *)300000));", "san_start"),
    (34, "provider/winsock/lookup.c", "if (sock->mode != WSD_MODE_SAN)", "if (sock->life > 0)",
     "san_start"),
    (70, ACCEPTOR, "if (!a->closing && a->count < a->backlog) {", "if (!a->closing) {", "san_listen"),
    (94, ACCEPTOR, "\tif (a->count++ == 0)", "\twsd_request_refuse(engine, c->request, WSD_EREFUSED);\n"
     "\tc->request = NULL;\n\tif (a->count++ == 0)", "san_connect"),
    (98, TRANSFER, "\tif ((ch->early.open || (!ch->endpoint && wsd_list_empty(&ch->rx_waiting))) &&\n",
     "\tif (!ch->endpoint &&\n", "san_io"),
    (114, CONNECT, "return nobody_listens(remote) ? WSAECONNRESET : WSAETIMEDOUT;",
     "return remote->port != 0 ? WSAECONNRESET : WSAETIMEDOUT;", "san_connect"),
    (139, TRANSFER, "\t\t\treturn WSD_NOTFOUND;", "\t\t\treturn WSD_EINVAL;", "san_io"),
    (161, CHANNEL, "\tch->changes |= WSD_CHANNEL_BROKEN;\n\twsd_transfers_end(ch, ch->error);",
     "\tch->changes |= WSD_CHANNEL_BROKEN;\n\twsd_transfers_end(ch, WSD_OK);", "san_io"),
    (175, OP, "home->mode == WSD_MODE_SAN && ((ULONG_PTR)op->overlapped->hEvent & 1) != 0",
     "home->mode == WSD_MODE_SAN && home->closed", "san_io"),
    (189, TRANSFER, "end_list(ch, &ch->rx_posted, status);", "(void)status;", "san_io"),
    (190, SHUTDOWN, "\twsd_socket_close_now(sock, true, false);\n\treturn 0;",
     "\tif (sock->channel != NULL && !wsd_list_empty(&sock->queues[WSD_Q_RECV]))\n"
     "\t\treturn wsd_socket_return(sock, WSAEWOULDBLOCK, lpErrno);\n"
     "\twsd_socket_close_now(sock, true, false);\n\treturn 0;", "san_io"),
    (218, EVENT, "FD_ACCEPT | FD_CONNECT : FD_ALL_EVENTS", "FD_ALL_EVENTS : FD_ALL_EVENTS", "san_listen"),
    (260, TABLE, "\t\t*value = limits.message;", "\t\t*value = limits.message * 8;", "san_io"),
    (278, IOCTL, "if (code == SIO_GET_EXTENSION_FUNCTION_POINTER && !call->overlapped) {",
     "if (code == SIO_GET_EXTENSION_FUNCTION_POINTER && !call->overlapped && s % 2 == 1 && s < 99) {",
     "san_options"),
    (287, MEMORY, "\tif (--r->references > 0)\n", "\tif (r->references > 1000)\n", "san_memory"),
    (289, MEMORY, "(r->references == 1 && r->busy > 0)", "(r->references == 1 && r->busy > 9)",
     "san_memory"),
    (293, MEMORY, "\tfree_slot(ch, number);\n\tdrop(ch, r);\n\treturn WSD_OK;\n}\n\nenum wsd_status "
     "wsd_memory_forget", "\tfree_slot(ch, number);\n\treturn WSD_OK;\n}\n\nenum wsd_status "
     "wsd_memory_forget", "san_memory"),
    (294, TRANSFER, "d.nonce != ch->peer.nonce || ", "", "san_memory"),
    (294, MEMORY, "\tif (ch->endpoint) /* else it comes with the answer to the connector */\n"
     "\t\tch->backend->bind(r->region, ch->endpoint);\n", "", "san_memory"),
    (295, MEMORY, "\tif (rights & WSD_MEMORY_WRITE)\n\t\taccess |= WSD_ACCESS_REMOTE_WRITE;",
     "\taccess |= WSD_ACCESS_REMOTE_WRITE;", "san_memory"),
    (304, MEMORY, "wsd_mr_invalidate(wsd_engine_mr_cache(engine), base, length)",
     "(engine != NULL ? WSD_OK : WSD_EBUSY)", "san_memory"),
    (316, "provider/winsock/share_plain.c", "missing = missing_of(record, holders, ours);",
     "missing = missing_of(record, holders, 0xff);", "duplicate_plain", ("ipv4",), "plain"),
    (317, "provider/winsock/share_record.c", "return wsd_record_remove(name) ? 0 : WSAEINVAL;",
     "return wsd_record_exists(name) ? 0 : WSAEINVAL;", "duplicate"),
    (320, "provider/san/channel.c", "ch->handed ? WSD_OK : WSD_ECANCELLED", "WSD_ECANCELLED",
     "san_duplicate"),
    (321, MEMORY, "\t\tif (ch->slots[i].registration)\n\t\t\tdrop(",
     "\t\tif (ch->slots[i].registration && !ch->handed)\n\t\t\tdrop(", "san_duplicate"),
    (330, "provider/winsock/share.c", "wsd_share_others(&share->record) && can_go(sock)",
     "false", "duplicate"),
    (330, "provider/winsock/share.c", "wsd_share_plain_owed(&share->record, &share->plain) ? SEAT_OWING : SEAT_ENDED",
     "SEAT_ENDED", "duplicate_plain", ("ipv4",), "plain"),
]
