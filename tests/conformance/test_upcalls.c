// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_upcalls.c - what only a host can see: completions (R-128, R-129, R-165, R-168, R-169, R-183,
 * ), the end of handles, blocking hooks and cancellation.
 */
#include "tests/conformance/host.h"
#include "tests/conformance/io.h"

static char in[4096], out[1u << 20];

static struct pair need_host_pair(void)
{
	struct pair p;

	NEED(host_open_pair(&p));
	return p;
}

static int receive(SOCKET s, WSAOVERLAPPED *o, DWORD flags)
{
	WSABUF buffer = { sizeof(in), in };

	overlapped_init(o, NULL);
	return spi.lpWSPRecv(s, &buffer, 1, NULL, &flags, o, NULL, NULL, &host_error);
}

static int transmit(SOCKET s, DWORD length, WSAOVERLAPPED *o, DWORD *sent)
{
	WSABUF buffer = { length, out };

	overlapped_init(o, NULL);
	return spi.lpWSPSend(s, &buffer, 1, sent, 0, o, NULL, NULL, &host_error);
}

static void hard_close(SOCKET s)
{
	struct linger hard = { 1, 0 };

	spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard), &host_error);
	host_close(s);
}

/* The one completion of this structure; without one or with two the checks below fail. */
static struct host_completion completion_of(WSAOVERLAPPED *o)
{
	struct host_completion none = { .s = INVALID_SOCKET };

	if (host_wait_completion(o, LONG_MS) != 1)
		return none;
	for (unsigned i = host_completions(); i-- > 0;)
		if (host_completion_at(i).overlapped == o)
			return host_completion_at(i);
	return none;
}

static void check_at_once(void)
{
	struct pair p = need_host_pair();
	static WSAOVERLAPPED sent, refused;
	DWORD n = UNTOUCHED;

	CHECK_R(128, transmit(p.client, 5, &sent, &n) == 0 && n == 5 &&
			     host_wait_completion(&sent, 0) == 1);
	CHECK_R(128, completion_of(&sent).s == p.client && completion_of(&sent).bytes == 5 &&
			     completion_of(&sent).error == 0);
	NEED(host_recv(p.server, in, 5) == 5);
	NEED(spi.lpWSPShutdown(p.client, SD_SEND, &host_error) == 0);
	CHECK_R(129, SPI_FAILS(transmit(p.client, 5, &refused, &n), WSAESHUTDOWN) &&
			     host_wait_completion(&refused, SHORT_MS) == 0 &&
			     !in_progress(&refused));
	host_close_pair(&p);
}

static void check_result_before_upcall(void)
{
	static WSAOVERLAPPED plain, urgent, failed, aborted, sent;
	struct pair p = need_host_pair(), q = need_host_pair();
	WSABUF mark = { 1, out };
	struct host_completion c;
	DWORD n;

	NEED(SPI_FAILS(receive(p.server, &plain, 0), WSA_IO_PENDING));
	CHECK_R(165, plain.Internal == WSS_OPERATION_IN_PROGRESS);
	NEED(host_send(p.client, "abc", 3) == 3);
	c = completion_of(&plain);
	CHECK_R(168, c.s == p.server && c.error == 0 && c.offset_high == 0 && c.offset == 0);
	CHECK_R(169, c.bytes == 3 && c.internal == WSS_OPERATION_IN_PROGRESS);
	NEED(SPI_FAILS(receive(p.server, &urgent, MSG_OOB), WSA_IO_PENDING));
	NEED(spi.lpWSPSend(p.client, &mark, 1, &n, MSG_OOB, NULL, NULL, NULL, &host_error) == 0);
	c = completion_of(&urgent);
	CHECK_R(168, c.error == 0 && c.offset_high == 0 && c.offset == MSG_OOB && c.bytes == 1);
	NEED(SPI_FAILS(transmit(p.client, sizeof(out), &sent, &n), WSA_IO_PENDING));
	CHECK_R(165, sent.Internal == WSS_OPERATION_IN_PROGRESS);
	NEED(SPI_FAILS(receive(q.server, &failed, 0), WSA_IO_PENDING));
	hard_close(q.client);
	c = completion_of(&failed);
	CHECK_R(168, c.error == WSAECONNRESET && c.offset_high == WSAECONNRESET && c.bytes == 0);
	NEED(SPI_FAILS(receive(p.server, &aborted, MSG_OOB), WSA_IO_PENDING));
	NEED(host_close(p.server) == 0);
	c = completion_of(&aborted);
	CHECK_R(189, c.s == p.server && c.error == WSA_OPERATION_ABORTED && c.bytes == 0);
	CHECK_R(168, c.offset_high == WSA_OPERATION_ABORTED && c.offset == 0);
	CHECK_R(185, completion_of(&sent).error == WSAECONNRESET);
	host_close_pair(&p);
	host_close_pair(&q);
}

/* --- completion routines --- */

static unsigned routine_calls;
static DWORD routine_bytes;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)
{
	(void)o;
	(void)flags;
	routine_calls += error == 0;
	routine_bytes = bytes;
}

static void check_thread_id(void)
{
	static WSAOVERLAPPED o;
	struct pair p = need_host_pair();
	WSABUF buffer = { sizeof(in), in };
	WSATHREADID storage;
	DWORD flags = 0;

	overlapped_init(&o, NULL);
	NEED(SPI_FAILS(spi.lpWSPRecv(p.server, &buffer, 1, NULL, &flags, &o, routine,
				     host_thread(&storage), &host_error),
		       WSA_IO_PENDING));
	memset(&storage, 0, sizeof(storage)); /* it was lent for the call */
	NEED(host_send(p.client, "abc", 3) == 3);
	CHECK_R(183, host_run_apcs(LONG_MS) == 1 && routine_calls == 1 && routine_bytes == 3);
	CHECK_R(183, host_wait_completion(&o, 0) == 0); /* this way, and no other */
	CHECK_R(185, host_run_apcs(SHORT_MS) == 0);
	host_close_pair(&p);
}

/* --- once each --- */

#define MANY 400

static void send_and_close(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < MANY / 2; i++)
		host_send(p->client, "1234", 4);
	host_close(p->server);
}

static bool once_each(void)
{
	static WSAOVERLAPPED many[10][MANY];
	static unsigned round;
	WSAOVERLAPPED *o = many[round++];
	struct pair p = need_host_pair();
	struct conf_thread *thread;
	unsigned posted = 0;
	bool ok = true;

	thread = thread_run(send_and_close, &p);
	for (int i = 0; i < MANY; i++) {
		int result = i % 4 == 3 ? transmit(p.server, 60000, &o[i], NULL)
					: receive(p.server, &o[i], 0);

		if (result != 0 && host_error != WSA_IO_PENDING)
			break; /* closed: nothing was started, nothing will come */
		posted++;
	}
	thread_join(thread);
	for (unsigned i = 0; i < posted; i++)
		ok = host_wait_completion(&o[i], LONG_MS) == 1 && ok;
	Sleep(SHORT_MS);
	for (unsigned i = 0; i < MANY; i++)
		ok = host_wait_completion(&o[i], 0) == (i < posted) && ok;
	ok = ok && host_find(p.server).late == 0;
	host_close(p.client);
	host_close(p.listener);
	return ok;
}

/* --- handles --- */

static bool all_closed(unsigned first)
{
	uint64_t deadline = now_ms() + LONG_MS;

	while (host_open_handles() > 0 && now_ms() < deadline)
		Sleep(1);
	for (unsigned i = first; i < host_handles(); i++)
		if (host_handle_at(i).open || host_handle_at(i).closes != 1 ||
		    host_handle_at(i).late != 0)
			return false;
	return host_handles() > first;
}

static void check_handles(void)
{
	static WSAOVERLAPPED o[4];
	unsigned first = host_handles();
	struct address nowhere = loopback(1);
	SOCKET s = host_socket();
	struct pair p = need_host_pair(), r = need_host_pair(), q = need_host_pair(),
		    cut = need_host_pair();

	NEED(host_connect(s, &nowhere) != 0);
	NEED(SPI_FAILS(receive(p.server, &o[0], MSG_OOB), WSA_IO_PENDING));
	NEED(SPI_FAILS(receive(r.client, &o[1], MSG_OOB), WSA_IO_PENDING));
	NEED(SPI_FAILS(transmit(cut.client, sizeof(out), &o[2], NULL), WSA_IO_PENDING));
	hard_close(q.server);
	NEED(SPI_FAILS(host_recv(q.client, in, 1), WSAECONNRESET));
	host_close(s);
	/* First where a receive is pending: the end of its peer would complete it, too. */
	host_close(p.server);
	host_close(p.client);
	host_close(p.listener);
	host_close_pair(&r);
	host_close_pair(&cut); /* it resets its peer */
	host_close(q.client);
	host_close(q.listener);
	CHECK_R(195, all_closed(first));
	CHECK_R(189, completion_of(&o[0]).error == WSA_OPERATION_ABORTED &&
			     completion_of(&o[1]).error == WSA_OPERATION_ABORTED &&
			     completion_of(&o[2]).error == WSA_OPERATION_ABORTED);
}

/* --- blocking hooks --- */

static unsigned hook_calls;
static bool hook_cancels, hook_answer;
static int nested_error;

static BOOL CALLBACK hook(DWORD_PTR context)
{
	INT error = 0;

	NEED(context == 77);
	hook_calls++;
	if (hook_calls == 2) {
		/* A thread inside of a hook cannot block again. */
		(void)spi.lpWSPSelect(0, NULL, NULL, NULL, NULL, &error);
		nested_error = error;
	}
	if (hook_calls == 3 && hook_cancels)
		NEED(spi.lpWSPCancelBlockingCall(&error) == 0);
	return hook_calls < 3 || hook_cancels || hook_answer;
}

static void hook_start(bool cancels)
{
	hook_calls = 0;
	hook_cancels = cancels;
	hook_answer = false;
	host_blocking_context = 77;
	host_blocking = hook;
}

static int select_one(SOCKET s)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return spi.lpWSPSelect(0, &set, NULL, NULL, NULL, &host_error);
}

/* Each blocking call, ended by a cancel from its hook or by the hook's answer. */
static void check_cancelled(bool cancels)
{
	struct pair p = need_host_pair(), q = need_host_pair();

	hook_start(cancels);
	CHECK_R(211, SPI_FAILS(host_recv(p.server, in, 10), WSAEINTR) && hook_calls == 3);
	hook_start(cancels);
	CHECK_R(211, SPI_NO_SOCKET(host_accept(p.listener), WSAEINTR));
	hook_start(cancels);
	CHECK_R(211, SPI_FAILS(select_one(p.server), WSAEINTR));
	/* Nothing was spoilt by these. */
	hook_start(cancels);
	CHECK_R(211, host_send(p.client, "abc", 3) == 3 && hook_calls == 0);
	host_blocking = NULL;
	CHECK_R(211, host_recv(p.server, in, 10) == 3);
	/* A send that was cut off half way is the end of the stream, on both sides. */
	hook_start(cancels);
	CHECK_R(211, SPI_FAILS(host_send(q.client, out, sizeof(out)), WSAEINTR));
	host_blocking = NULL;
	CHECK_R(211, SPI_FAILS(host_send(q.client, "x", 1), WSAECONNABORTED) &&
			     SPI_FAILS(host_recv(q.client, in, 1), WSAECONNABORTED));
	while (host_recv(q.server, in, sizeof(in)) > 0)
		;
	CHECK_R(211, host_error == WSAECONNRESET);
	CHECK_R(211, host_close(q.client) == 0);
	host_close(q.server);
	host_close(q.listener);
	host_close_pair(&p);
}

static void check_nothing_to_cancel(void)
{
	struct pair p = need_host_pair();
	static WSAOVERLAPPED o;

	CHECK_R(212, SPI_FAILS(spi.lpWSPCancelBlockingCall(&host_error), WSAEINVAL));
	NEED(SPI_FAILS(receive(p.server, &o, 0), WSA_IO_PENDING));
	/* An overlapped operation is no blocking call. */
	CHECK_R(212,
		SPI_FAILS(spi.lpWSPCancelBlockingCall(&host_error), WSAEINVAL) && in_progress(&o));
	hook_start(true);
	NEED(SPI_FAILS(host_recv(p.client, in, 1), WSAEINTR));
	host_blocking = NULL;
	CHECK_R(212, SPI_FAILS(spi.lpWSPCancelBlockingCall(&host_error), WSAEINVAL));
	host_close_pair(&p);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	NEED(host_startup(0) == 0);
	check_at_once();
	check_result_before_upcall();
	check_thread_id();
	for (int i = 0; i < 10; i++)
		CHECK_R(185, once_each());
	check_handles();
	check_cancelled(true);
	check_cancelled(false);
	check_nothing_to_cancel();
	CHECK_R(195, all_closed(0));
	NEED(host_cleanup() == 0);
	return check_result();
}
