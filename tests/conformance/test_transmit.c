// SPDX-License-Identifier: BSD-2-Clause
/* test_transmit.c - TransmitFile and TransmitPackets, by event, by port, by polling, synchronously. */
#include "tests/conformance/ext.h"

#include <stdio.h>
#include <unistd.h>

#define FILE_BYTES 300000u

static char head[1000], tail[500], out[4u << 20];
static HANDLE file, short_file;
static char file_name[64], short_name[64];

/* The file continues the pattern of the head, the tail that of the file. */
static HANDLE make_file(char *name, const char *what, DWORD bytes)
{
	char *content = pattern_new(bytes, sizeof(head));
	DWORD n = 0;
	HANDLE handle;

	snprintf(name, sizeof(file_name), "/tmp/openwsd-transmit.%d.%s", (int)getpid(), what);
	handle = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	NEED(handle != INVALID_HANDLE_VALUE && WriteFile(handle, content, bytes, &n, NULL) &&
	     n == bytes);
	free(content);
	return handle;
}

static void file_seek(LONGLONG to)
{
	LARGE_INTEGER at;

	at.QuadPart = to;
	NEED(SetFilePointerEx(file, at, NULL, FILE_BEGIN));
}

struct reader {
	SOCKET s;
	size_t length, from;
	bool ok;
};

static void read_all(void *arg)
{
	struct reader *r = arg;
	char *bytes = malloc(r->length + 1);

	NEED(bytes);
	r->ok = receive_all(r->s, bytes, r->length) == r->length &&
		pattern_ok(bytes, r->length, r->from);
	free(bytes);
}

static void check_parameters(void)
{
	TRANSMIT_PACKETS_ELEMENT bad = { .dwElFlags = TP_ELEMENT_MEMORY, .cLength = 5 };
	TRANSMIT_PACKETS_ELEMENT no_file = { .dwElFlags = TP_ELEMENT_FILE };
	TRANSMIT_PACKETS_ELEMENT unknown = { .dwElFlags = 8 };
	struct pair p = need_pair();
	SOCKET fresh = stream_socket();
	struct wait w;
	char c[2];

	wait_begin(&w, p.client, BY_EVENT);
	CHECK(FALSE_WITH(transmit_file(fresh, file, 0, 0, &w.o, NULL, 0), WSAENOTCONN));
	CHECK(FALSE_WITH(transmit_file(fresh, file, 0, 0, NULL, NULL, 0), WSAENOTCONN));
	CHECK(FALSE_WITH(transmit_file(INVALID_SOCKET, file, 0, 0, &w.o, NULL, 0), WSAENOTSOCK));
	CHECK(FALSE_WITH(transmit_file(p.client, INVALID_HANDLE_VALUE, 0, 0, &w.o, NULL, 0),
			 WSA_INVALID_HANDLE));
	CHECK(FALSE_WITH(transmit_file(p.client, file, 0, 0, &w.o, NULL, 0x100), WSAEINVAL));
	CHECK(FALSE_WITH(transmit_file(p.client, file, 0, 0, &w.o, NULL, TF_REUSE_SOCKET),
			 WSAEINVAL)); /* only with TF_DISCONNECT */
	CHECK(FALSE_WITH(transmit_packets(fresh, NULL, 0, 0, &w.o, 0), WSAENOTCONN));
	CHECK(FALSE_WITH(transmit_packets(p.client, NULL, 1, 0, &w.o, 0), WSAEFAULT));
	CHECK(FALSE_WITH(transmit_packets(p.client, &bad, 1, 0, &w.o, 0), WSAEFAULT));
	CHECK(FALSE_WITH(transmit_packets(p.client, &no_file, 1, 0, &w.o, 0), WSA_INVALID_HANDLE));
	CHECK(FALSE_WITH(transmit_packets(p.client, &unknown, 1, 0, &w.o, 0), WSAEINVAL));
	CHECK(FALSE_WITH(transmit_packets(p.client, &bad, 0, 0, &w.o, 0x100), WSAEINVAL));
	CHECK(wait_nothing(&w));
	CHECK(send(p.client, "ok", 2, 0) == 2 && receive_all(p.server, c, 2) == 2);
	shutdown(p.client, SD_SEND);
	CHECK(FALSE_WITH(transmit_file(p.client, file, 0, 0, NULL, NULL, 0), WSAESHUTDOWN));
	closesocket(fresh);
	close_pair(&p);
}

static void check_whole(enum method method)
{
	TRANSMIT_FILE_BUFFERS around = { head, sizeof(head), tail, sizeof(tail) };
	const DWORD total = sizeof(head) + FILE_BYTES + sizeof(tail);
	struct pair p = need_pair();
	struct reader r = { p.server, total, 0, false };
	struct conf_thread *reader = thread_run(read_all, &r);
	struct wait w;
	DWORD n = 0;

	wait_begin(&w, p.client, method);
	CHECK(STARTS(transmit_file(p.client, file, 0, 0, &w.o, &around,
				   TF_WRITE_BEHIND | TF_USE_SYSTEM_THREAD)));
	CHECK(wait_end(&w, &n) == 0 && n == total);
	thread_join(reader);
	CHECK(r.ok);
	/* A part, from the place that the structure names; the size of one send is only advice. */
	r = (struct reader){ p.server, 70000, sizeof(head) + 12345, false };
	reader = thread_run(read_all, &r);
	overlapped_init(&w.o, NULL);
	w.o.Offset = 12345;
	w.o.OffsetHigh = 0;
	CHECK(STARTS(transmit_file(p.client, file, 70000, 100, &w.o, NULL, TF_USE_KERNEL_APC)));
	CHECK(outcome(p.client, &w.o, &n, NULL) == 0 && n == 70000);
	thread_join(reader);
	CHECK(r.ok);
	close_pair(&p);
}

static void check_synchronous(void)
{
	TRANSMIT_FILE_BUFFERS around = { head, sizeof(head), NULL, 0 };
	struct pair p = need_pair();
	struct reader r = { p.server, sizeof(head) + FILE_BYTES, 0, false };
	struct conf_thread *reader = thread_run(read_all, &r);
	DWORD limit = 100;

	file_seek(0);
	CHECK(transmit_file(p.client, file, 0, 0, NULL, &around, 0));
	thread_join(reader);
	CHECK(r.ok);
	/* From the position of the file. */
	file_seek(1000);
	r = (struct reader){ p.server, 2000, sizeof(head) + 1000, false };
	CHECK(transmit_file(p.client, file, 2000, 0, NULL, NULL, 0));
	read_all(&r);
	CHECK(r.ok);
	/* No file: only what is around it; or nothing at all. */
	r = (struct reader){ p.server, sizeof(head), 0, false };
	CHECK(transmit_file(p.client, NULL, 0, 0, NULL, &around, 0));
	read_all(&r);
	CHECK(r.ok && transmit_file(p.client, NULL, 0, 0, NULL, NULL, 0));
	/* Nobody reads: not the half of it can pass for success. */
	NEED(setsockopt(p.client, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, 4) == 0);
	file_seek(0);
	around = (TRANSMIT_FILE_BUFFERS){ out, sizeof(out), NULL, 0 };
	CHECK(FALSE_WITH(transmit_file(p.client, file, 0, 0, NULL, &around, 0), WSAETIMEDOUT));
	CHECK(FAILS(send(p.client, "x", 1, 0), WSAECONNABORTED));
	while (recv(p.server, out, sizeof(out), 0) > 0)
		;
	CHECK(WSAGetLastError() == WSAECONNRESET);
	close_pair(&p);
}

/* The order with sends before and behind. */
static void check_order(void)
{
	struct pair p = need_pair();
	struct reader r = { p.server, sizeof(head) + FILE_BYTES + sizeof(tail), 0, false };
	struct wait w;
	WSAOVERLAPPED o;
	DWORD n = 0;

	NEED(send(p.client, head, sizeof(head), 0) == sizeof(head));
	wait_begin(&w, p.client, BY_POLL);
	CHECK(STARTS(transmit_file(p.client, file, 0, 0, &w.o, NULL, 0)));
	overlapped_init(&o, NULL);
	CHECK(PENDS(post_send(p.client, tail, sizeof(tail), &o)));
	read_all(&r);
	CHECK(r.ok && wait_end(&w, &n) == 0 && n == FILE_BYTES &&
	      outcome(p.client, &o, &n, NULL) == 0 && n == sizeof(tail));
	close_pair(&p);
}

static void check_failures(enum method method)
{
	struct pair p = need_pair(), q = need_pair();
	char c[200];
	HANDLE no_file = WSACreateEvent();
	struct wait w;
	DWORD n = 0;

	/* The file ends too early, or is none. */
	wait_begin(&w, p.client, method);
	CHECK(STARTS(transmit_file(p.client, short_file, 200, 0, &w.o, NULL, 0)));
	CHECK(wait_end(&w, &n) == ERROR_HANDLE_EOF && n == 0);
	CHECK(receive_all(p.server, c, 100) == 100);
	overlapped_init(&w.o, NULL);
	w.o.Offset = w.o.OffsetHigh = 0;
	CHECK(STARTS(transmit_file(p.client, no_file, 10, 0, &w.o, NULL, 0)));
	CHECK(outcome(p.client, &w.o, &n, NULL) == WSA_INVALID_HANDLE);
	CHECK(send(p.client, "ok", 2, 0) == 2 && receive_all(p.server, c, 2) == 2);
	/* Close ends it. */
	wait_begin(&w, q.client, method);
	CHECK(STARTS(transmit_file(q.client, file, 0, 0, &w.o, NULL, 0)) && in_progress(&w.o));
	closesocket(q.client);
	CHECK(wait_end(&w, &n) == WSA_OPERATION_ABORTED && n == 0);
	close_pair(&q);
	close_pair(&p);
	WSACloseEvent(no_file);
}

static void check_disconnect(enum method method)
{
	struct pair p = need_pair(), q = need_pair();
	char c[200];
	struct wait w;
	DWORD n = 0;

	wait_begin(&w, p.client, method);
	CHECK(STARTS(transmit_file(p.client, file, 0, 0, &w.o, NULL, TF_DISCONNECT)));
	CHECK(FAILS(send(p.client, "x", 1, 0), WSAESHUTDOWN));
	CHECK(drained(p.server, FILE_BYTES, sizeof(head)) && wait_end(&w, &n) == 0 &&
	      n == FILE_BYTES);
	close_pair(&p);
	/* A part that ends with an end of stream would look like the whole. */
	wait_begin(&w, q.client, method);
	CHECK(STARTS(transmit_file(q.client, short_file, 200, 0, &w.o, NULL, TF_DISCONNECT)));
	CHECK(wait_end(&w, &n) == ERROR_HANDLE_EOF && n == 0);
	while (recv(q.server, c, sizeof(c), 0) > 0)
		;
	CHECK(WSAGetLastError() == WSAECONNRESET);
	close_pair(&q);
}

struct peer {
	struct pair *p;
	bool ok;
};

static void drain_then_close(void *arg)
{
	struct peer *peer = arg;

	peer->ok = drained(peer->p->server, FILE_BYTES, sizeof(head));
	closesocket(peer->p->server);
}

static void check_reuse(enum method method)
{
	TRANSMIT_PACKETS_ELEMENT element = { .dwElFlags = TP_ELEMENT_FILE, .cLength = FILE_BYTES };
	struct pair p = need_pair();
	struct peer peer = { &p, false };
	struct conf_thread *thread = thread_run(drain_then_close, &peer);
	struct wait w;
	DWORD n = 0;

	wait_begin(&w, p.client, method);
	CHECK(STARTS(
		transmit_file(p.client, file, 0, 0, &w.o, NULL, TF_DISCONNECT | TF_REUSE_SOCKET)));
	CHECK(wait_end(&w, &n) == 0 && n == FILE_BYTES);
	thread_join(thread);
	CHECK(peer.ok && connect_to(p.client, &p.at) == 0);
	p.server = accept(p.listener, NULL, NULL);
	NEED(p.server != INVALID_SOCKET);
	thread = thread_run(drain_then_close, &peer);
	element.hFile = file;
	element.nFileOffset.QuadPart = 0;
	CHECK(transmit_packets(p.client, &element, 1, 0, NULL, TP_DISCONNECT | TP_REUSE_SOCKET));
	thread_join(thread);
	CHECK(peer.ok);
	CHECK(connect_to(p.client, &p.at) == 0);
	closesocket(p.client);
	closesocket(p.listener);
}

static void check_packets(enum method method)
{
	struct pair p = need_pair();
	struct reader r = { p.server, sizeof(head) + FILE_BYTES + sizeof(tail), 0, false };
	struct conf_thread *reader = thread_run(read_all, &r);
	TRANSMIT_PACKETS_ELEMENT e[5];
	struct wait w;
	DWORD n = 0;

	memset(e, 0, sizeof(e));
	e[0].dwElFlags = TP_ELEMENT_MEMORY;
	e[0].pBuffer = head;
	e[0].cLength = sizeof(head);
	e[1].dwElFlags = TP_ELEMENT_FILE | TP_ELEMENT_EOP;
	e[1].hFile = file;
	e[1].cLength = 100000;
	e[2].dwElFlags = TP_ELEMENT_MEMORY; /* empty */
	e[3].dwElFlags = TP_ELEMENT_FILE;
	e[3].hFile = file;
	e[3].nFileOffset.QuadPart = 100000; /* to the end: no length */
	e[4].dwElFlags = TP_ELEMENT_MEMORY;
	e[4].pBuffer = tail;
	e[4].cLength = sizeof(tail);
	wait_begin(&w, p.client, method);
	CHECK(STARTS(transmit_packets(p.client, e, 5, 0, &w.o, 0)));
	memset(e, 0xee, sizeof(e)); /* read by the call only */
	CHECK(wait_end(&w, &n) == 0 && n == r.length);
	thread_join(reader);
	CHECK(r.ok);
	r = (struct reader){ p.server, sizeof(head), 0, false };
	e[0] = (TRANSMIT_PACKETS_ELEMENT){ .dwElFlags = TP_ELEMENT_MEMORY,
					   .cLength = sizeof(head) };
	e[0].pBuffer = head;
	CHECK(transmit_packets(p.client, e, 1, 0, NULL, TP_DISCONNECT));
	read_all(&r);
	CHECK(r.ok && at_end(p.server));
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	ext_fetch();
	pattern_fill(head, sizeof(head), 0);
	pattern_fill(tail, sizeof(tail), sizeof(head) + FILE_BYTES);
	file = make_file(file_name, "whole", FILE_BYTES);
	short_file = make_file(short_name, "short", 100);
	check_parameters();
	check_synchronous();
	check_order();
	for (enum method method = 0; method < METHODS; method++) {
		check_whole(method);
		check_failures(method);
		check_disconnect(method);
		check_reuse(method);
		check_packets(method);
	}
	CloseHandle(file);
	CloseHandle(short_file);
	unlink(file_name); /* not before: Windows keeps what is open */
	unlink(short_name);
	WSACleanup();
	return check_result();
}
