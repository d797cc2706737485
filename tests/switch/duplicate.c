// SPDX-License-Identifier: BSD-2-Clause
/*
 * duplicate.c - see link.h. A stream is suspended, its socket given away, taken in the other process, and goes on
 * there to the byte; from there it comes back, and then its other end goes. The other process is this program with
 * --take; what it needs comes through a channel of the system, one packet for each socket that changes hands.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/switch/link.h"
#include "tests/switch/other.h"
#include "tests/switch/session.h"

#define BYTES (4u << 20)  /* of each stream */
#define LEG   (64u << 10) /* received between two changes */

enum kind { READY = 1, DONE, CONNECTION, LISTENER };

struct packet {
	uint32_t kind;
	enum sw_way way; /* LISTENER */
	DWORD back;	 /* CONNECTION: the process that it goes back to after LEG bytes; 0: none */
	DWORD limits[3];
	WSAPROTOCOL_INFOW info;
	char moved[SN_MOVES]; /* CONNECTION */
};

static struct sn_end left, right; /* the connector's and the acceptor's */

static void say(int channel, const struct packet *p)
{
	RULE(ot_tell(channel, p, sizeof(*p)), "the other process lives");
}

static bool hear(int channel, struct packet *p, unsigned ms)
{
	return ot_hear(channel, p, sizeof(*p), ms);
}

static void end_other(struct ot_process *o, bool killed)
{
	RULE(ot_end(o, killed) || killed, "the other process finds nothing broken");
}

/* --- one change of hands --- */

static void read_limits(struct sw_socket *sock, DWORD limits[3])
{
	limits[0] = sw_limit(sock, SO_MAX_MSG_SIZE);
	limits[1] = sw_limit(sock, SO_MAX_RDMA_SIZE);
	limits[2] = sw_limit(sock, SO_RDMA_THRESHOLD_SIZE);
}

/* Nothing arrives any more in the memory of receives that have ended. */
static void check_let_go(struct sn_end *e)
{
	bool same = true;

	memset(e->memory, '.', sizeof(e->memory));
	usleep(5000);
	for (size_t i = 0; i < sizeof(e->memory); i++)
		same = same && e->memory[i] == '.';
	RULE(same, "memory of a socket that was given away is left alone");
}

static bool give(struct sn_end *e, DWORD process, struct packet *p)
{
	p->kind = CONNECTION;
	read_limits(e->sock, p->limits);
	memcpy(p->moved, e, SN_MOVES);
	if (!sn_give(e, process, &p->info))
		return false;
	check_let_go(e);
	return true;
}

static bool take(struct sn_end *e, const struct packet *p, struct sw_socket *former)
{
	struct sw_socket *sock = sw_take(&p->info, former);
	DWORD limits[3];

	if (sock == NULL)
		return false;
	read_limits(sock, limits);
	RULE(memcmp(limits, p->limits, sizeof(limits)) == 0,
	     "a socket that was taken is as it was");
	RULE(sw_refused(&p->info), "a token works once");
	sn_continue(e, sock, p->moved);
	return !e->failed;
}

/* Both ends are here until one has received so much more, and is still then. */
static bool suspend_here(struct sn_end *e)
{
	uint64_t mark = e->got + LEG;

	AWAIT((sn_step(&left), sn_step(&right), e->got >= mark) || left.failed || right.failed,
	      "streams make progress");
	sn_suspend(e);
	AWAIT((sn_step(&left), sn_step(&right), sn_still(e)) || left.failed || right.failed,
	      "a stream can be suspended");
	return sn_still(e);
}

/* --- all in this process --- */

static void finish(struct sn_end *e)
{
	AWAIT((sn_step(e), sn_complete(e)) || e->failed, "a stream goes on in the next process");
	RULE(e->failed == 0 && e->urgent_got == SN_URGENT, "it comes to its end there");
}

static void within(enum sw_way way)
{
	struct packet p;
	struct sw_link l;

	sw_make_link(&l);
	sn_begin(&left, l.connector, true, BYTES, BYTES, 5, way);
	sn_begin(&right, l.acceptor, false, BYTES, BYTES, 5, way);
	for (unsigned i = 0; i < 4; i++) {
		struct sn_end *e = i % 2 == 0 ? &right : &left;
		struct sw_socket *old = e->sock;

		if (!suspend_here(e) || !give(e, (DWORD)getpid(), &p) ||
		    !take(e, &p, i < 2 ? NULL : old))
			exit(sw_summary() | 1);
		if (e->sock != old)
			sw_end_socket(old);
	}
	AWAIT((sn_step(&left), sn_step(&right), sn_complete(&left) && sn_complete(&right)) ||
		      left.failed || right.failed,
	      "a stream goes on in the next process");
	RULE(left.failed == 0 && right.failed == 0, "it comes to its end there");
	sw_end_socket(left.sock);
	sw_end_socket(right.sock);
	sw_end_socket(l.listener);
}

/* --- between two processes --- */

/* A close would cut what the other end has not received. */
static void finish_with(const struct ot_process *o, struct sn_end *e)
{
	struct packet p;

	finish(e);
	RULE(hear(o->channel, &p, sw_patience) && p.kind == DONE, "both ends come to their end");
}

/* A connection goes there; meanwhile nobody else may have it. */
static struct sw_socket *give_to(struct ot_process *o, struct sn_end *e, DWORD back)
{
	struct sw_socket *old = e->sock;
	struct packet p = { .back = back };

	if (!suspend_here(e) || !give(e, (DWORD)o->process, &p))
		exit(sw_summary() | 1);
	RULE(sw_refused(&p.info), "a token works only in the process that it names");
	say(o->channel, &p);
	return old;
}

/* Both ways: the acceptor's end goes and comes back, then the connector's goes. */
static void between(enum sw_way way)
{
	struct ot_process o = ot_start();
	struct sw_socket *old;
	struct packet p;
	struct sw_link l;
	bool back = false;

	sw_make_link(&l);
	sn_begin(&left, l.connector, true, BYTES, BYTES, 6, way);
	sn_begin(&right, l.acceptor, false, BYTES, BYTES, 6, way);
	old = give_to(&o, &right, (DWORD)getpid());
	AWAIT((sn_step(&left), (back = hear(o.channel, &p, 0)) || left.failed),
	      "a stream goes on in the next process");
	if (!back || !take(&right, &p, old))
		exit(sw_summary() | 1);
	if (right.sock != old)
		sw_end_socket(old);
	old = give_to(&o, &left, 0);
	sw_end_socket(old); /* perhaps before it was taken */
	finish_with(&o, &right);
	sw_end_socket(right.sock);
	sw_end_socket(l.listener);
	end_other(&o, false);
}

/* A listener goes there, and the stream is with a connection that it accepts. */
static void listens_there(enum sw_way way)
{
	struct ot_process o = ot_start();
	struct packet p = { .kind = LISTENER, .way = way };
	struct sw_link l;
	u_short port;
	int code = -1;

	sw_make_listener(&l, 4, &port);
	if (!sw_give(l.listener, (DWORD)o.process, &p.info))
		exit(sw_summary() | 1);
	say(o.channel, &p);
	if (!hear(o.channel, &p, sw_patience))
		exit(sw_summary() | 1);
	sw_dial(&l, port);
	AWAIT(code >= 0 || sw_outcome(&l, &code), "a connect sets its event");
	RULE(code == 0, "a listener goes on in the next process");
	sw_end_socket(l.listener);
	if (code != 0)
		exit(sw_summary() | 1);
	sn_begin(&left, l.connector, true, SN_LARGE, SN_LARGE, 7, way);
	finish_with(&o, &left);
	sw_end_socket(l.connector);
	end_other(&o, false);
}

/* The process that took a connection dies when all has been said: the peer's receives hear of it. */
static void dies_there(enum sw_way way)
{
	struct ot_process o = ot_start();
	struct sw_socket *old;
	struct sw_link l;

	sw_make_link(&l);
	sn_begin(&left, l.connector, true, LEG, 0, 8, way);
	sn_begin(&right, l.acceptor, false, 0, LEG, 8, way);
	old = give_to(&o, &right, 0);
	finish_with(&o, &left);
	end_other(&o, true);
	AWAIT((sn_step(&left), left.failed != 0),
	      "the death of the next process ends the peer's receives");
	RULE(sw_says_reset(left.failed), "they end with a code that says so");
	sw_end_socket(old);
	sw_end_socket(l.connector);
	sw_end_socket(l.listener);
}

void sw_duplicate(enum sw_way way, bool two_processes)
{
	within(way);
	if (!two_processes)
		return;
	between(way);
	listens_there(way);
	dies_there(way);
}

/* --- what the other process does --- */

/* Everything has been said, which the end that closes has to know. */
static void play_end(int channel)
{
	struct packet done = { .kind = DONE };

	finish(&right);
	say(channel, &done);
	AWAIT((sn_step(&right), right.failed != 0), "a close ends the peer's receives");
	sw_end_socket(right.sock);
}

/* Back after LEG bytes, or to the end. */
static void play_connection(int channel, const struct packet *p)
{
	struct packet back = { 0 };
	struct sw_socket *old;
	uint64_t mark;

	if (!take(&right, p, NULL))
		return;
	if (p->back == 0) {
		play_end(channel);
		return;
	}
	mark = right.got + LEG;
	AWAIT((sn_step(&right), right.got >= mark) || right.failed,
	      "a stream goes on in the next process");
	sn_suspend(&right);
	AWAIT((sn_step(&right), sn_still(&right)) || right.failed, "a stream can be suspended");
	old = right.sock;
	if (!sn_still(&right) || !give(&right, p->back, &back))
		return;
	say(channel, &back);
	sw_end_socket(old);
}

static void play_listener(int channel, const struct packet *p)
{
	struct packet ready = { .kind = READY };
	struct sw_link l = { .listener = sw_take(&p->info, NULL) };

	if (l.listener == NULL)
		return;
	sw_watch(l.listener, &l.accepts);
	say(channel, &ready);
	AWAIT(sw_requested(l.listener, &l.accepts), "a request sets the listener's event");
	AWAIT(l.acceptor != NULL || sw_try_accept(&l, false), "a request can be accepted");
	if (l.acceptor == NULL)
		return;
	sn_begin(&right, l.acceptor, false, SN_LARGE, SN_LARGE, 7, p->way);
	play_end(channel);
	sw_end_socket(l.listener);
}

int sw_other_process(int channel)
{
	struct packet p;

	while (hear(channel, &p, 2 * sw_patience)) {
		if (p.kind == CONNECTION)
			play_connection(channel, &p);
		else
			play_listener(channel, &p);
	}
	sw_unload();
	return sw_summary();
}
