// SPDX-License-Identifier: BSD-2-Clause
/* test_recv.c - receiving: R-144..R-157, R-163, R-164. */
#include "tests/conformance/io.h"

#define MANY 1000u

static char in[1u << 20];

/* Both ways of calling, and no indication after a failure of the overlapped one. */
static bool refused(SOCKET s, DWORD flags, int error)
{
	WSAEVENT event = WSACreateEvent();
	WSABUF buffer = { 16, in };
	DWORD got = UNTOUCHED, f = flags;
	WSAOVERLAPPED o;
	bool ok;

	overlapped_init(&o, event);
	ok = FAILS(WSARecv(s, &buffer, 1, &got, &f, NULL, NULL), error) && f == flags &&
	     FAILS(WSARecv(s, &buffer, 1, &got, &f, &o, NULL), error) && f == flags &&
	     got == UNTOUCHED && !event_within(event, SHORT_MS) && !in_progress(&o);
	WSACloseEvent(event);
	return ok;
}

static void check_states(void)
{
	SOCKET plain = WSASocketW(conf_family(), SOCK_STREAM, IPPROTO_TCP, NULL, 0, 0);
	struct address at = loopback(0);
	SOCKET fresh = stream_socket(), bound = stream_socket();
	struct pair p = need_pair(), q = need_pair();
	WSABUF buffer = { 16, in };
	DWORD flags = 0, n;
	WSAOVERLAPPED o;

	NEED(bind_to(bound, &at) == 0 && connect_to(plain, &p.at) == 0);
	CHECK_R(144, refused(fresh, 0, WSAENOTCONN));
	CHECK_R(144, refused(bound, 0, WSAENOTCONN));
	CHECK_R(144, refused(p.listener, 0, WSAENOTCONN));
	CHECK_R(151, shutdown(p.client, SD_RECEIVE) == 0 && refused(p.client, 0, WSAESHUTDOWN));
	CHECK_R(151, FAILS(recv(p.client, in, 1, MSG_PEEK), WSAESHUTDOWN));
	CHECK_R(151, shutdown(q.client, SD_BOTH) == 0 && refused(q.client, 0, WSAESHUTDOWN));
	overlapped_init(&o, NULL);
	CHECK_R(129, FAILS(WSARecv(plain, &buffer, 1, &n, &flags, &o, NULL), WSAEINVAL));
	CHECK_R(129, FAILS(WSARecv(plain, &buffer, 1, &n, NULL, NULL, NULL), WSAEFAULT));
	CHECK_R(129, FAILS(WSARecv(plain, &buffer, 1, NULL, &flags, NULL, NULL), WSAEFAULT));
	CHECK_R(129, FAILS(WSARecv(plain, NULL, 1, &n, &flags, NULL, NULL), WSAEFAULT));
	CHECK_R(129, FAILS(WSARecv(plain, &buffer, 0, &n, &flags, NULL, NULL), WSAEINVAL));
	flags = 0x4000;
	CHECK_R(129, FAILS(WSARecv(plain, &buffer, 1, &n, &flags, NULL, NULL), WSAEOPNOTSUPP));
	close_pair(&p);
	close_pair(&q);
	closesocket(fresh);
	closesocket(bound);
	closesocket(plain);
}

static void send_one_later(void *arg)
{
	Sleep(SHORT_MS);
	send(((struct pair *)arg)->client, "!", 1, 0);
}

static void check_available(void)
{
	struct pair p = need_pair();
	struct conf_thread *sender;
	WSABUF buffer = { 1000, in };
	DWORD got = UNTOUCHED, flags = 0;

	nonblocking(p.server, 1);
	CHECK_R(145,
		FAILS(WSARecv(p.server, &buffer, 1, &got, &flags, NULL, NULL), WSAEWOULDBLOCK) &&
			got == UNTOUCHED && flags == 0);
	CHECK_R(145, FAILS(recv(p.server, in, 1, MSG_PEEK), WSAEWOULDBLOCK));
	nonblocking(p.server, 0);
	sender = thread_run(send_one_later, &p);
	CHECK_R(146, recv(p.server, in, 1000, MSG_PEEK) == 1 && in[0] == '!');
	CHECK_R(146, recv(p.server, in, 1000, 0) == 1 && in[0] == '!');
	thread_join(sender);
	sender = thread_run(send_one_later, &p);
	CHECK_R(146, recv(p.server, in, 1000, 0) == 1); /* it had to wait for this one */
	thread_join(sender);
	/* Zero bytes wanted: nothing to wait for, nothing taken. */
	CHECK_R(146, recv(p.server, in, 0, 0) == 0);
	close_pair(&p);
}

/* Fewer bytes than room, in so many buffers of ten bytes. */
static bool scattered(struct pair *p, DWORD count, size_t bytes, bool overlapped)
{
	static WSABUF buffers[MANY];
	char *out = pattern_new(bytes, 0);
	DWORD flags = 0, n = 0;
	WSAOVERLAPPED o;
	bool ok = true;

	memset(in, 0, sizeof(in));
	for (DWORD i = 0; i < count; i++) {
		buffers[i].buf = in + 10 * i;
		buffers[i].len = 10;
	}
	overlapped_init(&o, NULL);
	if (overlapped)
		ok = PENDS(WSARecv(p->server, buffers, count, NULL, &flags, &o, NULL));
	if (overlapped)
		memset(buffers, 0xee, sizeof(buffers)); /* the array is only read by the call */
	ok = ok && send(p->client, out, (int)bytes, 0) == (int)bytes;
	if (overlapped)
		ok = ok && outcome(p->server, &o, &n, NULL) == 0;
	else
		ok = ok && WSARecv(p->server, buffers, count, &n, &flags, NULL, NULL) == 0;
	ok = ok && n > 0 && n <= bytes && pattern_ok(in, n, 0) && in[n] == 0;
	if (ok && n < bytes)
		ok = receive_all(p->server, in + n, bytes - n) == bytes - n &&
		     pattern_ok(in, bytes, 0);
	free(out);
	return ok;
}

static void check_scatter(void)
{
	static const char text[] = "0123456789012345678901234567890123456789"
				   "0123456789012345678901234567890123456789";
	struct pair p = need_pair();
	WSABUF buffers[16];
	DWORD flags = 0, n = 0;

	CHECK_R(147, scattered(&p, 3, 25, false) && scattered(&p, 3, 25, true));
	CHECK_R(147, scattered(&p, 20, 195, false) && scattered(&p, 20, 195, true));
	CHECK_R(147, scattered(&p, 20, 35, false) && scattered(&p, 20, 35, true));
	CHECK_R(147, scattered(&p, MANY, 7003, false) && scattered(&p, MANY, 7003, true));
	/* A receive stops at the mark of urgent data: no gap and no jump in a later buffer. */
	for (DWORD i = 0; i < 16; i++) {
		buffers[i].buf = in + 10 * i;
		buffers[i].len = 10;
	}
	memset(in, 0, sizeof(in));
	NEED(send(p.client, "before the mark", 15, 0) == 15 &&
	     send(p.client, "u", 1, MSG_OOB) == 1 && send(p.client, "behind", 6, 0) == 6);
	while (recv(p.server, in, 1, MSG_OOB) != 1)
		Sleep(1);
	NEED(in[0] == 'u');
	Sleep(SHORT_MS);
	CHECK_R(147, WSARecv(p.server, buffers, 16, &n, &flags, NULL, NULL) == 0 && n > 0 &&
			     !memcmp(in,
				     "before the mark"
				     "behind",
				     n) &&
			     in[n] == 0);
	receive_all(p.server, in, 21 - n);
	NEED(send(p.client, "before the mark", 15, 0) == 15 &&
	     send(p.client, "u", 1, MSG_OOB) == 1 && send(p.client, "behind", 6, 0) == 6);
	Sleep(SHORT_MS);
	memset(in, 0, sizeof(in));
	CHECK_R(340, WSARecv(p.server, buffers, 16, &n, &flags, NULL, NULL) == 0 && n == 15 &&
			     !memcmp(in, "before the mark", 16));
	CHECK_R(341, recv(p.server, in, 1, MSG_OOB) == 1 && in[0] == 'u');
	CHECK_R(340, recv(p.server, in, 100, 0) == 6 && !memcmp(in, "behind", 6));
	/* The mark between two buffers. */
	NEED(send(p.client, text, 80, 0) == 80 && send(p.client, "u", 1, MSG_OOB) == 1 &&
	     send(p.client, "behind", 6, 0) == 6);
	Sleep(SHORT_MS);
	CHECK_R(340, WSARecv(p.server, buffers, 16, &n, &flags, NULL, NULL) == 0 && n == 80 &&
			     !memcmp(in, text, 80));
	close_pair(&p);
}

static void check_end(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	DWORD n = UNTOUCHED, flags = UNTOUCHED;
	WSAOVERLAPPED o;

	NEED(send(p.client, "last", 4, 0) == 4 && closesocket(p.client) == 0);
	CHECK_R(148, receive_all(p.server, in, 4) == 4 && at_end(p.server) && at_end(p.server));
	nonblocking(p.server, 1);
	CHECK_R(148, at_end(p.server) && recv(p.server, in, 1, MSG_PEEK) == 0);
	overlapped_init(&o, event);
	CHECK_R(148, post_recv(p.server, in, 1, &o) == 0 && event_is_set(event) &&
			     outcome(p.server, &o, &n, &flags) == 0 && n == 0 && flags == 0);
	closesocket(p.server);
	closesocket(p.listener);
	p = need_pair();
	n = UNTOUCHED;
	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 1, &o)));
	shutdown(p.client, SD_SEND);
	CHECK_R(148,
		event_within(event, LONG_MS) && outcome(p.server, &o, &n, NULL) == 0 && n == 0);
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_reset(void)
{
	struct linger hard = { 1, 0 };
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	DWORD n = UNTOUCHED;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 1, &o)));
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.client);
	CHECK_R(150, event_within(event, LONG_MS) &&
			     outcome(p.server, &o, &n, NULL) == WSAECONNRESET && n == UNTOUCHED);
	CHECK_R(150, refused(p.server, 0, WSAECONNRESET));
	nonblocking(p.server, 1);
	CHECK_R(150, FAILS(recv(p.server, in, 1, 0), WSAECONNRESET));
	closesocket(p.server);
	closesocket(p.listener);
	WSACloseEvent(event);
}

static void check_peek(void)
{
	struct pair p = need_pair();
	WSABUF buffers[2] = { { 2, in }, { 10, in + 100 } };
	DWORD flags = MSG_PEEK, n = 0;

	NEED(send(p.client, "abcdef", 6, 0) == 6);
	CHECK_R(152, recv(p.server, in, 1, MSG_PEEK) == 1 && in[0] == 'a');
	CHECK_R(152, WSARecv(p.server, buffers, 2, &n, &flags, NULL, NULL) == 0 && n == 6 &&
			     !memcmp(in, "ab", 2) && !memcmp(in + 100, "cdef", 4));
	CHECK_R(152, recv(p.server, in, 100, 0) == 6 && !memcmp(in, "abcdef", 6));
	nonblocking(p.server, 1);
	CHECK_R(152, FAILS(recv(p.server, in, 100, MSG_PEEK), WSAEWOULDBLOCK));
	close_pair(&p);
}

static void send_pieces(void *arg)
{
	SOCKET s = ((struct pair *)arg)->client;

	send(s, "123", 3, 0);
	Sleep(SHORT_MS);
	send(s, "456", 3, 0);
	Sleep(SHORT_MS);
	send(s, "789", 3, 0);
}

static void send_then_end(void *arg)
{
	SOCKET s = ((struct pair *)arg)->client;

	send(s, "123", 3, 0);
	Sleep(SHORT_MS);
	shutdown(s, SD_SEND);
}

static void send_then_reset(void *arg)
{
	SOCKET s = ((struct pair *)arg)->client;
	struct linger hard = { 1, 0 };

	send(s, "123", 3, 0);
	Sleep(SHORT_MS);
	setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(s);
}

static void send_then_close_other(void *arg)
{
	struct pair *p = arg;

	send(p->client, "123", 3, 0);
	Sleep(SHORT_MS);
	closesocket(p->server);
}

/* recv with MSG_WAITALL while a thread does something to the pair. */
static int wait_all(void (*during)(void *), int *error)
{
	struct pair p = need_pair();
	struct conf_thread *thread = thread_run(during, &p);
	int n;

	memset(in, 0, 16);
	WSASetLastError(0);
	n = recv(p.server, in, 9, MSG_WAITALL);
	*error = WSAGetLastError();
	thread_join(thread);
	close_pair(&p);
	return n;
}

static void check_wait_all(void)
{
	static const DWORD bad[] = { MSG_PEEK, MSG_OOB, MSG_PARTIAL };
	struct pair p = need_pair();
	WSABUF buffer = { 16, in };
	DWORD n, flags = MSG_WAITALL;
	WSAOVERLAPPED o;
	int error;

	CHECK_R(153, wait_all(send_pieces, &error) == 9 && !memcmp(in, "123456789", 9));
	CHECK_R(153, wait_all(send_then_end, &error) == 3 && !memcmp(in, "123", 3));
	CHECK_R(153, wait_all(send_then_reset, &error) == SOCKET_ERROR && error == WSAECONNRESET);
	CHECK_R(153, wait_all(send_then_close_other, &error) == SOCKET_ERROR && error == WSAEINTR);
	for (int i = 0; i < 3; i++)
		CHECK_R(154, refused(p.server, MSG_WAITALL | bad[i], WSAEOPNOTSUPP));
	nonblocking(p.server, 1);
	CHECK_R(154, FAILS(WSARecv(p.server, &buffer, 1, &n, &flags, NULL, NULL), WSAEOPNOTSUPP));
	/* Peeking is for calls that are not overlapped. */
	overlapped_init(&o, NULL);
	flags = MSG_PEEK;
	CHECK_R(152, FAILS(WSARecv(p.server, &buffer, 1, &n, &flags, &o, NULL), WSAEOPNOTSUPP));
	close_pair(&p);
}

static void check_posted(void)
{
	enum { COUNT = 20 };
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	WSABUF buffer = { 16, in };
	DWORD got = UNTOUCHED, flags = 0, n = 0;
	WSAOVERLAPPED o[COUNT];
	size_t total = 0;
	char *out = pattern_new(COUNT * 100, 0);
	bool ok = true, in_order = true;

	overlapped_init(&o[0], event);
	CHECK_R(155, PENDS(WSARecv(p.server, &buffer, 1, &got, &flags, &o[0], NULL)) &&
			     got == UNTOUCHED && flags == 0);
	NEED(send(p.client, "x", 1, 0) == 1 && event_within(event, LONG_MS));
	CHECK_R(155, got == UNTOUCHED && flags == 0); /* not even now */
	for (int i = 0; i < COUNT; i++) {
		overlapped_init(&o[i], NULL);
		ok = ok && PENDS(post_recv(p.server, in + 100 * i, 100, &o[i]));
	}
	for (int i = 0; i < COUNT * 100; i += 250)
		ok = send(p.client, out + i, 250, 0) == 250 && ok;
	/* Each got what was there when it was its turn: together the stream, in posting order. */
	for (int i = 0; i < COUNT; i++) {
		ok = ok && outcome(p.server, &o[i], &n, NULL) == 0 && n > 0;
		in_order = in_order && ok && pattern_ok(in + 100 * i, n, total);
		total += n;
	}
	CHECK_R(156, ok && in_order);
	CHECK_R(156, receive_all(p.server, in, COUNT * 100 - total) == COUNT * 100 - total &&
			     pattern_ok(in, COUNT * 100 - total, total));
	free(out);
	close_pair(&p);
	WSACloseEvent(event);
}

/* A small send is one piece to who receives it, on a new connection, too: as over TCP, and programs rely on it. */
static void check_small_send(void)
{
	enum { ROUNDS = 40, BYTES = 500 };
	char *out = pattern_new(BYTES, 0);
	unsigned whole = 0;
	WSAOVERLAPPED o;

	for (int i = 0; i < ROUNDS; i++) {
		struct pair p = need_pair();
		DWORD n = 0;

		overlapped_init(&o, NULL);
		whole += PENDS(post_recv(p.server, in, 2000, &o)) &&
			 send(p.client, out, BYTES, 0) == BYTES &&
			 outcome(p.server, &o, &n, NULL) == 0 && n == BYTES &&
			 pattern_ok(in, BYTES, 0);
		close_pair(&p);
	}
	CHECK(whole == ROUNDS);
	free(out);
}

/* Two receives with MSG_WAITALL: the second gets nothing before the first is full. */
static void check_posted_wait_all(void)
{
	struct pair p = need_pair();
	WSABUF buffer = { 300, in }, second = { 200, in + 300 };
	DWORD flags = MSG_WAITALL, n = 0;
	char *out = pattern_new(500, 0);
	WSAOVERLAPPED a, b;

	overlapped_init(&a, NULL);
	overlapped_init(&b, NULL);
	NEED(PENDS(WSARecv(p.server, &buffer, 1, NULL, &flags, &a, NULL)) &&
	     PENDS(WSARecv(p.server, &second, 1, NULL, &flags, &b, NULL)));
	NEED(send(p.client, out, 299, 0) == 299);
	Sleep(SHORT_MS);
	CHECK_R(156, in_progress(&a) && in_progress(&b));
	NEED(send(p.client, out + 299, 2, 0) == 2);
	CHECK_R(156, outcome(p.server, &a, &n, NULL) == 0 && n == 300 && in_progress(&b));
	NEED(send(p.client, out + 301, 199, 0) == 199);
	CHECK_R(156, outcome(p.server, &b, &n, NULL) == 0 && n == 200 && pattern_ok(in, 500, 0));
	free(out);
	close_pair(&p);
}

static void check_early_data(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	WSABUF buffer = { 100, in };
	DWORD got = UNTOUCHED, flags = 0;
	WSAOVERLAPPED o;
	u_long waiting = 0;

	NEED(send(p.client, "early bird", 10, 0) == 10);
	while (waiting < 10)
		NEED(ioctlsocket(p.server, FIONREAD, &waiting) == 0);
	CHECK_R(157, recv(p.server, in, 5, 0) == 5 && !memcmp(in, "early", 5));
	overlapped_init(&o, event);
	CHECK_R(157, WSARecv(p.server, &buffer, 1, &got, &flags, &o, NULL) == 0 && got == 5 &&
			     !memcmp(in, " bird", 5) && event_is_set(event) && o.InternalHigh == 5);
	/* Zero bytes wanted: completes when there is something, and takes none of it. */
	buffer.len = 0;
	overlapped_init(&o, event);
	CHECK_R(157, PENDS(WSARecv(p.server, &buffer, 1, &got, &flags, &o, NULL)));
	NEED(send(p.client, "later", 5, 0) == 5);
	CHECK_R(157, event_within(event, LONG_MS) && outcome(p.server, &o, &got, NULL) == 0 &&
			     got == 0 && receive_all(p.server, in, 5) == 5 &&
			     !memcmp(in, "later", 5));
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_flags(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	WSABUF buffer = { 100, in };
	DWORD flags = MSG_OOB, result = UNTOUCHED, n = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(WSARecv(p.server, &buffer, 1, NULL, &flags, &o, NULL)));
	NEED(send(p.client, "!", 1, MSG_OOB) == 1);
	CHECK_R(163, event_within(event, LONG_MS) && outcome(p.server, &o, &n, &result) == 0 &&
			     n == 1 && in[0] == '!' && result == MSG_OOB && flags == MSG_OOB);
	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 100, &o)) && send(p.client, "?", 1, 0) == 1);
	result = UNTOUCHED;
	CHECK_R(163, event_within(event, LONG_MS) && outcome(p.server, &o, &n, &result) == 0 &&
			     result == 0);
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_receive_from(void)
{
	struct pair p = need_pair();
	WSABUF buffer = { 100, in };
	struct address from = loopback(0);
	DWORD flags = 0, n = 0;
	WSAOVERLAPPED o;
	int length = 1;

	NEED(send(p.client, "abcdef", 6, 0) == 6);
	CHECK_R(164, recvfrom(p.server, in, 2, 0, &from.sa.any, &from.length) == 2);
	CHECK_R(164, recvfrom(p.server, in, 2, 0, NULL, NULL) == 2 && !memcmp(in, "cd", 2));
	CHECK_R(164, WSARecvFrom(p.server, &buffer, 1, &n, &flags, &from.sa.any, &length, NULL,
				 NULL) == 0 &&
			     n == 2 && !memcmp(in, "ef", 2));
	overlapped_init(&o, NULL);
	CHECK_R(164, PENDS(WSARecvFrom(p.server, &buffer, 1, NULL, &flags, NULL, NULL, &o, NULL)) &&
			     send(p.client, "x", 1, 0) == 1 &&
			     outcome(p.server, &o, &n, NULL) == 0 && n == 1);
	shutdown(p.client, SD_SEND);
	CHECK_R(164, recvfrom(p.server, in, 2, 0, &from.sa.any, &from.length) == 0);
	shutdown(p.server, SD_RECEIVE);
	CHECK_R(164, FAILS(recvfrom(p.server, in, 2, 0, NULL, NULL), WSAESHUTDOWN));
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_states();
	check_available();
	check_scatter();
	check_end();
	check_reset();
	check_peek();
	check_wait_all();
	check_posted();
	check_small_send();
	check_posted_wait_all();
	check_early_data();
	check_flags();
	check_receive_from();
	WSACleanup();
	return check_result();
}
