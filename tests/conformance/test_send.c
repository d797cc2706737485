// SPDX-License-Identifier: BSD-2-Clause
/* test_send.c - sending: R-122..R-135, R-142, R-143, R-255. (R-136 is in test_routine.c.) */
#include "tests/conformance/io.h"

#define BIG  (4u << 20)
#define MANY 5000u /* buffers: libuv has been seen to pass 4096 in one call */

static char big[BIG], back[BIG];

/* Both ways of calling, and no indication after a failure of the overlapped one. */
static bool refused(SOCKET s, WSABUF *buffers, DWORD count, DWORD flags, int error)
{
	WSAEVENT event = WSACreateEvent();
	DWORD sent = UNTOUCHED;
	WSAOVERLAPPED o;
	bool ok;

	overlapped_init(&o, event);
	ok = FAILS(WSASend(s, buffers, count, &sent, flags, NULL, NULL), error) &&
	     FAILS(WSASend(s, buffers, count, &sent, flags, &o, NULL), error) &&
	     sent == UNTOUCHED && !event_within(event, SHORT_MS) && !in_progress(&o);
	WSACloseEvent(event);
	return ok;
}

static void check_not_connected(void)
{
	WSABUF buffer = { 1, big };
	struct address at = loopback(0);
	SOCKET fresh = stream_socket(), bound = stream_socket();
	struct pair p = need_pair();

	NEED(bind_to(bound, &at) == 0);
	CHECK_R(122, refused(fresh, &buffer, 1, 0, WSAENOTCONN));
	CHECK_R(122, refused(bound, &buffer, 1, 0, WSAENOTCONN));
	CHECK_R(122, refused(p.listener, &buffer, 1, 0, WSAENOTCONN));
	closesocket(fresh);
	closesocket(bound);
	NEED(shutdown(p.client, SD_SEND) == 0 && shutdown(p.server, SD_BOTH) == 0);
	CHECK_R(123, refused(p.client, &buffer, 1, 0, WSAESHUTDOWN));
	CHECK_R(123, refused(p.server, &buffer, 1, 0, WSAESHUTDOWN));
	close_pair(&p);
}

/* R-129 on a completion port, and the codes that belong to bad parameters. */
static void check_errors(void)
{
	SOCKET plain = WSASocketW(conf_family(), SOCK_STREAM, IPPROTO_TCP, NULL, 0, 0);
	WSABUF good = { 1, big }, bad = { 1, NULL };
	struct pair p = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)p.client, NULL, 1, 0);
	OVERLAPPED *done;
	WSAOVERLAPPED o;
	ULONG_PTR key;
	DWORD n;

	CHECK_R(129, refused(p.client, &bad, 1, 0, WSAEFAULT));
	CHECK_R(129, refused(p.client, NULL, 1, 0, WSAEFAULT));
	CHECK_R(129, refused(p.client, &good, 0, 0, WSAEINVAL));
	CHECK_R(133, refused(p.client, &good, 1, MSG_PARTIAL, WSAEOPNOTSUPP));
	CHECK_R(129, refused(p.client, &good, 1, 0x4000, WSAEOPNOTSUPP));
	CHECK_R(129, refused(p.client + 4096, &good, 1, 0, WSAENOTSOCK));
	CHECK_R(129, !GetQueuedCompletionStatus(port, &n, &key, &done, SHORT_MS) && !done);
	NEED(connect_to(plain, &p.at) == 0);
	overlapped_init(&o, NULL);
	CHECK_R(129, FAILS(WSASend(plain, &good, 1, &n, 0, &o, NULL), WSAEINVAL));
	CHECK_R(124, WSASend(plain, &good, 1, &n, 0, NULL, NULL) == 0 && n == 1);
	CHECK_R(129, FAILS(WSASend(p.client, &good, 1, NULL, 0, NULL, NULL), WSAEFAULT));
	/* The connection did not suffer. */
	CHECK_R(129, send(p.client, "ok", 2, 0) == 2 && receive_all(p.server, back, 2) == 2);
	CHECK_R(135, send(p.client, "route", 5, MSG_DONTROUTE) == 5 &&
			     receive_all(p.server, back, 5) == 5 && !memcmp(back, "route", 5));
	closesocket(plain);
	close_pair(&p);
	CloseHandle(port);
}

static void slow_reader(void *arg)
{
	struct pair *p = arg;

	Sleep(SHORT_MS);
	receive_all(p->server, back, BIG);
}

static void check_blocking(void)
{
	struct pair p = need_pair();
	struct conf_thread *reader = thread_run(slow_reader, &p);
	int sent;

	pattern_fill(big, BIG, 0);
	sent = send(p.client, big, BIG, 0);
	memset(big, 0x55, BIG); /* ours again: every byte has been taken */
	thread_join(reader);
	CHECK_R(124, sent == BIG && pattern_ok(back, BIG, 0));
	CHECK_R(124, send(p.client, big, 0, 0) == 0);
	CHECK_R(124, send(p.client, "end", 3, 0) == 3 && receive_all(p.server, back, 3) == 3 &&
			     !memcmp(back, "end", 3));
	close_pair(&p);
}

static void check_nonblocking(void)
{
	struct pair p = need_pair();
	WSABUF buffer = { BIG, big };
	DWORD sent = UNTOUCHED;
	size_t total;

	pattern_fill(big, BIG, 0);
	nonblocking(p.client, 1);
	CHECK_R(125,
		WSASend(p.client, &buffer, 1, &sent, 0, NULL, NULL) == 0 && sent > 0 && sent < BIG);
	NEED(receive_all(p.server, back, sent) == sent);
	CHECK_R(125, pattern_ok(back, sent, 0));
	total = send_until_full(p.client);
	sent = UNTOUCHED;
	CHECK_R(126, FAILS(WSASend(p.client, &buffer, 1, &sent, 0, NULL, NULL), WSAEWOULDBLOCK) &&
			     sent == UNTOUCHED);
	CHECK_R(126, FAILS(send(p.client, big, 1, 0), WSAEWOULDBLOCK));
	shutdown(p.client, SD_SEND);
	CHECK_R(125, drained(p.server, total, 0)); /* exactly what was counted */
	close_pair(&p);
}

static void check_pending(void)
{
	WSAEVENT event = WSACreateEvent();
	WSABUF buffers[12];
	struct pair p = need_pair();
	DWORD sent = UNTOUCHED, n = 0;
	WSAOVERLAPPED o;

	pattern_fill(big, BIG, 0);
	for (size_t i = 0; i < 12; i++) {
		buffers[i].buf = big + i * (BIG / 12);
		buffers[i].len = i < 11 ? BIG / 12 : BIG - 11 * (BIG / 12);
	}
	overlapped_init(&o, event);
	CHECK_R(127, PENDS(WSASend(p.client, buffers, 12, &sent, 0, &o, NULL)) &&
			     sent == UNTOUCHED && in_progress(&o) && !event_is_set(event));
	memset(buffers, 0xee, sizeof(buffers));
	CHECK_R(132, receive_all(p.server, back, BIG) == BIG && pattern_ok(back, BIG, 0));
	CHECK_R(127, outcome(p.client, &o, &n, NULL) == 0 && n == BIG && sent == UNTOUCHED &&
			     event_within(event, LONG_MS));
	buffers[0].buf = big;
	buffers[0].len = BIG;
	overlapped_init(&o, event);
	CHECK_R(127, PENDS(WSASend(p.client, buffers, 1, NULL, 0, &o, NULL)));
	memset(buffers, 0xee, sizeof(buffers));
	CHECK_R(132, receive_all(p.server, back, BIG) == BIG && pattern_ok(back, BIG, 0));
	CHECK_R(127, outcome(p.client, &o, &n, NULL) == 0 && n == BIG);
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_at_once(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair(), q = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)q.client, NULL, 7, 0);
	WSABUF buffer = { 5, big }, none = { 0, NULL };
	DWORD sent = UNTOUCHED, n = 0;
	OVERLAPPED *done = NULL;
	ULONG_PTR key = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	CHECK_R(128, WSASend(p.client, &buffer, 1, &sent, 0, &o, NULL) == 0 && sent == 5 &&
			     event_is_set(event));
	CHECK_R(128, o.Internal == 0 && o.InternalHigh == 5 && o.OffsetHigh == 0);
	overlapped_init(&o, NULL);
	CHECK_R(128, WSASend(q.client, &buffer, 1, &sent, 0, &o, NULL) == 0 && sent == 5 &&
			     GetQueuedCompletionStatus(port, &n, &key, &done, 0) && n == 5 &&
			     key == 7 && done == &o);
	CHECK_R(128, !GetQueuedCompletionStatus(port, &n, &key, &done, SHORT_MS) && !done);
	overlapped_init(&o, NULL);
	CHECK_R(128, WSASend(q.client, &none, 1, &sent, 0, &o, NULL) == 0 && sent == 0 &&
			     GetQueuedCompletionStatus(port, &n, &key, &done, 0) && n == 0);
	close_pair(&p);
	close_pair(&q);
	CloseHandle(port);
	WSACloseEvent(event);
}

/* The same bytes cut into so many buffers, some of them empty. */
static bool gathered(struct pair *p, DWORD count, bool overlapped)
{
	static WSABUF buffers[MANY];
	size_t total = 0;
	WSAOVERLAPPED o;
	DWORD n = 0;
	bool ok;

	for (DWORD i = 0; i < count; i++) {
		buffers[i].buf = big + total;
		buffers[i].len = i % 7 == 3 ? 0 : 1 + i % 13;
		total += buffers[i].len;
	}
	pattern_fill(big, total, 0);
	overlapped_init(&o, NULL);
	if (!overlapped)
		ok = WSASend(p->client, buffers, count, &n, 0, NULL, NULL) == 0;
	else if (WSASend(p->client, buffers, count, &n, 0, &o, NULL) == 0)
		ok = true;
	else
		ok = WSAGetLastError() == WSA_IO_PENDING && outcome(p->client, &o, &n, NULL) == 0;
	return ok && n == total && receive_all(p->server, back, total) == total &&
	       pattern_ok(back, total, 0);
}

static void check_order(void)
{
	static const size_t sizes[] = {
		1, 200, 33, 70000, 7, 300000, 64000, 16384, 120000, 2, 90, 1
	};
	struct pair p = need_pair();
	WSAOVERLAPPED o[12];
	size_t at = 0, total = 0;
	DWORD n = 0;
	bool ok = true;

	CHECK_R(130, gathered(&p, 3, false) && gathered(&p, 3, true));
	CHECK_R(130, gathered(&p, 20, false) && gathered(&p, 20, true));
	CHECK_R(130, gathered(&p, MANY, false) && gathered(&p, MANY, true));
	for (size_t i = 0; i < 12; i++)
		total += sizes[i];
	pattern_fill(big, total, 0);
	for (size_t i = 0; i < 12; at += sizes[i++]) {
		overlapped_init(&o[i], NULL);
		ok = ok && (post_send(p.client, big + at, (u_long)sizes[i], &o[i]) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING);
	}
	ok = ok && receive_all(p.server, back, total) == total;
	CHECK_R(131, ok && pattern_ok(back, total, 0));
	for (size_t i = 0; i < 12; i++)
		ok = ok && outcome(p.client, &o[i], &n, NULL) == 0 && n == sizes[i];
	CHECK_R(131, ok);
	for (ok = true, at = 0; ok && at < 2000; at += 10) {
		char piece[10];

		pattern_fill(piece, 10, at);
		ok = send(p.client, piece, 10, 0) == 10;
	}
	CHECK_R(131, ok && receive_all(p.server, back, at) == at && pattern_ok(back, at, 0));
	close_pair(&p);
}

static void check_reset(void)
{
	struct linger hard = { 1, 0 };
	struct pair p = need_pair();
	WSABUF buffer = { 1, big };
	char c;

	setsockopt(p.server, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.server);
	NEED(FAILS(recv(p.client, &c, 1, 0), WSAECONNRESET));
	CHECK_R(142, refused(p.client, &buffer, 1, 0, WSAECONNRESET));
	CHECK_R(142, FAILS(send(p.client, "x", 1, 0), WSAECONNRESET)); /* again */
	closesocket(p.client);
	closesocket(p.listener);
}

/* A send that waits when the reset comes. */
static void check_reset_of_waiting(void)
{
	struct linger hard = { 1, 0 };
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	DWORD n = UNTOUCHED;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_send(p.client, big, BIG, &o)));
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.server);
	CHECK_R(142, event_within(event, LONG_MS) &&
			     outcome(p.client, &o, &n, NULL) == WSAECONNRESET && n == UNTOUCHED);
	closesocket(p.client);
	closesocket(p.listener);
	WSACloseEvent(event);
}

static void check_send_to(void)
{
	struct address nowhere = loopback(1);
	struct pair p = need_pair();
	WSABUF buffer = { 3, big };
	WSAOVERLAPPED o;
	DWORD n = 0;

	memcpy(big, "abc", 3);
	CHECK_R(143, sendto(p.client, "abc", 3, 0, &nowhere.sa.any, nowhere.length) == 3);
	CHECK_R(143, sendto(p.client, "abc", 3, 0, NULL, 0) == 3);
	CHECK_R(143, sendto(p.client, "abc", 3, 0, &nowhere.sa.any, 1) == 3);
	overlapped_init(&o, NULL);
	CHECK_R(143, WSASendTo(p.client, &buffer, 1, &n, 0, &nowhere.sa.any, nowhere.length, &o,
			       NULL) == 0 &&
			     n == 3);
	CHECK_R(143, receive_all(p.server, back, 12) == 12 && !memcmp(back, "abcabcabcabc", 12));
	CHECK_R(143, FAILS(sendto(p.client, "abc", 3, MSG_PARTIAL, NULL, 0), WSAEOPNOTSUPP));
	shutdown(p.client, SD_SEND);
	CHECK_R(143, FAILS(sendto(p.client, "abc", 3, 0, NULL, 0), WSAESHUTDOWN));
	close_pair(&p);
}

/* SO_SNDTIMEO: a call says exactly what it got rid of, all the others fail, and the stream goes on. */
static void check_time_limit(DWORD zcopy_min)
{
	struct pair p = need_pair();
	DWORD limit = 120;
	size_t sent = 0;
	uint64_t begun;
	int n;

	NEED(setsockopt(p.client, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&zcopy_min, 4) == 0);
	NEED(setsockopt(p.client, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, 4) == 0);
	pattern_fill(big, BIG, 0);
	do {
		NEED(sent < BIG - 62000);
		begun = now_ms();
		n = send(p.client, big + sent, 60000, 0);
		sent += n > 0 ? (size_t)n : 0;
		/* Less than asked for is what there was room for until the time was over. */
		CHECK(n == 60000 || now_ms() - begun >= limit - 1);
	} while (n > 0);
	CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAETIMEDOUT && sent > 0);
	begun = now_ms();
	CHECK(FAILS(send(p.client, big + sent, 1, 0), WSAETIMEDOUT) &&
	      now_ms() - begun >= limit - 1);
	/* Nothing was lost, nothing is sent twice. */
	CHECK(receive_all(p.server, back, sent) == sent && pattern_ok(back, sent, 0));
	CHECK(send(p.client, big + sent, 1000, 0) == 1000 && shutdown(p.client, SD_SEND) == 0);
	CHECK(drained(p.server, 1000, sent));
	close_pair(&p);
}

/* Both send before either receives, as much as a socket says that it reserves when asked for more. */
static void check_send_first(void)
{
	struct pair p = need_pair();
	int size = BIG, length = sizeof(size), limit = LONG_MS;

	NEED(setsockopt(p.client, SOL_SOCKET, SO_SNDBUF, (char *)&size, length) == 0);
	NEED(setsockopt(p.server, SOL_SOCKET, SO_SNDBUF, (char *)&size, length) == 0);
	NEED(getsockopt(p.client, SOL_SOCKET, SO_SNDBUF, (char *)&size, &length) == 0 && size > 0);
	NEED(setsockopt(p.client, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, sizeof(limit)) == 0 &&
	     setsockopt(p.server, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, sizeof(limit)) == 0);
	pattern_fill(big, (size_t)size, 0);
	CHECK_R(255, send(p.client, big, size, 0) == size && send(p.server, big, size, 0) == size);
	CHECK_R(255, receive_all(p.client, back, (size_t)size) == (size_t)size &&
			     pattern_ok(back, (size_t)size, 0));
	CHECK_R(255, receive_all(p.server, back, (size_t)size) == (size_t)size &&
			     pattern_ok(back, (size_t)size, 0));
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_not_connected();
	check_errors();
	check_blocking();
	check_nonblocking();
	check_pending();
	check_at_once();
	check_order();
	check_reset();
	check_reset_of_waiting();
	check_send_to();
	check_time_limit(0);
	check_time_limit(4096);
	check_send_first();
	WSACleanup();
	return check_result();
}
