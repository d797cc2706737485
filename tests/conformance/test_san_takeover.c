// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_takeover.c - mode S: a process ends while a connection goes from one to another. Four of them: one end
 * stays in the "peer"; the other one goes from here to the "giver", and from there to the "taker".
 */
#include "tests/conformance/san_share.h"

#define GREETING "from the next one"
#define INSIDE_MS \
	50 /* a call that cannot return has begun by then, or begins later: it makes no difference */
#define MOMENTS 4 /* ms after its begin when a call that can return is cut off */

struct cast {
	struct child peer, giver, taker;
};

/* --- the roles --- */

/* Connects, posts a receive and tells what becomes of it. */
static int peer(void)
{
	struct child parent = child_is_ready();
	struct address at = loopback((u_short)child_hear(&parent));
	SOCKET s = san_bound();
	struct san_posted r;
	DWORD bytes = 0;
	int error;

	if (san_dial(s, &at) != 0)
		return 1;
	san_post(s, SAN_UPCALL, &r);
	child_tell(&parent, 1);
	error = san_result(s, &r.op, &bytes);
	child_tell(&parent, error == 0 && strcmp(r.bytes, GREETING) != 0 ? -2 : error);
	san_close(s);
	host_cleanup();
	return 0;
}

static int giver(void)
{
	struct child parent = child_is_ready();
	SOCKET s = san_attach((DWORD)child_hear(&parent));
	WSAPROTOCOL_INFOW info;

	child_tell(&parent, s != INVALID_SOCKET);
	if (!san_give(s, (DWORD)child_hear(&parent), &info))
		return 1;
	child_tell(&parent, (int)info.dwProviderReserved);
	if (strcmp(conf_argument(), "stays") == 0)
		(void)child_hear(&parent);
	if (strcmp(conf_argument(), "exits") != 0)
		host_cleanup();
	return 0;
}

static int taker(void)
{
	struct child parent = child_is_ready();
	SOCKET s = san_attach((DWORD)child_hear(&parent));

	child_tell(&parent, s != INVALID_SOCKET && san_text(s, GREETING));
	(void)child_hear(&parent);
	san_close(s);
	host_cleanup();
	return 0;
}

/* The giver has the connection, and both that are left are ready. */
static struct cast begin(const char *end)
{
	struct cast c = { .peer = child_start_ready("peer", "-"),
			  .giver = child_start_ready("giver", end),
			  .taker = child_start_ready("taker", "-") };
	WSAPROTOCOL_INFOW info;
	struct address at;
	SOCKET listener = san_listener(&at, 4), s;

	child_tell(&c.peer, port_of(&at));
	s = san_take(listener, NULL, 0);
	if (s == INVALID_SOCKET || child_hear(&c.peer) != 1 ||
	    !san_give(s, child_id(&c.giver), &info))
		abort();
	child_tell(&c.giver, (int)info.dwProviderReserved);
	if (child_hear(&c.giver) != 1)
		abort();
	san_close(s);
	san_close(listener);
	return c;
}

static void end(struct child *c)
{
	child_tell(c, 0);
	CHECK(child_wait(c) == 0);
}

static void kill_one(struct child *c)
{
	child_kill(c);
	CHECK(child_wait(c) == conf_death);
}

/* --- the giver ends before the taker comes: the connection went with the call --- */

static void the_giver_has_ended(const char *how)
{
	struct cast c = begin(how);
	int token;

	child_tell(&c.giver, (int)child_id(&c.taker));
	token = child_hear(&c.giver);
	if (strcmp(how, "stays") == 0)
		kill_one(&c.giver);
	else
		CHECK(child_wait(&c.giver) == 0);
	child_tell(&c.taker, token);
	CHECK_R(316, child_hear(&c.taker) == 1);
	CHECK_R(324, child_hear(&c.peer) == 0);
	end(&c.taker);
	CHECK(child_wait(&c.peer) == 0);
}

/* --- one is killed in the middle: the peer hears of it, at the latest when the time is over --- */

/* Its call waits for the peer, which does not answer; or, at some moment, it does. */
static void let_it_run(struct cast *c, struct child *victim, int number, DWORD ms)
{
	if (ms == INSIDE_MS)
		child_stop(&c->peer);
	child_tell(victim, number);
	Sleep(ms);
	kill_one(victim);
	if (ms == INSIDE_MS)
		child_continue(&c->peer);
}

static void the_giver_dies_inside(DWORD ms)
{
	struct cast c = begin("stays");

	let_it_run(&c, &c.giver, (int)child_id(&c.taker), ms);
	CHECK_R(328, child_hear(&c.peer) == WSAECONNRESET);
	kill_one(&c.taker);
	CHECK(child_wait(&c.peer) == 0);
}

static void the_taker_dies_inside(DWORD ms)
{
	struct cast c = begin("stays");
	int error;

	child_tell(&c.giver, (int)child_id(&c.taker));
	let_it_run(&c, &c.taker, child_hear(&c.giver), ms);
	error = child_hear(&c.peer);
	CHECK_R(328, error == WSAECONNRESET || (error == 0 && ms != INSIDE_MS));
	end(&c.giver);
	CHECK(child_wait(&c.peer) == 0);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	set_variable("WSD_DUPLICATE_TIMEOUT", "3000"); /* less than san_result waits */
	if (san_startup(0) != 0)
		abort();
	if (conf_role() != NULL)
		return strcmp(conf_role(), "peer") == 0	   ? peer()
		       : strcmp(conf_role(), "giver") == 0 ? giver()
							   : taker();
	the_giver_has_ended("exits");
	the_giver_has_ended("cleans");
	the_giver_has_ended("stays");
	the_giver_dies_inside(INSIDE_MS);
	the_taker_dies_inside(INSIDE_MS);
	for (DWORD ms = 0; ms < MOMENTS; ms++) {
		the_giver_dies_inside(ms);
		the_taker_dies_inside(ms);
	}
	host_cleanup();
	return check_result();
}
