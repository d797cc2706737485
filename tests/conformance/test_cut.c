// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_cut.c - sends that close finds at work: the peer of one that had begun reads
 * what had gone and then WSAECONNRESET, never an end of stream; one that had not begun leaves no trace.
 * The exit of a process is no such close: what was begun arrives, then the end.
 */
#include "tests/conformance/io.h"

#define BIG	  (16u << 20) /* more than any ring takes */
#define LENT_FROM 8192u

static char *out;

/* What the peer sees: bytes of the pattern, and how they end: 0, or an error; -1: wrong bytes. */
static int stream_end(SOCKET s, size_t *got)
{
	static char in[65536];

	for (*got = 0;;) {
		int n = recv(s, in, sizeof(in), 0);

		if (n <= 0)
			return n == 0 ? 0 : WSAGetLastError();
		if (!pattern_ok(in, (size_t)n, *got))
			return -1;
		*got += (size_t)n;
	}
}

/* Sends are copied here, so they begin at once. */
static struct pair copying_pair(void)
{
	struct pair p = need_pair();
	DWORD never = 0x7fffffff;

	NEED(setsockopt(p.client, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&never, 4) == 0);
	return p;
}

/* least: what was sent before. */
static void close_after_cut(struct pair *p, size_t least)
{
	size_t got;

	int end;

	CHECK_R(189, closesocket(p->client) == 0);
	end = stream_end(p->server, &got);
	CHECK(end == WSAECONNRESET && got > least && got < BIG);
	closesocket(p->server);
	closesocket(p->listener);
}

static void check_begun(void)
{
	struct pair p = copying_pair();
	WSAOVERLAPPED first, second;
	WSAEVENT event = WSACreateEvent();

	overlapped_init(&first, event);
	overlapped_init(&second, NULL);
	NEED(PENDS(post_send(p.client, out, BIG, &first)));
	NEED(PENDS(post_send(p.client, out, BIG, &second)));
	close_after_cut(&p, 0);
	CHECK_R(189, event_within(event, LONG_MS) && first.OffsetHigh == WSA_OPERATION_ABORTED);
	WSACloseEvent(event);
}

/* Bytes of sends that were complete stand before the cut one: all of them arrive. */
static void check_behind_others(void)
{
	struct pair p = copying_pair();
	WSAOVERLAPPED o;

	for (size_t at = 0; at < 1000; at += 10)
		NEED(send(p.client, out + at, 10, 0) == 10);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(p.client, out + 1000, BIG - 1000, &o)));
	close_after_cut(&p, 1000);
}

static void check_reader_waits(void)
{
	struct pair p = copying_pair();
	WSAOVERLAPPED send_o, recv_o;
	static char in[100];
	DWORD n;

	overlapped_init(&send_o, NULL);
	overlapped_init(&recv_o, NULL);
	NEED(PENDS(post_recv(p.server, in, sizeof(in), &recv_o)));
	NEED(PENDS(post_send(p.client, out, BIG, &send_o)));
	NEED(closesocket(p.client) == 0);
	CHECK(outcome(p.server, &recv_o, &n, NULL) == 0 && pattern_ok(in, n, 0));
	while (recv(p.server, in, sizeof(in), 0) > 0)
		;
	CHECK(WSAGetLastError() == WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
}

static void check_with_linger(void)
{
	struct linger value = { 1, 100 };
	struct pair p = copying_pair();
	uint64_t begun = now_ms();
	WSAOVERLAPPED o;

	NEED(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&value, sizeof(value)) == 0);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(p.client, out, BIG, &o)));
	close_after_cut(&p, 0); /* there is nothing to wait for */
	CHECK_R(198, now_ms() - begun < 50000);
}

static void check_not_begun(void)
{
	struct pair p = copying_pair();
	size_t sent = send_until_full(p.client);
	WSAEVENT event = WSACreateEvent();
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_send(p.client, out, BIG, &o)));
	NEED(closesocket(p.client) == 0);
	CHECK_R(189, event_within(event, LONG_MS) && o.OffsetHigh == WSA_OPERATION_ABORTED);
	CHECK_R(196, drained(p.server, sent, 0));
	WSACloseEvent(event);
	closesocket(p.server);
	closesocket(p.listener);
}

/* A send in lent memory of which the peer takes only a part. Whether the close comes before, between or
 * after, an end of stream is told only for nothing. */
static void check_lent(unsigned wait_ms)
{
	struct pair p = need_pair();
	DWORD least = 4096, n = 0;
	WSAOVERLAPPED send_o, recv_o;
	static char in[100000];
	size_t got = 0;
	int end;

	NEED(setsockopt(p.client, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	NEED(setsockopt(p.server, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	/* There has to be a ring before anything is lent. */
	NEED(send(p.client, out, 8192, 0) == 8192 && receive_all(p.server, in, 8192) == 8192);
	overlapped_init(&send_o, NULL);
	overlapped_init(&recv_o, NULL);
	NEED(PENDS(post_recv(p.server, in, sizeof(in), &recv_o)));
	NEED(PENDS(post_send(p.client, out, BIG, &send_o)));
	Sleep(wait_ms);
	NEED(closesocket(p.client) == 0);
	end = (int)outcome(p.server, &recv_o, &n, NULL);
	if (end == 0 && n > 0) {
		char rest[4096];
		int more;

		while ((more = recv(p.server, rest, sizeof(rest), 0)) > 0)
			got += (size_t)more;
		end = more == 0 ? 0 : WSAGetLastError();
	}
	CHECK(n + got > 0 ? end == WSAECONNRESET && pattern_ok(in, n, 0) && n + got < BIG
			  : end == 0 || end == WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
}

/* --- exit --- */

static SOCKET leaver_connect(void)
{
	struct address at = loopback((u_short)atoi(conf_argument()));
	SOCKET s = stream_socket();

	set_variable("WSD_EXIT_LINGER", "60000"); /* all of it has to leave in that time */
	NEED(connect_to(s, &at) == 0);
	return s;
}

static int leaver(void)
{
	struct child parent = child_parent();
	static WSAOVERLAPPED o;
	SOCKET s = leaver_connect();

	NEED(send(s, out, 1000, 0) == 1000);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(s, out + 1000, BIG - 1000, &o)));
	child_tell(&parent, 1);
	return 0; /* no closesocket, no clean-up */
}

/* A process that leaves, and the connection from it. */
static SOCKET start_leaver(const char *role, struct child *child)
{
	struct address at;
	SOCKET listener = listener_on(&at, 1), s;
	char port[8];

	NEED(listener != INVALID_SOCKET);
	snprintf(port, sizeof(port), "%u", port_of(&at));
	*child = child_start(role, port);
	s = accept(listener, NULL, NULL);
	NEED(s != INVALID_SOCKET);
	closesocket(listener);
	return s;
}

static void check_exit(void)
{
	struct child child;
	SOCKET s = start_leaver("leaver", &child);
	size_t got;

	NEED(child_hear(&child) == 1);
	CHECK(stream_end(s, &got) == 0 && got >= 1000);
	closesocket(s);
	NEED(child_wait(&child) == 0);
}

/* Its first bytes are copied, and the rest is lent to a peer that reads it when the process ends. */
static int lender(void)
{
	struct child parent = child_parent();
	SOCKET s = leaver_connect();
	WSABUF buffers[2] = { { 100, out + LENT_FROM },
			      { BIG - LENT_FROM - 100, out + LENT_FROM + 100 } };
	static WSAOVERLAPPED o;
	DWORD least = 4096;
	int wait_ms;

	NEED(setsockopt(s, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	NEED(send(s, out, LENT_FROM, 0) == LENT_FROM); /* until there is a ring */
	wait_ms = child_hear(&parent);
	overlapped_init(&o, NULL);
	NEED(PENDS(WSASend(s, buffers, 2, NULL, 0, &o, NULL)));
	Sleep((DWORD)wait_ms);
	return 0;
}

static void check_exit_lent(int wait_ms)
{
	enum { PIECES = 8, PIECE = BIG / PIECES };
	WSAOVERLAPPED o[PIECES];
	struct child child;
	SOCKET s = start_leaver("lender", &child);
	char *in = malloc(BIG);
	size_t got = LENT_FROM, more = 0;
	DWORD least = 4096, n, error = 0;

	NEED(setsockopt(s, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	NEED(receive_all(s, in, LENT_FROM) == LENT_FROM);
	for (unsigned i = 0; i < PIECES; i++) {
		overlapped_init(&o[i], NULL);
		NEED(PENDS(post_recv(s, in + i * PIECE, PIECE, &o[i])));
	}
	child_tell(&child, wait_ms);
	for (unsigned i = 0; i < PIECES; i++) {
		n = 0;
		error |= outcome(s, &o[i], &n, NULL);
		CHECK(pattern_ok(in + i * PIECE, n, got));
		got += n;
	}
	while (error == 0 && (more = receive_all(s, in, PIECE)) > 0)
		got += more;
	CHECK(error == 0 && at_end(s) && got > LENT_FROM);
	closesocket(s);
	free(in);
	NEED(child_wait(&child) == 0);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	out = pattern_new(BIG, 0);
	if (conf_role())
		return strcmp(conf_role(), "lender") == 0 ? lender() : leaver();
	check_begun();
	check_behind_others();
	check_reader_waits();
	check_with_linger();
	check_not_begun();
	for (unsigned i = 0; i < 20; i++)
		check_lent(i % 3);
	if (conf_two_processes() && conf_exit_closes()) {
		check_exit();
		for (int i = 0; i < 6; i++)
			check_exit_lent(i % 3);
	}
	free(out);
	WSACleanup();
	return check_result();
}
