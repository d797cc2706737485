// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_overlapped.c - overlapped completion: R-165..R-174, R-184..R-187, by event, by completion port
 * and by polling. (Completion routines: test_routine.c. What the host sees: test_upcalls.c.)
 */
#include "tests/conformance/io.h"

#define KEY 0x1234u

static char in[1u << 20], out[1u << 20];

static void reset_on_close(SOCKET s)
{
	struct linger hard = { 1, 0 };

	setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
}

static void check_start(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	DWORD n = UNTOUCHED, flags = UNTOUCHED;
	WSAOVERLAPPED o;

	WSASetEvent(event);
	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 100, &o)));
	CHECK_R(165, o.Internal == WSS_OPERATION_IN_PROGRESS);
	CHECK_R(166, !event_is_set(event));
	CHECK_R(170, !WSAGetOverlappedResult(p.server, &o, &n, FALSE, &flags) &&
			     WSAGetLastError() == WSA_IO_INCOMPLETE && n == UNTOUCHED &&
			     flags == UNTOUCHED);
	NEED(send(p.client, "hello", 5, 0) == 5);
	CHECK_R(167, event_within(event, LONG_MS));
	CHECK_R(171, WSAGetOverlappedResult(p.server, &o, &n, FALSE, &flags) && n == 5 &&
			     flags == 0 && !memcmp(in, "hello", 5));
	CHECK_R(171, WSAGetOverlappedResult(p.server, &o, &n, TRUE, &flags) && n == 5); /* again */
	WSASetEvent(event);
	overlapped_init(&o, event);
	NEED(PENDS(post_send(p.client, out, sizeof(out), &o)));
	CHECK_R(165, o.Internal == WSS_OPERATION_IN_PROGRESS);
	CHECK_R(166, !event_is_set(event));
	NEED(receive_all(p.server, in, sizeof(out)) == sizeof(out));
	CHECK_R(167, event_within(event, LONG_MS));
	CHECK_R(171, WSAGetOverlappedResult(p.client, &o, &n, FALSE, &flags) && n == sizeof(out) &&
			     flags == 0);
	close_pair(&p);
	WSACloseEvent(event);
}

/* --- the order in which a result becomes visible --- */

struct stream_of {
	SOCKET s;
	unsigned count;
};

static void send_many(void *arg)
{
	struct stream_of *stream = arg;

	for (unsigned i = 0; i < stream->count; i++) {
		send(stream->s, out, 3, 0);
		if (i % 8 == 0)
			Sleep(1);
	}
}

/* A thread that looks at Internal only sees the rest in place as soon as it changes. */
static void check_order_of_result(void)
{
	struct pair p = need_pair();
	struct stream_of stream = { p.client, 300 };
	struct conf_thread *sender = thread_run(send_many, &stream);
	bool count_ok = true, result_ok = true;
	DWORD total = 0;

	while (total < 3 * stream.count) {
		WSAOVERLAPPED o;

		overlapped_init(&o, NULL);
		o.InternalHigh = UNTOUCHED;
		if (post_recv(p.server, in, 3, &o) != 0)
			NEED(WSAGetLastError() == WSA_IO_PENDING);
		while (in_progress(&o))
			Sleep(0);
		count_ok = count_ok && o.InternalHigh > 0 && o.InternalHigh <= 3;
		result_ok = result_ok && o.OffsetHigh == 0 && o.Offset == 0;
		total += (DWORD)o.InternalHigh;
	}
	thread_join(sender);
	CHECK_R(169, count_ok && total == 3 * stream.count);
	CHECK_R(168, result_ok);
	close_pair(&p);
}

static void check_error_in_result(void)
{
	struct pair p = need_pair();
	DWORD n = UNTOUCHED;
	WSAOVERLAPPED o;

	overlapped_init(&o, NULL);
	NEED(PENDS(post_recv(p.server, in, 3, &o)));
	closesocket(p.server);
	while (in_progress(&o))
		Sleep(0);
	CHECK_R(168, o.OffsetHigh == WSA_OPERATION_ABORTED && o.Offset == 0);
	CHECK_R(169, o.InternalHigh == 0);
	/* The descriptor is gone: that is the answer, and not a crash. */
	CHECK_R(172, !WSAGetOverlappedResult(p.server, &o, &n, FALSE, &n) &&
			     WSAGetLastError() == WSAENOTSOCK && n == UNTOUCHED);
	CHECK_R(172, !WSAGetOverlappedResult(INVALID_SOCKET, &o, &n, FALSE, &n) &&
			     WSAGetLastError() == WSAENOTSOCK && n == UNTOUCHED);
	closesocket(p.client);
	closesocket(p.listener);
}

static void check_failure(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	DWORD n = UNTOUCHED, flags = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 3, &o)));
	reset_on_close(p.client);
	closesocket(p.client);
	NEED(event_within(event, LONG_MS));
	CHECK_R(172, !WSAGetOverlappedResult(p.server, &o, &n, FALSE, &flags) &&
			     WSAGetLastError() == WSAECONNRESET && n == UNTOUCHED);
	CHECK_R(172, !WSAGetOverlappedResult(p.server, &o, &n, TRUE, &flags) &&
			     WSAGetLastError() == WSAECONNRESET && n == UNTOUCHED);
	CHECK_R(172, !WSAGetOverlappedResult(p.server, NULL, &n, FALSE, &flags) &&
			     WSAGetLastError() == WSAEFAULT);
	CHECK_R(172, !WSAGetOverlappedResult(p.server, &o, NULL, FALSE, &flags) &&
			     WSAGetLastError() == WSAEFAULT);
	closesocket(p.server);
	closesocket(p.listener);
	WSACloseEvent(event);
}

/* --- waiting --- */

static void send_later(void *arg)
{
	Sleep(SHORT_MS);
	send(*(SOCKET *)arg, "later", 5, 0);
}

static void check_wait(void)
{
	WSAEVENT event = WSACreateEvent(), gone = WSACreateEvent();
	struct pair p = need_pair();
	struct conf_thread *sender;
	DWORD n = UNTOUCHED, flags = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 5, &o)));
	sender = thread_run(send_later, &p.client);
	CHECK_R(173, WSAGetOverlappedResult(p.server, &o, &n, TRUE, &flags) && n == 5 &&
			     !memcmp(in, "later", 5) && event_is_set(event));
	thread_join(sender);
	WSACloseEvent(gone);
	for (int i = 0; i < 3; i++) {
		WSAEVENT bad = i == 0 ? NULL : i == 1 ? gone : (WSAEVENT)p.listener;

		overlapped_init(&o, NULL);
		NEED(PENDS(post_recv(p.server, in, 5, &o)));
		o.hEvent = bad;
		n = UNTOUCHED;
		CHECK_R(174, !WSAGetOverlappedResult(p.server, &o, &n, TRUE, &flags) &&
				     WSAGetLastError() == WSA_INVALID_HANDLE && n == UNTOUCHED);
		o.hEvent = NULL;
		NEED(send(p.client, "x", 1, 0) == 1 && outcome(p.server, &o, &n, NULL) == 0);
	}
	close_pair(&p);
	WSACloseEvent(event);
}

static void close_later(void *arg)
{
	Sleep(SHORT_MS);
	closesocket(*(SOCKET *)arg);
}

/* A wait for a result that is cut off by the close: an error, within time. */
static void check_wait_and_close(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	struct conf_thread *closer;
	DWORD n = UNTOUCHED, flags = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, event);
	NEED(PENDS(post_recv(p.server, in, 5, &o)));
	closer = thread_run(close_later, &p.server);
	CHECK_R(173, !WSAGetOverlappedResult(p.server, &o, &n, TRUE, &flags) && n == UNTOUCHED &&
			     WSAGetLastError() == WSA_OPERATION_ABORTED);
	thread_join(closer);
	closesocket(p.client);
	closesocket(p.listener);
	WSACloseEvent(event);
}

/* --- completion port --- */

struct packet {
	DWORD bytes;
	ULONG_PTR key;
	OVERLAPPED *overlapped;
	DWORD error;
};

static struct packet packet_of(HANDLE port, DWORD ms)
{
	struct packet packet = { UNTOUCHED, 0, NULL, 0 };

	if (!GetQueuedCompletionStatus(port, &packet.bytes, &packet.key, &packet.overlapped, ms))
		packet.error = GetLastError();
	return packet;
}

static void check_port(void)
{
	struct pair p = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)p.server, NULL, KEY, 0);
	WSAEVENT event = WSACreateEvent();
	struct packet got;
	WSAOVERLAPPED a, b;
	u_long waiting = 0;
	DWORD n = 0;

	overlapped_init(&a, NULL);
	NEED(port && PENDS(post_recv(p.server, in, 5, &a)));
	got = packet_of(port, 0);
	CHECK_R(184, got.overlapped == NULL && got.error == WAIT_TIMEOUT);
	NEED(send(p.client, "ahead", 5, 0) == 5);
	got = packet_of(port, LONG_MS);
	CHECK_R(184, got.overlapped == &a && got.error == 0 && got.bytes == 5 && got.key == KEY &&
			     outcome(p.server, &a, &n, NULL) == 0 && n == 5);
	/* At once: the packet comes all the same. */
	NEED(send(p.client, "again", 5, 0) == 5);
	while (waiting < 5)
		NEED(ioctlsocket(p.server, FIONREAD, &waiting) == 0);
	overlapped_init(&a, NULL);
	CHECK_R(184, post_recv(p.server, in, 5, &a) == 0);
	got = packet_of(port, 0);
	CHECK_R(184, got.overlapped == &a && got.bytes == 5);
	/* With an event as well both happen; with its low bit set only the event. */
	overlapped_init(&a, event);
	overlapped_init(&b, (WSAEVENT)((ULONG_PTR)event | 1));
	NEED(PENDS(post_recv(p.server, in, 1, &a)) && send(p.client, "1", 1, 0) == 1);
	got = packet_of(port, LONG_MS);
	CHECK_R(184, got.overlapped == &a && event_within(event, LONG_MS));
	NEED(PENDS(post_recv(p.server, in, 1, &b)) && send(p.client, "2", 1, 0) == 1);
	CHECK_R(184, event_within(event, LONG_MS) && packet_of(port, SHORT_MS).overlapped == NULL);
	/* A failure. */
	overlapped_init(&a, NULL);
	NEED(PENDS(post_recv(p.server, in, 5, &a)));
	reset_on_close(p.client);
	closesocket(p.client);
	got = packet_of(port, LONG_MS);
	CHECK_R(184, got.overlapped == &a && got.error != 0 && got.error != WAIT_TIMEOUT &&
			     outcome(p.server, &a, &n, NULL) == WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
	CloseHandle(port);
	WSACloseEvent(event);
}

/* Neither event, nor port, nor routine: polling alone. */
static void check_poll(void)
{
	struct pair p = need_pair();
	DWORD n = 0, flags = 0;
	WSAOVERLAPPED o;

	overlapped_init(&o, NULL);
	NEED(PENDS(post_recv(p.server, in, 5, &o)) && send(p.client, "12345", 5, 0) == 5);
	CHECK_R(171, outcome(p.server, &o, &n, &flags) == 0 && n == 5 && flags == 0);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(p.client, out, sizeof(out), &o)));
	NEED(receive_all(p.server, in, sizeof(out)) == sizeof(out));
	CHECK_R(171, outcome(p.client, &o, &n, &flags) == 0 && n == sizeof(out));
	close_pair(&p);
}

static void CALLBACK never(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)flags;
	(void)o;
	NEED(!"a completion routine ran without an overlapped structure");
}

static void check_synchronous(void)
{
	struct pair p = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)p.server, NULL, KEY, 0);
	struct conf_thread *sender = thread_run(send_later, &p.client);
	WSABUF buffer = { 5, in };
	DWORD n = 0, flags = 0;

	CHECK_R(186, WSARecv(p.server, &buffer, 1, &n, &flags, NULL, never) == 0 && n == 5 &&
			     !memcmp(in, "later", 5));
	thread_join(sender);
	CHECK_R(186, WSASend(p.server, &buffer, 1, &n, 0, NULL, never) == 0 && n == 5);
	CHECK_R(186, SleepEx(SHORT_MS, TRUE) == 0); /* no routine */
	CHECK_R(186, packet_of(port, 0).overlapped == NULL);
	nonblocking(p.server, 1);
	CHECK_R(186, FAILS(WSARecv(p.server, &buffer, 1, &n, &flags, NULL, NULL), WSAEWOULDBLOCK));
	close_pair(&p);
	CloseHandle(port);
}

/* --- many, and exactly once each --- */

#define MANY 500

static WSAOVERLAPPED many[MANY];

static void check_many(void)
{
	struct pair p = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)p.server, NULL, KEY, 0);
	unsigned seen[MANY] = { 0 };
	bool ok = true;

	for (int i = 0; i < MANY; i++) {
		overlapped_init(&many[i], NULL);
		ok = PENDS(post_recv(p.server, in + 4 * i, 4, &many[i])) && ok;
	}
	CHECK_R(187, ok);
	pattern_fill(out, 4 * MANY, 0);
	NEED(send(p.client, out, 4 * MANY, 0) == 4 * MANY);
	for (int i = 0; i < MANY && ok; i++) {
		struct packet got = packet_of(port, LONG_MS);
		size_t at = (size_t)(got.overlapped - many);

		ok = got.overlapped && at < MANY && got.error == 0;
		if (ok)
			seen[at]++;
	}
	for (int i = 0; i < MANY; i++)
		ok = ok && seen[i] == 1 && many[i].InternalHigh > 0;
	CHECK_R(187, ok);
	CHECK_R(185, ok && packet_of(port, SHORT_MS).overlapped == NULL);
	close_pair(&p);
	CloseHandle(port);
}

static void send_some(void *arg)
{
	SOCKET s = *(SOCKET *)arg;

	for (int i = 0; i < MANY / 2; i++)
		if (send(s, out, 4, 0) != 4)
			break;
}

/* Data, then a close from another thread in the middle of it, while sends wait as well. */
static bool exactly_once(DWORD delay)
{
	static WSAOVERLAPPED sends[8];
	static char lots[8][200000];
	struct pair p = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)p.server, NULL, KEY, 0);
	unsigned seen[MANY + 8] = { 0 };
	struct conf_thread *sender, *closer;
	unsigned expected = 0;
	bool ok = true;

	for (int i = 0; i < MANY; i++) {
		overlapped_init(&many[i], NULL);
		expected += PENDS(post_recv(p.server, in + 4 * i, 4, &many[i]));
	}
	for (int i = 0; i < 8; i++) {
		overlapped_init(&sends[i], NULL);
		expected += PENDS(post_send(p.server, lots[i], sizeof(lots[i]), &sends[i])) ||
			    WSAGetLastError() == 0;
	}
	sender = thread_run(send_some, &p.client);
	Sleep(delay);
	closer = thread_run(close_later, &p.server);
	while (expected > 0 && ok) {
		struct packet got = packet_of(port, LONG_MS);
		size_t at = (size_t)(got.overlapped - many);

		if (got.overlapped >= sends && got.overlapped < sends + 8)
			at = MANY + (size_t)(got.overlapped - sends);
		ok = got.overlapped && at < MANY + 8;
		if (ok)
			seen[at]++;
		expected--;
	}
	thread_join(sender);
	thread_join(closer);
	for (int i = 0; i < MANY + 8; i++)
		ok = ok && seen[i] == 1;
	ok = ok && packet_of(port, SHORT_MS).overlapped == NULL;
	closesocket(p.client);
	closesocket(p.listener);
	CloseHandle(port);
	return ok;
}

static void check_exactly_once(void)
{
	for (DWORD delay = 0; delay < 4; delay++)
		CHECK_R(185, exactly_once(delay));
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_start();
	check_order_of_result();
	check_error_in_result();
	check_failure();
	check_wait();
	check_wait_and_close();
	check_port();
	check_poll();
	check_synchronous();
	check_many();
	check_exactly_once();
	WSACleanup();
	return check_result();
}
