// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_linger.c - close with a linger time. The peer is another process that is stopped
 * meanwhile, so it cannot acknowledge; on sim, which has no other process, only what ends in time.
 */
#include "tests/conformance/io.h"

#define BYTES 1500 /* below any window: all of it has left when close is called */

static void set_linger(SOCKET s, u_short seconds)
{
	struct linger value = { 1, seconds };

	NEED(setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, sizeof(value)) == 0);
}

/* --- the peer: connects, reads to the end, tells how much came and how it ended --- */

static int peer(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)atoi(conf_argument()));
	SOCKET s = stream_socket();
	char bytes[BYTES + 1];
	size_t got;

	NEED(connect_to(s, &at) == 0);
	child_tell(&parent, 1);
	got = receive_all(s, bytes, sizeof(bytes));
	child_tell(&parent, (int)got);
	child_tell(&parent, pattern_ok(bytes, got, 0));
	child_tell(&parent, at_end(s) ? 0 : WSAGetLastError());
	closesocket(s);
	WSACleanup();
	return 0;
}

struct other {
	struct child child;
	SOCKET s;
};

static struct other other_start(void)
{
	struct other o;
	struct address at;
	SOCKET listener = listener_on(&at, 1);
	char port[8], bytes[BYTES];

	NEED(listener != INVALID_SOCKET);
	snprintf(port, sizeof(port), "%u", port_of(&at));
	o.child = child_start("peer", port);
	o.s = accept(listener, NULL, NULL);
	NEED(o.s != INVALID_SOCKET && child_hear(&o.child) == 1);
	closesocket(listener);
	child_stop(&o.child);
	Sleep(SHORT_MS);
	pattern_fill(bytes, BYTES, 0);
	NEED(send(o.s, bytes, BYTES, 0) == BYTES);
	return o;
}

static void wake_up(void *arg)
{
	struct other *o = arg;

	Sleep(500);
	child_continue(&o->child);
}

/* A stopped process does not keep its system from acknowledging. */
static uint64_t least(uint64_t ms)
{
	return conf_system_tcp() ? 0 : ms;
}

static void check_finishes(void)
{
	struct other o = other_start();
	struct conf_thread *waker;
	uint64_t begun = now_ms();

	set_linger(o.s, 60);
	waker = thread_run(wake_up, &o);
	CHECK_R(198, closesocket(o.s) == 0 && now_ms() - begun >= least(400) &&
			     now_ms() - begun < 50000);
	CHECK_R(198, FAILS(closesocket(o.s), WSAENOTSOCK));
	thread_join(waker);
	CHECK_R(198, child_hear(&o.child) == BYTES && child_hear(&o.child) == 1 &&
			     child_hear(&o.child) == 0);
	NEED(child_wait(&o.child) == 0);
}

/* Last: the clean-up would wait a minute for a connection that still closes in the background. */
static void check_expires(void)
{
	struct other o = other_start();
	uint64_t begun = now_ms();
	int got, right, error;

	set_linger(o.s, 1);
	CHECK_R(199, closesocket(o.s) == 0 && now_ms() - begun >= least(1000) &&
			     now_ms() - begun < 30000);
	CHECK_R(188, FAILS(send(o.s, "x", 1, 0), WSAENOTSOCK));
	begun = now_ms();
	NEED(WSACleanup() == 0);
	CHECK_R(199, now_ms() - begun < 30000);
	child_continue(&o.child);
	/* What had arrived is right, and the end is an end, one way or the other. */
	got = child_hear(&o.child);
	right = child_hear(&o.child);
	error = child_hear(&o.child);
	CHECK_R(199, got >= 0 && got <= BYTES && right == 1 &&
			     (error == WSAECONNRESET || (error == 0 && got == BYTES)));
	NEED(child_wait(&o.child) == 0);
}

static void check_nothing_to_wait_for(void)
{
	struct pair p = need_pair();
	char bytes[BYTES];
	uint64_t begun = now_ms();

	pattern_fill(bytes, BYTES, 0);
	set_linger(p.client, 60);
	NEED(send(p.client, bytes, BYTES, 0) == BYTES);
	CHECK_R(198, closesocket(p.client) == 0 && now_ms() - begun < 50000);
	CHECK_R(198, drained(p.server, BYTES, 0));
	closesocket(p.server);
	closesocket(p.listener);
}

int main(int argc, char **argv)
{
	set_variable("WSD_EXIT_LINGER", "60000");
	conf_start(argc, argv);
	if (conf_role())
		return peer();
	check_nothing_to_wait_for();
	if (!conf_two_processes()) {
		WSACleanup();
		return check_result();
	}
	check_finishes();
	check_expires();
	return check_result();
}
