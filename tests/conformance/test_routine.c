// SPDX-License-Identifier: BSD-2-Clause
/* test_routine.c - completion routines: ..R-182, and by this way. */
#include "tests/conformance/io.h"

#define MARK ((WSAEVENT)(ULONG_PTR)0x1235) /* hEvent belongs to the application */

static char in[4096], out[1u << 20];

/* What the last routine was told, and how often one ran. */
static struct told {
	unsigned calls;
	DWORD error, bytes, flags, thread;
	LPWSAOVERLAPPED overlapped;
} told;

static void CALLBACK tell(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	told = (struct told){ told.calls + 1, error, bytes, flags, GetCurrentThreadId(), o };
}

static int receive(SOCKET s, WSAOVERLAPPED *o, DWORD flags,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	WSABUF buffer = { sizeof(in), in };

	overlapped_init(o, MARK);
	return WSARecv(s, &buffer, 1, NULL, &flags, o, routine);
}

static void check_where(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	WSAOVERLAPPED o, other;
	DWORD n, flags = 0;
	char c;

	told.calls = 0;
	NEED(PENDS(receive(p.server, &o, 0, tell)));
	NEED(send(p.client, "abc", 3, 0) == 3 && outcome(p.server, &o, &n, &flags) == 0 && n == 3);
	/* It has completed, and the routine has not run: nothing here was alertable. */
	Sleep(SHORT_MS);
	WSAWaitForMultipleEvents(1, &event, TRUE, SHORT_MS, FALSE);
	NEED(send(p.server, "x", 1, 0) == 1 && recv(p.client, &c, 1, 0) == 1);
	CHECK_R(180, told.calls == 0);
	CHECK_R(180, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.calls == 1 &&
			     told.thread == GetCurrentThreadId());
	CHECK_R(181, told.error == 0 && told.bytes == 3 && told.overlapped == &o &&
			     told.flags == 0 && o.hEvent == MARK);
	CHECK_R(180, SleepEx(0, TRUE) == 0 && told.calls == 1);
	/* The other alertable wait; the operation completes meanwhile. */
	NEED(PENDS(receive(p.server, &o, 0, tell)) && send(p.client, "de", 2, 0) == 2);
	CHECK_R(180, WSAWaitForMultipleEvents(1, &event, TRUE, LONG_MS, TRUE) ==
				     WSA_WAIT_IO_COMPLETION &&
			     told.calls == 2 && told.bytes == 2);
	/* At once: the routine does not run inside of the call. */
	NEED(send(p.client, "now", 3, 0) == 3);
	for (u_long waiting = 0; waiting < 3;)
		NEED(ioctlsocket(p.server, FIONREAD, &waiting) == 0);
	n = (DWORD)receive(p.server, &other, 0, tell);
	CHECK_R(180, (n == 0 || WSAGetLastError() == WSA_IO_PENDING) && told.calls == 2 &&
			     SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.calls == 3 &&
			     told.overlapped == &other);
	close_pair(&p);
	WSACloseEvent(event);
}

static void wait_alertably(void *arg)
{
	*(DWORD *)arg = SleepEx(4 * SHORT_MS, TRUE);
}

static void check_other_thread(void)
{
	struct pair p = need_pair();
	struct conf_thread *thread;
	DWORD result = UNTOUCHED;
	WSAOVERLAPPED o;

	told.calls = 0;
	NEED(PENDS(receive(p.server, &o, 0, tell)));
	thread = thread_run(wait_alertably, &result);
	NEED(send(p.client, "abc", 3, 0) == 3);
	thread_join(thread);
	CHECK_R(180, result == 0 && told.calls == 0 && !in_progress(&o));
	CHECK_R(180, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.calls == 1 &&
			     told.thread == GetCurrentThreadId());
	close_pair(&p);
}

#ifdef _WIN32
static struct {
	void *poster, *caller; /* fibers */
	struct pair p[2];
	WSAOVERLAPPED o[2];
	bool pending[2];
} posts;

static void CALLBACK post_twice(void *arg)
{
	(void)arg;
	for (int i = 0;; i = 1) {
		posts.pending[i] = PENDS(receive(posts.p[i].server, &posts.o[i], 0, tell));
		SwitchToFiber(posts.caller);
	}
}

static void post_once(void *arg)
{
	(void)arg;
	posts.caller = ConvertThreadToFiber(NULL);
	SwitchToFiber(posts.poster);
	ConvertFiberToThread();
}

/* A fiber posts in one thread and then in another: the end of the first is nothing to the routine of the second. */
static void check_fiber_of_two_threads(void)
{
	posts.p[0] = need_pair();
	posts.p[1] = need_pair();
	posts.poster = CreateFiber(0, post_twice, NULL);
	NEED(posts.poster != NULL);
	thread_join(thread_run(post_once, NULL));
	post_once(NULL);
	NEED(posts.pending[0] && posts.pending[1]);
	told.calls = 0;
	NEED(send(posts.p[1].client, "abc", 3, 0) == 3);
	CHECK_R(180, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.calls == 1 &&
			     told.thread == GetCurrentThreadId() && told.overlapped == &posts.o[1]);
	DeleteFiber(posts.poster);
	close_pair(&posts.p[0]);
	close_pair(&posts.p[1]);
}
#endif

static void check_values(void)
{
	struct linger hard = { 1, 0 };
	struct pair p = need_pair();
	WSABUF buffer = { sizeof(out), out };
	WSAOVERLAPPED o, change;
	DWORD n;

	NEED(PENDS(receive(p.server, &o, MSG_OOB, tell)) && send(p.client, "!", 1, MSG_OOB) == 1);
	CHECK_R(181, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.error == 0 &&
			     told.bytes == 1 && told.flags == MSG_OOB && told.overlapped == &o);
	overlapped_init(&o, MARK);
	NEED(PENDS(WSASend(p.client, &buffer, 1, NULL, 0, &o, tell)));
	for (size_t got = 0; got < sizeof(out); got += n)
		NEED((n = (DWORD)receive_all(p.server, in, sizeof(in))) > 0);
	CHECK_R(181, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.error == 0 &&
			     told.bytes == sizeof(out) && told.overlapped == &o);
	/* A failure, and both kinds of end by closing. */
	NEED(PENDS(receive(p.server, &o, 0, tell)));
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.client);
	CHECK_R(181, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.error == WSAECONNRESET &&
			     told.bytes == 0 && told.overlapped == &o);
	overlapped_init(&change, MARK);
	NEED(PENDS(
		WSAIoctl(p.server, SIO_ADDRESS_LIST_CHANGE, NULL, 0, NULL, 0, &n, &change, tell)));
	told.calls = 0;
	closesocket(p.server);
	CHECK_R(189, SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION && told.calls == 1 &&
			     told.error == WSA_OPERATION_ABORTED && told.bytes == 0 &&
			     told.overlapped == &change);
	closesocket(p.listener);
}

static void check_close(void)
{
	WSAOVERLAPPED o[3];
	struct pair p = need_pair();

	told.calls = 0;
	for (int i = 0; i < 3; i++)
		NEED(PENDS(receive(p.server, &o[i], 0, tell)));
	closesocket(p.server);
	while (told.calls < 3 && SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION)
		CHECK_R(189, told.error == WSA_OPERATION_ABORTED && told.bytes == 0);
	CHECK_R(189, told.calls == 3 && SleepEx(SHORT_MS, TRUE) == 0);
	closesocket(p.client);
	closesocket(p.listener);
}

/* --- inside of a routine --- */

static struct {
	struct pair p;
	WSAOVERLAPPED receive, send;
	unsigned rounds;
	size_t taken;
	bool ok;
} echo;

static void CALLBACK echo_sent(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	(void)flags;
	echo.ok = echo.ok && error == 0 && bytes > 0 && o == &echo.send;
	echo.rounds++;
}

/* Sends back what came, and posts the next receive. */
static void CALLBACK echo_received(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	WSABUF buffer = { bytes, in };

	(void)flags;
	echo.ok = echo.ok && error == 0 && o == &echo.receive;
	if (bytes == 0)
		return;
	echo.taken += bytes;
	overlapped_init(&echo.send, MARK);
	if (WSASend(echo.p.server, &buffer, 1, NULL, 0, &echo.send, echo_sent) != 0)
		echo.ok = echo.ok && WSAGetLastError() == WSA_IO_PENDING;
	if (receive(echo.p.server, &echo.receive, 0, echo_received) != 0)
		echo.ok = echo.ok && WSAGetLastError() == WSA_IO_PENDING;
}

static void ping(void *arg)
{
	bool *ok = arg;
	char back[3];

	for (int i = 0; i < 100 && *ok; i++)
		*ok = send(echo.p.client, "abc", 3, 0) == 3 &&
		      receive_all(echo.p.client, back, 3) == 3 && !memcmp(back, "abc", 3);
	shutdown(echo.p.client, SD_SEND);
}

static void check_calls_inside(void)
{
	struct conf_thread *client;
	bool ok = true;

	echo.p = need_pair();
	echo.ok = true;
	echo.taken = echo.rounds = 0;
	NEED(PENDS(receive(echo.p.server, &echo.receive, 0, echo_received)));
	client = thread_run(ping, &ok);
	while (echo.taken < 300 || echo.rounds == 0)
		if (SleepEx(LONG_MS, TRUE) != WAIT_IO_COMPLETION)
			break;
	thread_join(client);
	CHECK_R(136, ok && echo.ok && echo.taken == 300 && echo.rounds > 0);
	close_pair(&echo.p);
	while (SleepEx(0, TRUE) == WAIT_IO_COMPLETION)
		;
}

/* --- nesting --- */

static struct {
	unsigned depth, deepest, calls;
	LPWSAOVERLAPPED order[8];
} nest;

/* Waits alertably itself: nothing of the same socket may run in there. */
static void CALLBACK nesting(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)flags;
	nest.depth++;
	nest.deepest = nest.depth > nest.deepest ? nest.depth : nest.deepest;
	if (nest.calls < 8)
		nest.order[nest.calls] = o;
	nest.calls++;
	SleepEx(SHORT_MS, TRUE);
	SleepEx(0, TRUE);
	nest.depth--;
}

static void check_nesting(void)
{
	struct pair p = need_pair();
	WSABUF buffer = { 4, in };
	WSAOVERLAPPED o[4];
	DWORD flags = 0, n;
	bool ok = true;

	memset(&nest, 0, sizeof(nest));
	for (int i = 0; i < 4; i++) {
		overlapped_init(&o[i], MARK);
		NEED(PENDS(WSARecv(p.server, &buffer, 1, NULL, &flags, &o[i], nesting)));
	}
	NEED(send(p.client, out, 16, 0) == 16);
	for (int i = 0; i < 4; i++)
		NEED(outcome(p.server, &o[i], &n, NULL) == 0);
	while (nest.calls < 4 && SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION)
		;
	CHECK_R(182, nest.calls == 4 && nest.deepest == 1);
	for (int i = 0; i < 4; i++)
		ok = ok && nest.order[i] == &o[i];
	CHECK_R(182, ok);
	CHECK_R(185, SleepEx(SHORT_MS, TRUE) == 0 && nest.calls == 4);
	close_pair(&p);
}

static struct pair second;
static WSAOVERLAPPED second_overlapped;

static void CALLBACK waits_for_second(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)flags;
	(void)o;
	told.calls = 0;
	SleepEx(LONG_MS, TRUE);
	nest.calls = told.calls;
}

/* Another socket's routine does run in there: the rule is per socket. */
static void check_nesting_of_two(void)
{
	struct pair p = need_pair();
	WSAOVERLAPPED o;
	DWORD n;

	second = need_pair();
	nest.calls = 0;
	NEED(PENDS(receive(p.server, &o, 0, waits_for_second)) &&
	     PENDS(receive(second.server, &second_overlapped, 0, tell)));
	NEED(send(p.client, "1", 1, 0) == 1 && outcome(p.server, &o, &n, NULL) == 0);
	NEED(send(second.client, "2", 1, 0) == 1);
	while (nest.calls == 0 && SleepEx(LONG_MS, TRUE) == WAIT_IO_COMPLETION)
		;
	CHECK_R(182, told.overlapped == &second_overlapped && told.bytes == 1);
	close_pair(&p);
	close_pair(&second);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_where();
	check_other_thread();
#ifdef _WIN32
	check_fiber_of_two_threads();
#endif
	check_values();
	check_close();
	check_calls_inside();
	check_nesting();
	check_nesting_of_two();
	WSACleanup();
	return check_result();
}
