// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_sizes.c - data of every size class (in a message, through the ring, by rendezvous), in each way
 * of calling, contents verified.
 */
#include "tests/conformance/io.h"

#include <openwsd/openwsd.h>

#define MOST ((5u << 20) + 3)

static const u_long sizes[] = { 1,	 31,	224,   225,   1000,   2047,	2049,
				4096,	 65535, 65536, 65537, 300000, 1u << 20, (1u << 20) + 1,
				3000000, MOST };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static char *in, *out;

struct transfer {
	SOCKET s;
	u_long length;
	bool ok;
};

static void send_blocking(void *arg)
{
	struct transfer *t = arg;

	t->ok = send(t->s, out, (int)t->length, 0) == (int)t->length;
}

static void send_nonblocking(void *arg)
{
	struct transfer *t = arg;
	struct timeval limit = { LONG_MS / 1000, 0 };
	u_long sent = 0;

	nonblocking(t->s, 1);
	while (sent < t->length) {
		int n = send(t->s, out + sent, (int)(t->length - sent), 0);
		fd_set set;

		if (n > 0) {
			sent += (u_long)n;
			continue;
		}
		FD_ZERO(&set);
		FD_SET(t->s, &set);
		if (WSAGetLastError() != WSAEWOULDBLOCK || select(0, NULL, &set, NULL, &limit) != 1)
			break;
	}
	nonblocking(t->s, 0);
	t->ok = sent == t->length;
}

static bool arrived(struct transfer *t, bool received)
{
	bool ok = received && t->ok && pattern_ok(in, t->length, 0);

	memset(in, 0, MOST);
	return ok;
}

static bool blocking_both(SOCKET from, SOCKET to, u_long length)
{
	struct transfer t = { from, length, false };
	struct conf_thread *sender = thread_run(send_blocking, &t);
	bool ok = recv(to, in, (int)length, MSG_WAITALL) == (int)length;

	thread_join(sender);
	return arrived(&t, ok);
}

static bool nonblocking_sender(SOCKET from, SOCKET to, u_long length)
{
	struct transfer t = { from, length, false };
	struct conf_thread *sender = thread_run(send_nonblocking, &t);
	bool ok = receive_all(to, in, length) == length;

	thread_join(sender);
	return arrived(&t, ok);
}

/* Receives that are posted before the data comes, in two halves, or after it has been offered. */
static bool overlapped_both(SOCKET from, SOCKET to, u_long length, bool early)
{
	WSABUF whole = { length, out }, first = { length - length / 2, in };
	WSABUF second = { length / 2, in + first.len };
	DWORD flags = MSG_WAITALL, n = 0, m = 0, sent = 0;
	struct transfer t = { from, length, true };
	WSAOVERLAPPED o, a, b;
	bool ok;

	overlapped_init(&o, NULL);
	overlapped_init(&a, NULL);
	overlapped_init(&b, NULL);
	if (!early) {
		ok = WSASend(from, &whole, 1, NULL, 0, &o, NULL) == 0 ||
		     WSAGetLastError() == WSA_IO_PENDING;
		Sleep(2);
	}
	ok = (WSARecv(to, &first, 1, NULL, &flags, &a, NULL) == 0 ||
	      WSAGetLastError() == WSA_IO_PENDING) &&
	     (early || ok);
	if (second.len > 0)
		ok = ok && (WSARecv(to, &second, 1, NULL, &flags, &b, NULL) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING);
	if (early)
		ok = ok && (WSASend(from, &whole, 1, NULL, 0, &o, NULL) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING);
	ok = ok && outcome(to, &a, &n, NULL) == 0 && n == first.len;
	if (second.len > 0)
		ok = ok && outcome(to, &b, &m, NULL) == 0 && m == second.len;
	ok = ok && outcome(from, &o, &sent, NULL) == 0 && sent == length;
	return arrived(&t, ok);
}

/* One send of many buffers that end anywhere. */
static bool gathered(SOCKET from, SOCKET to, u_long length)
{
	WSABUF buffers[30];
	struct transfer t = { from, length, true };
	u_long at = 0, piece = length / 29;
	DWORD sent = 0;
	WSAOVERLAPPED o;
	bool ok;

	for (int i = 0; i < 30; i++) {
		buffers[i].buf = out + at;
		buffers[i].len = i < 29 ? piece : length - at;
		at += buffers[i].len;
	}
	overlapped_init(&o, NULL);
	ok = WSASend(from, buffers, 30, NULL, 0, &o, NULL) == 0 ||
	     WSAGetLastError() == WSA_IO_PENDING;
	ok = ok && receive_all(to, in, length) == length;
	ok = ok && outcome(from, &o, &sent, NULL) == 0 && sent == length;
	return arrived(&t, ok);
}

static void both_ways(struct pair *p)
{
	for (size_t i = 0; i < SIZES; i++) {
		for (int way = 0; way < 2; way++) {
			SOCKET from = way == 0 ? p->client : p->server;
			SOCKET to = way == 0 ? p->server : p->client;

			CHECK_R(124, blocking_both(from, to, sizes[i]));
			CHECK_R(131, nonblocking_sender(from, to, sizes[i]));
			CHECK_R(156, overlapped_both(from, to, sizes[i], true));
			CHECK_R(131, overlapped_both(from, to, sizes[i], false));
			CHECK_R(130, gathered(from, to, sizes[i]));
		}
	}
}

int main(int argc, char **argv)
{
	static const DWORD thresholds[] = { 0, 65536, 1u << 20, UINT32_MAX };

	conf_start(argc, argv);
	in = calloc(1, MOST);
	out = pattern_new(MOST, 0);
	NEED(in);
	for (int i = 0; i < 4; i++) {
		struct pair p = need_pair();
		DWORD least = thresholds[i];

		NEED(setsockopt(p.client, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) ==
		     0);
		NEED(setsockopt(p.server, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) ==
		     0);
		both_ways(&p);
		close_pair(&p);
	}
	free(in);
	free(out);
	WSACleanup();
	return check_result();
}
